"""agent-store exec."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from signal import Signals
from typing import TYPE_CHECKING

from agent_store.cli.child import Child
from agent_store.cli.command import (
    Command,
    Parser,
    add_durability,
    add_selection,
    open_to_read,
    open_to_write,
    seconds,
)
from agent_store.cli.errors import FAILED, UNUSABLE, Problem, tell
from agent_store.cli.output import Output, fields, json_line, remark

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_store import Entry, Store

ABOUT = """
CMD is run for each entry in the order of their commits, one after the other, by no shell: the payload is its standard
input, and what else is known of the entry is in its environment:

  AGENT_STORE_STREAM, AGENT_STORE_WRITER     whose log it is in
  AGENT_STORE_SEQ, AGENT_STORE_POSITION      its number in that log, and in the whole store
  AGENT_STORE_HASH, AGENT_STORE_PREV_HASH    its hash and that of the entry before it (empty for the first), hex
  AGENT_STORE_ERASED                         empty; of an entry whose payload was erased, how many bytes it had

With --json its standard input is the entry as a line of show --json. When there are no more it waits for the next,
until Ctrl-C; with --once it ends.

The position is kept in the store, in the generation NAME, and moved on after CMD has ended with status 0. So every
entry is handled at least once, and once more where this process was killed in between. A NAME that is new begins with
the first entry; with --from-now it begins with what is committed from then on. Each command has a NAME of its own:
where two run under the same, one of them notices and ends, and an entry may have been handled by both.

A CMD that fails ends this too, with its exit status (128 + N where signal N ended it), and the next call begins with
the same entry. To pass over it: agent-store generation DB NAME advance POSITION. Signals that are to end this process
are passed on to CMD, and its end is waited for.
"""
EXAMPLES = """
  agent-store exec --as mailer --stream orders app.db -- ./send-mail
  agent-store exec --as audit --once --json app.db -- sh -c 'cat >> audit.jsonl'
  agent-store exec --as bridge --from-now --retry 5 app.db -- sh -c 'mosquitto_pub -t "log/$AGENT_STORE_STREAM" -s'
"""


def arguments(parser: Parser) -> None:
    """What comes after DB."""
    parser.add_argument("command", metavar="-- CMD ARG", nargs="*", default=[], help="the command and its arguments")
    parser.add_argument(
        "--as", metavar="NAME", dest="name", required=True, help="the generation that keeps the position"
    )
    add_selection(parser)
    parser.add_argument("--exclude-writer", metavar="WRITER", help="no entries of this writer: CMD's own answers, say")
    parser.add_argument("--from-now", action="store_true", help="begin with what comes; only for a NAME that is new")
    parser.add_argument("--once", action="store_true", help="handle what is there, and end")
    parser.add_argument(
        "--retry",
        type=seconds,
        metavar="SECONDS",
        help="a CMD that failed is run again after so long, until it succeeds",
    )
    add_durability(parser)


def run(options: argparse.Namespace, out: Output) -> int:  # noqa: ARG001 - what is printed is the command's
    """Run the command for each entry."""
    if not options.command:
        raise Problem("a command is missing", "agent-store exec --as NAME DB -- CMD ARG…", status=UNUSABLE)
    command = Child(options.command)
    open_to_read(options).close()  # No store is made here.
    with open_to_write(options) as store, command:
        place = Place(store, options.name)
        if options.from_now:
            place.begin_now()
        remark(f"{options.name!r} begins after position {place.position:,}")
        with _entries(store, options, place.position, command) as entries:
            for entry in entries:
                if command.signal is not None:
                    break
                _handle(entry, command, place, options)
    return 0 if command.signal is None else 128 + command.signal


class Place:
    """How far a name has got: a generation, which nobody else is to move meanwhile."""

    def __init__(self, store: "Store", name: str) -> None:
        self._store = store
        self._name = name
        self._generation = store.generation(name)
        # A write: who may not write is told before anything is done.
        self.position = self._generation.advance_to(0)
        if self.position > (newest := store.position()):
            raise Problem(
                f"generation {name!r} stands at {self.position} and the newest position of {store.target} is {newest}",
                "it counts something else, or it is of another state of the store; give --as another NAME",
            )

    def begin_now(self) -> None:
        """At the newest position."""
        if self.position:
            raise Problem(
                f"{self._name!r} is not new, it has handled what is there up to position {self.position}",
                "leave out --from-now to go on there, or give --as another NAME",
            )
        self.move(self._store.position())

    def check(self) -> None:
        """Is it where this process left it?"""
        now = self._generation.current()
        if now != self.position:
            raise Problem(
                f"somebody else moved {self._name!r} from {self.position} to {now}: another exec of this name runs",
                "each needs a NAME of its own; an entry may have been handled by both",
            )

    def move(self, position: int) -> None:
        """Here, unless somebody else has moved it."""
        with self._store.transaction():
            self.check()
            self._generation.set(position)
        self.position = position


@contextmanager
def _entries(store: "Store", options: argparse.Namespace, after: int, command: Child) -> "Iterator[Iterable[Entry]]":
    """Those that are there, or these and all that come until a signal does."""
    if options.once:
        found = store.entries(after=after, stream=options.streams, writer=options.writer)
        yield (entry for entry in found if entry.writer != options.exclude_writer)
        return
    watch = store.watch(
        stream=options.streams, writer=options.writer, exclude_writer=options.exclude_writer, after=after
    )
    with watch:
        command.on_signal = watch.close
        yield watch if command.signal is None else ()


def _handle(entry: "Entry", command: Child, place: Place, options: argparse.Namespace) -> None:
    """Until it is done, or a signal came."""
    payload = b"" if entry.erased else entry.payload
    data = f"{json_line(fields(entry))}\n".encode() if options.json else payload
    while True:
        place.check()
        status = command.run(data, _environment(entry))
        if status == 0:
            place.move(entry.position)
            return
        if command.signal is not None:
            return
        failed = Problem(
            f"{options.command[0]} {_end(status)} for entry {entry.seq} of stream {entry.stream!r}, writer"
            f" {entry.writer!r}, position {entry.position}",
            f"{options.name!r} stays at {place.position}" if options.retry is None else f"again in {options.retry:g} s",
            status=status,
        )
        if options.retry is None:
            raise failed
        tell(failed, FAILED)
        if not command.pause(options.retry):
            return


def _end(status: int) -> str:
    if status > 128 and (number := status - 128) in {*Signals}:
        return f"was ended by {Signals(number).name}"
    return f"ended with status {status}"


def _environment(entry: "Entry") -> dict[str, str]:
    if "\0" in entry.stream + entry.writer:
        raise Problem(
            f"the entry at position {entry.position} has a name with NUL in it ({entry.stream!r}, {entry.writer!r}), "
            "which no environment holds"
        )
    # The bytes of the names, whatever the encoding of the environment is.
    return {
        "AGENT_STORE_STREAM": os.fsdecode(entry.stream.encode()),
        "AGENT_STORE_WRITER": os.fsdecode(entry.writer.encode()),
        "AGENT_STORE_SEQ": str(entry.seq),
        "AGENT_STORE_POSITION": str(entry.position),
        "AGENT_STORE_HASH": entry.content_hash.hex(),
        "AGENT_STORE_PREV_HASH": entry.prev_hash.hex() if entry.prev_hash else "",
        "AGENT_STORE_ERASED": str(entry.payload_len) if entry.erased else "",
    }


COMMAND = Command(ABOUT, EXAMPLES, arguments, run)
