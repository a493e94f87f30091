"""agent-store copy."""

import argparse

from agent_store.cli.command import Command, Parser, add_durability, open_to_read, open_to_write
from agent_store.cli.output import Output
from agent_store.cli.terminal import bar
from agent_store.cli.verdict import print_verdict

ABOUT = """
Every entry and every generation of SOURCE is written to TARGET, a path or a postgresql:// URL: with the same names,
seqs, hashes, payloads and positions, each hash recomputed on the way. Then TARGET is verified. Others may go on writing
to SOURCE, which is copied as of the beginning; nobody else may write to TARGET, and who does is noticed.

TARGET is made where there is none. It may hold the beginning of SOURCE already: interrupted or killed, a copy goes on
where it ended; repeated, it adds what is new. Anything else in TARGET, a generation that is higher there, or a name
that it cannot hold is an error, and nothing is written.
"""
EXAMPLES = """
  agent-store copy app.db postgresql://app@db.example/app
  agent-store copy 'postgresql://app@db.example/app?schema=agents' app.db
  agent-store copy --json app.db copy.db | jq .copied
"""


def arguments(parser: Parser) -> None:
    """What comes after SOURCE."""
    parser.add_argument("target", metavar="TARGET", help="path or URL of the store to copy into")
    add_durability(parser)


def run(options: argparse.Namespace, out: Output) -> int:
    """Copy, and print what was found in the target."""
    import agent_store

    with open_to_read(options) as source, open_to_write(options, options.target) as target:
        before = target.position()
        with bar("copying", "entries") as show:
            verdict = agent_store.copy(source, target, progress=show.part if show else None)
        copied = target.position() - before
    print_verdict(target.target, verdict, out, copied=copied)
    return 0 if verdict.holds else 1


COMMAND = Command(ABOUT, EXAMPLES, arguments, run, db="SOURCE")
