"""agent-store import."""

import argparse
import os
from typing import BinaryIO

from agent_store.cli.command import Command, Parser, add_durability, open_to_write
from agent_store.cli.errors import Problem
from agent_store.cli.output import Output, remark
from agent_store.cli.terminal import bar
from agent_store.cli.verdict import print_verdict

ABOUT = """
FILE is what `agent-store export` wrote. Every line of it is checked, every hash recomputed, the order, the counts and
the end; the first thing that is wrong is named with its line, and then nothing was written: all is one transaction,
during which nobody else can write to DB. Then DB is verified.

DB is made where there is none, as a path or a postgresql:// URL. It may hold the beginning of what is in FILE, and gets
the rest. Anything else in DB, a generation that is higher there, or a name that it cannot hold is an error.
"""
EXAMPLES = """
  agent-store import app.db app.jsonl
  zstdcat app.jsonl.zst | agent-store import postgresql://app@db.example/app
"""


def arguments(parser: Parser) -> None:
    """What comes after DB."""
    parser.add_argument("file", metavar="FILE", nargs="?", default="-", help="path; none, or -: standard input")
    add_durability(parser)


def run(options: argparse.Namespace, out: Output) -> int:
    """Import, and print what is there now."""
    import agent_store
    from agent_store import errors

    name = "standard input" if options.file == "-" else options.file
    with _opened(options.file) as file, open_to_write(options) as store:
        before = store.position()
        with bar("importing", "entries") as show:
            try:
                verdict = agent_store.import_(store, file, progress=show.part if show else None)
            except errors.MalformedExport as error:
                raise Problem(f"{name}, {error}", "nothing was imported") from error
            except OSError as error:
                if error.filename is not None:
                    raise
                raise Problem(f"{name} could not be read: {error.strerror}") from error
        imported = store.position() - before
    print_verdict(store.target, verdict, out, imported=imported)
    return 0 if verdict.holds else 1


def _opened(name: str) -> BinaryIO:
    """Before a store is made for it."""
    try:
        if name == "-":
            if os.isatty(0):
                remark("reading an export from the terminal; Ctrl-D ends")
            return os.fdopen(os.dup(0), "rb")
        return open(name, "rb")  # noqa: PTH123 - as the argument is
    except OSError as error:
        raise Problem(f"{name} could not be read: {error.strerror}") from error


COMMAND = Command(ABOUT, EXAMPLES, arguments, run)
