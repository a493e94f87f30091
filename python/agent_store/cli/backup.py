"""agent-store backup."""

import argparse

from agent_store.cli.command import Command, Parser, open_to_read
from agent_store.cli.errors import Problem
from agent_store.cli.output import Output
from agent_store.cli.terminal import bar
from agent_store.cli.verdict import print_verdict

ABOUT = """
TARGET, which must not be there, becomes a copy of the store as it is at one moment, in one file with the permissions of
DB; others go on writing meanwhile. The copy is verified before it has its name: after a failure there is no TARGET.
Damage that DB itself has does not stop it. It is listed as by verify, and the exit status is 1.

A store on a server is copied by `agent-store copy URL copy.db`, or with all else that is in its database by pg_dump.
"""
EXAMPLES = """
  agent-store backup app.db /backups/app-$(date +%F).db
  agent-store backup --json app.db copy.db | jq .entries
"""


def arguments(parser: Parser) -> None:
    """What comes after DB."""
    parser.add_argument("target", metavar="TARGET", help="path of the copy, where nothing is yet")


def run(options: argparse.Namespace, out: Output) -> int:
    """Copy, and print what was found in the copy."""
    with open_to_read(options) as store, bar("backing up", "pages") as show:
        try:
            verdict = store.backup(options.target, progress=show.part if show else None)
        except OSError as error:
            raise Problem(f"{error.filename}: {error.strerror}") from error
    print_verdict(options.target, verdict, out)
    return 0 if verdict.holds else 1


COMMAND = Command(ABOUT, EXAMPLES, arguments, run)
