"""agent-store generation."""

import argparse
from typing import TYPE_CHECKING

from agent_store.cli.command import Command, Parser, add_durability, open_to_read, open_to_write
from agent_store.cli.errors import UNUSABLE, Problem
from agent_store.cli.output import Output

if TYPE_CHECKING:
    from agent_store import Generation

ABOUT = """
Prints the counter KEY, 0 where it was never moved. It only ever rises, for all processes alike:

  bump        one more; prints the new value
  set N       exactly N; fails where that is less than it is
  advance N   at least N; prints the value it has then
  reserve N   N values that nobody else gets; prints the first and the last
"""
EXAMPLES = """
  agent-store generation app.db report
  agent-store generation app.db report bump
  agent-store generation app.db ids reserve 100
"""
CHANGES = ("bump", "set", "advance", "reserve")


def arguments(parser: Parser) -> None:
    """What comes after DB."""
    parser.add_argument("key", metavar="KEY", help="the counter's name")
    parser.add_argument("change", metavar="CHANGE", nargs="?", choices=CHANGES, help="bump, set, advance or reserve")
    parser.add_argument("number", metavar="N", nargs="?", type=int, help="for set, advance and reserve")
    add_durability(parser)


def run(options: argparse.Namespace, out: Output) -> int:
    """Print the value, after the change if there is one."""
    key, change, number = options.key, options.change, options.number
    if (number is None) != (change in {None, "bump"}):
        wrong = f"{change} needs a number N" if number is None else f"{change} takes no number"
        raise Problem(wrong, "see agent-store generation --help", status=UNUSABLE)
    if change is None:
        with open_to_read(options) as store:
            values = [store.generation(key).current()]
    else:
        with open_to_write(options) as store:
            values = _change(store.generation(key), change, number)
    if not out.json:
        out.line(" ".join(map(str, values)))
    elif change == "reserve":
        out.record({"key": key, "first": values[0], "last": values[1]})
    else:
        out.record({"key": key, "value": values[0]})
    return 0


def _change(generation: "Generation", change: str, number: int) -> list[int]:
    match change:
        case "bump":
            return [generation.bump()]
        case "set":
            return [generation.set(number)]
        case "advance":
            return [generation.advance_to(number)]
        case _:
            reserved = generation.reserve(number)
            return [reserved[0], reserved[-1]]


COMMAND = Command(ABOUT, EXAMPLES, arguments, run)
