"""agent-store tail."""

import argparse
from itertools import islice
from typing import TYPE_CHECKING

from agent_store.cli.command import Command, Parser, add_selection, open_to_read, whole
from agent_store.cli.errors import INTERRUPTED
from agent_store.cli.output import Entries, Output, remark, when_unread

if TYPE_CHECKING:
    from agent_store import Store

ABOUT = """
The newest entries of all logs in the order of their commits, a line each: stream, writer, seq, the beginning of the
hash, and the payload as show prints it. With -f also each that is committed from then on, by whatever process, or on
PostgreSQL machine, at once and until Ctrl-C. None is left out between the two, and none is printed twice.

--json has every fact of an entry, its position among them. The store is only read, a file of the crate's too; one that
is not there is not waited for.
"""
EXAMPLES = """
  agent-store tail app.db
  agent-store tail -f app.db
  agent-store tail -f -n 0 --stream conv:demo --stream conv:other app.db        only what is new
  agent-store tail -f --json postgresql://app@db.example/app | jq --unbuffered -r .stream
"""


def arguments(parser: Parser) -> None:
    """What comes after DB."""
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is committed from then on")
    parser.add_argument(
        "-n", "--count", type=whole, default=10, metavar="N", help="so many of the newest (default: 10)"
    )
    add_selection(parser)


def run(options: argparse.Namespace, out: Output) -> int:
    """Print the newest entries, and those that come."""
    with open_to_read(options) as store:
        # Before the entries: what is committed in between is among them, and not lost.
        position = store.position()
        entries = store.entries(stream=options.streams, writer=options.writer, reverse=True)
        newest = [*islice(entries, options.count)][::-1]
        lines = Entries(out, names=True)
        if options.follow:
            out.each_at_once()
        for entry in newest:
            lines.print(entry)
        if not options.follow:
            if options.count and not newest:
                remark("no entries" if options.streams is options.writer is None else "no such entries")
            return 0
        if newest:
            position = max(position, newest[-1].position)
        del newest
        return _follow(store, options, lines, position)


def _follow(store: "Store", options: argparse.Namespace, lines: Entries, after: int) -> int:
    unread = False

    def stop() -> None:
        nonlocal unread
        unread = True
        watch.close()

    try:
        with store.watch(stream=options.streams, writer=options.writer, after=after) as watch:
            when_unread(stop)
            for entry in watch:
                lines.print(entry)
    except KeyboardInterrupt:  # How this is meant to end: there is nothing to say.
        return INTERRUPTED
    if unread:
        raise BrokenPipeError
    return 0


COMMAND = Command(ABOUT, EXAMPLES, arguments, run)
