"""agent-store erase."""

import argparse

from agent_store.cli.command import Command, Parser, add_durability, add_log, count, open_to_write
from agent_store.cli.errors import Problem
from agent_store.cli.given import signing_key
from agent_store.cli.output import Output

ABOUT = """
The payloads of these entries are removed for good, and a record of it is signed by the key of KEYFILE, the one that
seals this store. The entries stay, with hash, length and place: the store goes on verifying, and receipts go on
proving that they are there. Only what a checkpoint covers can be erased. There is no way back.

In a file the bytes are then written over, in its free pages and beside it too. While somebody else reads the store that
may not be possible: that is said, the exit status is 1, and the same command again does the rest. On a server the
bytes are in pages, archives and standbys until VACUUM FULL and their own ends: docs/safety.md says what is left to do.
Copies and backups that were made before have them still.
"""
EXAMPLES = """
  agent-store erase --reason "request 4711" app.db db1.key people clerk-2 17
  agent-store erase app.db db1.key people clerk-2 17 18 19
"""


def arguments(parser: Parser) -> None:
    """What comes after DB."""
    parser.add_argument("keyfile", metavar="KEYFILE", help="file of the store's key")
    add_log(parser)
    parser.add_argument("seqs", metavar="SEQ", nargs="+", type=count, help="which entries of the log")
    parser.add_argument("--reason", metavar="TEXT", default="", help="goes into the signed record, for all to read")
    add_durability(parser)


def run(options: argparse.Namespace, out: Output) -> int:
    """Erase, and print what is gone."""
    key = signing_key(options.keyfile)
    with open_to_write(options) as store:
        log = store.log(options.stream, options.writer)
        entries = []
        for seq in options.seqs:
            entry = log.entry(seq)
            if entry is None:
                raise Problem(
                    f"there is no entry {seq} of stream {options.stream!r}, writer {options.writer!r}",
                    "nothing was erased",
                )
            entries.append(entry)
        erasure = store.erase(entries, key, reason=options.reason)
    if out.json:
        positions = [entry.position for entry in entries]
        out.record({"erased": positions, "gone": erasure.gone, "notes": list(erasure.notes)})
    else:
        for entry in entries:
            out.line(f"erased entry {entry.seq}, position {entry.position}, {entry.payload_len:,} bytes")
        if erasure.gone is None:
            out.line("what is left of the bytes on the server is its owner's to remove: docs/safety.md")
    if erasure.gone is False:
        raise Problem(
            "the payloads are erased and recorded, but their bytes are still in the files, as others were reading",
            "the same command again writes over them",
        )
    return 0


COMMAND = Command(ABOUT, EXAMPLES, arguments, run)
