"""A receipt as it is told, and what the package and the example's one file say of it, who must agree."""

import base64
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from agent_store import Entry, Policy, SigningKey, errors, verify_receipt
from notes import LOG, WITNESS, Sealed, entries, facts

EXAMPLE = Path(__file__).parent.parent / "examples" / "verify_receipt.py"
REFUSED = (errors.EvidenceRefused, errors.MalformedEvidence)
SEALED = Sealed(entries(11), witnesses=[WITNESS])


def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example_verify_receipt", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ALONE = example()


def told(entry: Entry, **changed: Any) -> dict[str, Any]:
    return {**facts(entry), "payload": base64.b64encode(entry.payload).decode(), **changed}


def holds(text: str, entry: dict[str, Any], key: SigningKey = LOG, *cosigners: SigningKey) -> bool:
    """What both say, who must agree."""
    policy = Policy.of(cosigners) if cosigners else None
    try:
        verify_receipt(text, entry, key.verifier, policy=policy)
    except REFUSED:
        ours = False
    else:
        ours = True
    try:
        ALONE.verify(text, entry, key.verifier, [one.witness_verifier for one in cosigners])
    except (ALONE.Refused, KeyError, TypeError, ValueError, AttributeError, OverflowError):
        theirs = False
    else:
        theirs = True
    assert ours == theirs
    return ours
