"""agent-store info."""

import argparse

from agent_store.cli.command import Command, Parser, open_to_read
from agent_store.cli.output import Output, readable

ABOUT = """
Its path or URL, format and layout (compact, or crate for a file that only the Rust crate has written), how many entries
and logs it has, its newest position, its size. Counting takes time in proportion to the store.
"""
EXAMPLES = """
  agent-store info app.db
  agent-store info --json app.db | jq .entries
  agent-store info postgresql://app@db.example/app
"""
COUNTS = {"entries", "logs", "position", "bytes"}


def arguments(parser: Parser) -> None:
    """Nothing comes after DB."""


def run(options: argparse.Namespace, out: Output) -> int:
    """Print the facts."""
    with open_to_read(options) as store:
        facts = store.info()
    if out.json:
        out.record(facts)
        return 0
    width = max(map(len, facts))
    for name, value in facts.items():
        text = "none" if value is None else f"{value:,}" if name in COUNTS else readable(str(value))
        out.line((f"{name:<{width}}", "cyan"), "  ", text)
    return 0


COMMAND = Command(ABOUT, EXAMPLES, arguments, run)
