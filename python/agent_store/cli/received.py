"""Checking a receipt, without the store."""

import argparse
import json
from typing import Any

from agent_store.cli.errors import FAILED, UNUSABLE, Problem
from agent_store.cli.given import text_of, verifier_keys, witnesses_of
from agent_store.cli.output import Output, readable

NONE = "a receipt is checked under the --key of the store that it is of"


def check_receipt(options: argparse.Namespace, out: Output) -> int:
    """Print what it proves; a Problem with the status of verify where it does not."""
    import agent_store
    from agent_store import errors

    keys = verifier_keys(options.keys)
    if not keys or options.stream is not None or options.checkpoint is not None or options.max_age is not None:
        wrong = "--receipt goes with --key, --origin, --witness and --policy only" if keys else NONE
        raise Problem(wrong, "see agent-store verify --help", status=UNUSABLE)
    entry = _entry(options.db)
    receipt = entry.get("receipt") if options.receipt == "-" else text_of(options.receipt, "a receipt")
    if not isinstance(receipt, str):
        raise Problem(f"{options.db} has no receipt in it", "--receipt FILE gives one", status=UNUSABLE)
    policy = witnesses_of(options)
    try:
        checkpoint = agent_store.verify_receipt(receipt, entry, keys, options.origin, policy=policy)
    except errors.EvidenceRefused as refused:
        if out.json:
            out.record({"holds": False, "reason": str(refused)})
            return FAILED
        raise Problem(f"not proven: {refused}", status=FAILED) from refused
    withheld = entry.get("payload") is None
    if out.json:
        facts = {name: getattr(checkpoint, name) for name in ("origin", "size", "root", "signers")}
        out.record({"holds": True, **facts, "payload_checked": not withheld})
        return 0
    place = f"entry {entry['seq']} of stream {entry['stream']!r}, writer {entry['writer']!r}"
    signed = f"the {checkpoint.size:,} that {readable(checkpoint.origin)} signed for"
    out.line(("proven", "bold green"), f": {place} is among {signed}")
    if withheld:
        out.line("its payload was withheld: proven are its hash and its length, not what it says")
    if policy is None:
        out.line("not proven: that others are shown the same, which takes witnesses (--witness)")
    return 0


def _entry(name: str) -> dict[str, Any]:
    try:
        found = json.loads(text_of(name, "an entry"))
    except ValueError as error:
        raise Problem(f"{name} is no JSON of one entry: {error}", status=UNUSABLE) from error
    if not isinstance(found, dict):
        raise Problem(f"{name} is no JSON object of an entry", status=UNUSABLE)
    return found
