"""agent-store receipt."""

import argparse
from typing import TYPE_CHECKING

from agent_store.cli.command import Command, Parser, add_log, count, open_to_read
from agent_store.cli.errors import Problem
from agent_store.cli.output import Output, fields

if TYPE_CHECKING:
    from agent_store import Entry

ABOUT = """
Prints the way from the entry to the root of the newest checkpoint, and that checkpoint with all its signatures: a text
of some kilobytes (C2SP tlog-proof) that shows to people without the store that this entry is in it. They need it, the
entry, and your public key, which they must have by another way: `agent-store verify --receipt` checks it, and so does
examples/verify_receipt.py, alone.

--json prints an object with the entry and the receipt in it, which is all that verify needs; with --withhold it has
no payload, but its length: who gets it learns that such an entry is there, and not what it says (unless they guess).
"""
EXAMPLES = """
  agent-store receipt app.db orders shop-1 7 > receipt.txt
  agent-store receipt --json app.db orders shop-1 7 > proof.json
  agent-store receipt --json --withhold app.db orders shop-1 7 > proof.json
  agent-store verify --receipt receipt.txt --key db1.pub proof.json
"""


def arguments(parser: Parser) -> None:
    """What comes after DB."""
    add_log(parser)
    parser.add_argument("seq", metavar="SEQ", type=count, help="which entry of the log")
    parser.add_argument("--withhold", action="store_true", help="with --json: without the payload")


def run(options: argparse.Namespace, out: Output) -> int:
    """Print the receipt."""
    with open_to_read(options) as store:
        entry = store.log(options.stream, options.writer).entry(options.seq)
        if entry is None:
            raise Problem(
                f"there is no entry {options.seq} of stream {options.stream!r}, writer {options.writer!r}",
                f"agent-store heads {store.target} lists what is there",
            )
        receipt = store.receipt(entry)
    if out.json:
        out.record({**_facts(entry, withhold=options.withhold), "receipt": receipt})
    else:
        out.text(receipt)
    return 0


def _facts(entry: "Entry", *, withhold: bool) -> dict[str, object]:
    facts = fields(entry)
    return {**facts, "payload": None, "payload_len": entry.payload_len} if withhold else facts


COMMAND = Command(ABOUT, EXAMPLES, arguments, run)
