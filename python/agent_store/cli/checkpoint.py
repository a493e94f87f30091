"""agent-store checkpoint."""

import argparse
from typing import TYPE_CHECKING

from agent_store.cli.command import Command, Parser, add_durability, open_to_read, open_to_write, whole
from agent_store.cli.errors import UNUSABLE, Problem
from agent_store.cli.given import signing_key, text_of, verifier_keys
from agent_store.cli.output import Output
from agent_store.cli.terminal import bar

if TYPE_CHECKING:
    from agent_store import Checkpoint, Store

ABOUT = """
With KEYFILE, all that is in the store is sealed: the chains of what is new are checked, its hashes added to the tree,
and the tree's size and root signed by the key. Damage is never sealed over. Printed is the checkpoint, a signed text of
a few lines, when it is on disk. Keep it where those who can write the store cannot write: who has it can tell an
altered, cut or older store from this one. With nothing new it is the same text again.

Without KEYFILE nothing is written, and the newest checkpoint printed, with the cosignatures that it has; with --since
also the proof that it extends the one of that size, which is all that a witness needs; with --all a line for each:
size, root, who signed. --cosigned keeps a witness's answer in the store.

--rotate: KEYFILE has the same name as OLDKEYFILE and takes its place from here on, which OLDKEYFILE signs.
"""
EXAMPLES = """
  agent-store checkpoint app.db db1.key > checkpoint.txt
  agent-store checkpoint --after checkpoint.txt app.db db1.key     only if the store contains what that one seals
  agent-store checkpoint --rotate old.key app.db new.key
  agent-store checkpoint --since 0 app.db > request      for `agent-store cosign`, by somebody else
  agent-store checkpoint --cosigned cosignature --key w1.pub app.db
"""


def arguments(parser: Parser) -> None:
    """What comes after DB."""
    parser.add_argument("keyfile", metavar="KEYFILE", nargs="?", help="file of the key that signs: agent-store key")
    parser.add_argument("--after", metavar="FILE", help="a checkpoint that you have: the store must contain it")
    parser.add_argument("--rotate", metavar="OLDKEYFILE", help="the key that KEYFILE follows")
    parser.add_argument(
        "--since", type=whole, metavar="SIZE", help="with the proof for a witness that has seen so much (0: nothing)"
    )
    parser.add_argument("--all", action="store_true", help="list all checkpoints, the oldest first")
    parser.add_argument("--cosigned", metavar="FILE", help="keep this cosignature, which a witness gave")
    parser.add_argument(
        "--key", metavar="KEY", action="append", dest="keys", help="with --cosigned: the witness's public key"
    )
    add_durability(parser)


def run(options: argparse.Namespace, out: Output) -> int:
    """Seal, or print what is sealed."""
    _check(options)
    if options.keyfile is not None:
        _print(_seal(options), out)
    elif options.cosigned is not None:
        line, keys = text_of(options.cosigned, "a cosignature"), verifier_keys(options.keys)
        with open_to_write(options) as store:
            store.add_cosignature(line, keys)
            _print(_newest(store), out)
    else:
        with open_to_read(options) as store:
            if options.all:
                for checkpoint in store.checkpoints():
                    _line(checkpoint, out)
            elif options.since is None:
                _print(_newest(store), out)
            else:
                checkpoint = _newest(store)
                if options.since > checkpoint.size:
                    raise Problem(f"the newest checkpoint has size {checkpoint.size}, and --since {options.since}")
                _print(checkpoint, out, request=store.consistency(options.since))
    return 0


def _check(options: argparse.Namespace) -> None:
    chosen = [
        name
        for name, value in (
            ("KEYFILE", options.keyfile),
            ("--since", options.since),
            ("--all", options.all or None),
            ("--cosigned", options.cosigned),
        )
        if value is not None
    ]
    wrong = ""
    if len(chosen) > 1:
        wrong = f"either {' or '.join(chosen)}"
    elif options.keyfile is None and (options.after is not None or options.rotate is not None):
        wrong = "--after and --rotate are for sealing, which takes a KEYFILE"
    elif (options.cosigned is None) != (options.keys is None):
        wrong = "--cosigned FILE needs --key KEY, the witness's, and --key is for nothing else"
    if wrong:
        raise Problem(wrong, "see agent-store checkpoint --help", status=UNUSABLE)


def _seal(options: argparse.Namespace) -> "Checkpoint":
    key = signing_key(options.keyfile)
    old = None if options.rotate is None else signing_key(options.rotate)
    after = None if options.after is None else text_of(options.after, "a checkpoint")
    with open_to_write(options) as store, bar("sealing", "entries") as show:
        if old is not None:
            store.rotate(old, key)
        return store.checkpoint(key, after=after, progress=show.part if show else None)


def _newest(store: "Store") -> "Checkpoint":
    for checkpoint in store.checkpoints(reverse=True):
        return checkpoint
    raise Problem(f"there is no checkpoint in {store.target}", "agent-store checkpoint DB KEYFILE makes one")


def _print(checkpoint: "Checkpoint", out: Output, **more: str) -> None:
    if out.json:
        out.record({**_facts(checkpoint), **more})
    else:
        out.text(more.get("request", str(checkpoint)))


def _line(checkpoint: "Checkpoint", out: Output) -> None:
    if out.json:
        out.record(_facts(checkpoint))
    else:
        out.line(f"{checkpoint.size}  {checkpoint.root.hex()}  {', '.join(checkpoint.signers)}")


def _facts(checkpoint: "Checkpoint") -> dict[str, object]:
    facts = {name: getattr(checkpoint, name) for name in ("origin", "size", "root", "signers")}
    return {**facts, "checkpoint": str(checkpoint)}


COMMAND = Command(ABOUT, EXAMPLES, arguments, run)
