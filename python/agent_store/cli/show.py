"""agent-store show."""

import argparse
import sys
from itertools import islice

from agent_store.cli.command import Command, Parser, add_log, count, no_log, open_to_read
from agent_store.cli.errors import UNUSABLE, Problem
from agent_store.cli.output import Entries, Output

ABOUT = """
A line for each entry: its seq, the beginning of its hash, its payload. A payload that is printable UTF-8 is shown as it
is; one with other characters in quotes, those escaped ('a\\nb'); one that is no UTF-8 as b'\\xff', cut after 64 bytes.
--json has all of it; --raw the payloads alone: of lines that were appended it makes the same lines again, and ends with
an error at one that was erased.
"""
EXAMPLES = """
  agent-store show app.db conv:demo alice
  agent-store show --reverse -n 20 app.db conv:demo alice     the newest 20, the newest first
  agent-store show --start 100 --stop 200 app.db conv:demo alice
  agent-store show --raw app.db logs/dpkg "$(hostname)" | diff - /var/log/dpkg.log
"""


def arguments(parser: Parser) -> None:
    """What comes after DB."""
    add_log(parser)
    parser.add_argument("--start", type=count, default=1, metavar="SEQ", help="from this entry on (default: 1)")
    parser.add_argument("--stop", type=count, metavar="SEQ", help="to before this entry (default: to the newest)")
    parser.add_argument("-n", "--count", type=count, metavar="N", help="at most so many")
    parser.add_argument("--reverse", action="store_true", help="the newest first")
    parser.add_argument("--raw", action="store_true", help="the payloads alone, a line feed after each")


def run(options: argparse.Namespace, out: Output) -> int:
    """Print the entries."""
    if options.raw and options.json:
        raise Problem("either --raw or --json, not both", "see agent-store show --help", status=UNUSABLE)
    with open_to_read(options) as store:
        log = store.log(options.stream, options.writer)
        head = log.head()
        if head is None:
            raise no_log(store, options)
        lines = Entries(out, digits=len(str(head.seq)))
        for entry in islice(log.entries(options.start, options.stop, reverse=options.reverse), options.count):
            if options.raw:
                sys.stdout.buffer.write(entry.payload + b"\n")
            else:
                lines.print(entry)
    return 0


COMMAND = Command(ABOUT, EXAMPLES, arguments, run)
