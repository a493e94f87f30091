"""agent-store verify."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_store.cli.command import Command, Parser, add_log, no_log, open_to_read, seconds
from agent_store.cli.errors import UNUSABLE, Problem
from agent_store.cli.given import add_keys, text_of, verifier_keys, witnesses_of
from agent_store.cli.output import Output
from agent_store.cli.terminal import bar
from agent_store.cli.verdict import print_verdict

if TYPE_CHECKING:
    from agent_store import Verdict

ABOUT = """
Every hash is computed again from the payloads, every entry compared with the one before it. Without STREAM and WRITER
also the tables, indexes and triggers themselves are compared with what they must be. It does not stop at the first
break: each is named, with its kind, where it is and what is wrong, the first 1,000 of all and ten of one log; then the
counts. --json prints an object for each break and one with the counts and "holds".

With --key, every sealed entry is also compared with the tree, and checkpoints, rotations, signed heads and erasures
with their signatures. Then it says what is proven, against whom, since when, and what is not. The key, a checkpoint
that you kept, the policy and the name come from you: what the store says of itself proves nothing. A checkpoint that
is missing, cut off or signed by somebody else is a failure, and so is a cosignature that the policy asks for and that
is not there. Entries newer than the newest checkpoint are one too, unless you give a --checkpoint: then it is about
what is sealed, and the rest is only listed as not proven.

With --receipt, DB is a file with one entry as JSON (agent-store receipt --json, or a line of show --json), and no store
is needed. DB may also be a directory that `agent-store export --tiles` made.

Exit status: 0 all holds, 1 something is broken or not proven, 2 it could not be checked.
"""
EXAMPLES = """
  agent-store verify app.db
  agent-store verify app.db conv:demo alice
  agent-store verify --json app.db | jq -r 'select(.kind) | .stream'
  agent-store verify --key db1.pub --checkpoint checkpoint.txt app.db
  agent-store verify --key db1.pub --witness w1.pub --max-age 86400 app.db
  agent-store verify --key db1.pub --receipt receipt.txt entry.json
"""


def arguments(parser: Parser) -> None:
    """What comes after DB."""
    add_log(parser, optional=True)
    add_keys(parser, "the store")
    parser.add_argument(
        "--checkpoint", metavar="FILE", help="a checkpoint that you kept: the store must still contain what it seals"
    )
    parser.add_argument(
        "--witness",
        metavar="KEY",
        action="append",
        dest="witnesses",
        help="this witness must have cosigned, and all such",
    )
    parser.add_argument("--policy", metavar="FILE", help="how many of which witnesses must have (C2SP tlog-policy)")
    parser.add_argument(
        "--max-age", type=seconds, metavar="SECONDS", help="their cosignatures must not be older, by their clocks"
    )
    parser.add_argument(
        "--receipt", metavar="FILE", help="check this receipt, of the entry that is in DB as JSON; -: the one in DB"
    )


def run(options: argparse.Namespace, out: Output) -> int:
    """Verify, and print what was found."""
    if options.stream is not None and options.writer is None:
        raise Problem("a log has a STREAM and a WRITER", "give both, or neither for the whole store", status=UNUSABLE)
    if options.receipt is not None:
        from agent_store.cli.received import check_receipt

        return check_receipt(options, out)
    evidence = _evidence(options)
    of_tiles = bool(evidence) and Path(options.db).is_dir()
    name, verdict = _directory(options, evidence) if of_tiles else _store(options, evidence)
    print_verdict(name, verdict, out, evidence)
    return 0 if verdict.holds else 1


def _store(options: argparse.Namespace, evidence: dict[str, Any]) -> tuple[str, "Verdict"]:
    with open_to_read(options) as store, bar("verifying", "entries") as show:
        progress = show.part if show else None
        if options.stream is None:
            verdict = store.verify(progress=progress, **evidence)
        else:
            log = store.log(options.stream, options.writer)
            if log.head() is None:
                raise no_log(store, options)
            verdict, _ = log._verdict(progress=progress)  # noqa: SLF001 - verify() stops at the first break
    return store.target, verdict


def _evidence(options: argparse.Namespace) -> dict[str, Any]:
    """What `Store.verify` is given beside, of what was asked for."""
    keys = verifier_keys(options.keys)
    others = {
        "origin": options.origin,
        "checkpoint": options.checkpoint and text_of(options.checkpoint, "a checkpoint"),
        "witnesses": witnesses_of(options),
        "max_age": options.max_age,
    }
    given = {name: value for name, value in others.items() if value is not None}
    wrong = ""
    if options.origin is not None and not keys and len(given) == 1:
        wrong = "--origin alone proves nothing: whose signature is to be believed says --key"
    elif (keys or given) and options.stream is not None:
        wrong = "what is sealed is a whole store: either STREAM and WRITER, or --key and what goes with it"
    elif options.max_age is not None and "witnesses" not in given:
        wrong = "--max-age is about witnesses: --witness or --policy"
    if wrong:
        raise Problem(wrong, "see agent-store verify --help", status=UNUSABLE)
    return {"keys": keys, **given} if keys else given


def _directory(options: argparse.Namespace, evidence: dict[str, Any]) -> tuple[str, "Verdict"]:
    import agent_store

    if "keys" not in evidence:
        raise Problem(
            f"{options.db} is a directory, and of one nothing is proven without --key",
            "see agent-store verify --help",
            status=UNUSABLE,
        )
    with bar("verifying", "entries") as show:
        verdict = agent_store.verify_tiles(options.db, progress=show.part if show else None, **evidence)
    return options.db, verdict


COMMAND = Command(
    ABOUT,
    EXAMPLES,
    arguments,
    run,
    failed=UNUSABLE,
    about_db="path of the store, or its postgresql:// URL; a directory of tiles; with --receipt the entry's file",
)
