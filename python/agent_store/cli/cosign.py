"""agent-store cosign."""

import argparse
from typing import TYPE_CHECKING

from agent_store.cli.command import Command, Parser, add_durability, open_to_write
from agent_store.cli.errors import FAILED, UNUSABLE, Problem
from agent_store.cli.given import signing_key, text_of, verifier_keys
from agent_store.cli.output import Output, readable

if TYPE_CHECKING:
    from agent_store import Witness

ABOUT = """
DB is the store of a witness, which remembers there what it has seen of others, and KEYFILE its key. REQUEST is what
`agent-store checkpoint --since` printed of the other store: its newest checkpoint, and the proof that this extends the
one which the witness saw last. If the checkpoint is signed by a key that is given and the proof is right, it is
remembered, and the cosignature printed when that is on disk.

The stores that are served are given by --key, or by a policy with a line `log KEY` for each (C2SP tlog-policy); of its
witnesses and its quorum nothing is asked. Any other store is refused. If the witness has seen another size than the
request begins with, the error says which. Two checkpoints of one size with two roots, both signed, are the proof that
the store's history was forked: the second is refused and kept.
"""
EXAMPLES = """
  agent-store cosign --key db1.pub witness.db w1.key request > cosignature
  ssh store agent-store checkpoint --since 120 app.db | agent-store cosign --policy logs.policy witness.db w1.key
  agent-store cosign --seen audit.example/db1 witness.db w1.key     the checkpoint that was cosigned last
  agent-store cosign --forks witness.db w1.key
"""


def arguments(parser: Parser) -> None:
    """What comes after DB."""
    parser.add_argument("keyfile", metavar="KEYFILE", help="file of the witness's key: agent-store key")
    parser.add_argument("request", metavar="REQUEST", nargs="?", help="file; none, or -: standard input")
    parser.add_argument(
        "--key", metavar="KEY", action="append", dest="keys", help="public key of a store that is served, or a file"
    )
    parser.add_argument("--policy", metavar="POLICY", help="file with those of all stores that are served")
    parser.add_argument("--seen", metavar="NAME", help="only print what was cosigned last of the store of this name")
    parser.add_argument("--forks", action="store_true", help="only print the evidence of forks")
    add_durability(parser)


def run(options: argparse.Namespace, out: Output) -> int:
    """Cosign, or print what is remembered."""
    asked = any(given is not None for given in (options.request, options.policy, options.keys))
    if (options.seen is not None) + options.forks + asked > 1:
        raise Problem("either a REQUEST, --seen or --forks", "see agent-store cosign --help", status=UNUSABLE)
    key = signing_key(options.keyfile)
    if options.seen is not None or options.forks:
        with open_to_write(options) as store:
            return _print_memory(store.witness(key), options, out)
    if (options.policy is None) == (options.keys is None):
        raise Problem(
            "which stores are served is said by --key or by --policy, one of them",
            "see agent-store cosign --help",
            status=UNUSABLE,
        )
    served = verifier_keys(options.keys) if options.policy is None else text_of(options.policy, "a policy")
    _cosign(options, served, text_of(options.request or "-", "a request"), out)
    return 0


def _cosign(options: argparse.Namespace, served: str | list[str], request: str, out: Output) -> None:
    import agent_store
    from agent_store import errors

    checkpoint = agent_store.Checkpoint(request.partition("\n\n")[2])
    with open_to_write(options) as store:
        try:
            line = store.witness(signing_key(options.keyfile), served).cosign(checkpoint, request)
        except errors.WitnessBehind as behind:
            hint = f"ask again with --since {behind.size}"
            raise Problem(str(behind), hint, status=FAILED) from behind
    if out.json:
        out.record({"origin": checkpoint.origin, "size": checkpoint.size, "cosignature": line})
    else:
        out.text(line)


def _print_memory(witness: "Witness", options: argparse.Namespace, out: Output) -> int:
    if not options.forks:
        seen = witness.seen(options.seen)
        if seen is None:
            raise Problem(f"of {options.seen!r} nothing was seen")
        if out.json:
            out.record({"origin": seen.origin, "size": seen.size, "checkpoint": str(seen)})
        else:
            out.text(str(seen))
        return 0
    for fork in witness.forks():
        if out.json:
            out.record(fork._asdict())
        else:
            out.line(f"{readable(fork.origin)} signed two histories; at size {fork.size:,} there are two roots:")
            out.text(f"\n{fork.ours}\n{fork.theirs}")
    return 0


COMMAND = Command(ABOUT, EXAMPLES, arguments, run)
