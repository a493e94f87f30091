"""agent-store export."""

import argparse
import sys

from agent_store.cli.command import Command, Parser, open_to_read
from agent_store.cli.errors import Problem
from agent_store.cli.output import Output, remark
from agent_store.cli.terminal import bar

ABOUT = """
One JSON object a line: what store it is, every generation, every entry in the order in which they were committed, and
an end by which a file that was cut off or altered is told from a whole one. Payloads are base64, whatever they are.
Others may go on writing: it is the store as of the beginning.

FILE must not be there, and after a failure it is not. Every hash is recomputed: damage is an error, and an export that
can be imported holds. With --json the number of entries is printed as JSON; the lines are JSON in any case.
"""
EXAMPLES = """
  agent-store export app.db app.jsonl
  agent-store export postgresql://app@db.example/app | zstd > app.jsonl.zst
"""


def arguments(parser: Parser) -> None:
    """What comes after DB."""
    parser.add_argument("file", metavar="FILE", nargs="?", default="-", help="path; none, or -: standard output")


def run(options: argparse.Namespace, out: Output) -> int:
    """Export, and print how much."""
    import agent_store

    file = sys.stdout.buffer if options.file == "-" else options.file
    with open_to_read(options) as store, bar("exporting", "entries") as show:
        try:
            entries = agent_store.export(store, file, progress=show.part if show else None)
        except OSError as error:
            if error.filename is None:
                raise
            raise Problem(f"{error.filename}: {error.strerror}") from error
    said = f"exported {entries:,} {'entry' if entries == 1 else 'entries'}"
    if options.file == "-":
        remark(said)
    elif out.json:
        out.record({"exported": entries})
    else:
        out.line(said)
    return 0


COMMAND = Command(ABOUT, EXAMPLES, arguments, run)
