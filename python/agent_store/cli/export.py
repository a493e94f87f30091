"""agent-store export."""

import argparse
import sys

from agent_store.cli.command import Command, Parser, open_to_read
from agent_store.cli.errors import UNUSABLE, Problem
from agent_store.cli.output import Output, remark
from agent_store.cli.terminal import bar

ABOUT = """
One JSON object a line: what store it is, every generation, every entry in the order in which they were committed, and
an end by which a file that was cut off or altered is told from a whole one. Payloads are base64, whatever they are.
Others may go on writing: it is the store as of the beginning.

With --tiles FILE is a directory instead, of static files that other people's tools can audit (C2SP tlog-tiles): the
newest checkpoint, its tree, and the leaves that it seals, without payloads. One that an earlier export of the store
made is carried on; `agent-store verify --key KEY FILE` audits it.

FILE must not be there, and after a failure it is not. Every hash is recomputed: damage is an error, and an export that
can be imported holds. With --json the number of entries is printed as JSON; the lines are JSON in any case.
"""
EXAMPLES = """
  agent-store export app.db app.jsonl
  agent-store export postgresql://app@db.example/app | zstd > app.jsonl.zst
  agent-store export --tiles app.db /srv/www/audit/db1
"""


def arguments(parser: Parser) -> None:
    """What comes after DB."""
    parser.add_argument("file", metavar="FILE", nargs="?", default="-", help="path; none, or -: standard output")
    parser.add_argument("--tiles", action="store_true", help="into a directory: what is sealed, for others to audit")


def run(options: argparse.Namespace, out: Output) -> int:
    """Export, and print how much."""
    import agent_store

    if options.tiles:
        return _tiles(options, out)
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


def _tiles(options: argparse.Namespace, out: Output) -> int:
    import agent_store

    if options.file == "-":
        raise Problem("--tiles makes a directory", "name it after DB", status=UNUSABLE)
    with open_to_read(options) as store, bar("exporting", "entries") as show:
        try:
            progress = show.part if show else None
            checkpoint = agent_store.export_tiles(store, options.file, progress=progress)
        except OSError as error:
            if error.filename is None:
                raise
            raise Problem(f"{error.filename}: {error.strerror}") from error
    if out.json:
        out.record({"exported": checkpoint.size, "origin": checkpoint.origin, "checkpoint": checkpoint})
    else:
        entries = f"{checkpoint.size:,} {'entry' if checkpoint.size == 1 else 'entries'}"
        out.line(f"exported what the newest checkpoint of {checkpoint.origin} seals: {entries}")
    return 0


COMMAND = Command(ABOUT, EXAMPLES, arguments, run)
