"""agent-store heads."""

import argparse

from agent_store.cli.command import Command, Parser, open_to_read
from agent_store.cli.output import Output, remark

ABOUT = """
A line for each log: stream, writer, the seq of its newest entry (which is how many it has) and that entry's hash. Who
keeps this list elsewhere can tell later whether anything before has changed.
"""
EXAMPLES = """
  agent-store heads app.db
  agent-store heads --stream conv:demo app.db
  agent-store heads --json app.db > heads-of-today.jsonl
"""


def arguments(parser: Parser) -> None:
    """What comes after DB."""
    parser.add_argument("--stream", metavar="STREAM", help="only the logs of this stream")


def run(options: argparse.Namespace, out: Output) -> int:
    """Print the heads."""
    with open_to_read(options) as store:
        heads = store.heads(options.stream)
    out.heads(heads)
    if not heads:
        remark("no logs yet" if options.stream is None else f"no logs of stream {options.stream!r}")
    return 0


COMMAND = Command(ABOUT, EXAMPLES, arguments, run)
