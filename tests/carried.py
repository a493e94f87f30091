"""A store with evidence of every kind, and what of it a copy must have."""

from contextlib import suppress
from typing import Any

import agent_store
from agent_store import Fingerprint, SigningKey, Store
from agent_store.errors import ForkFound
from agent_store.evidence.shelf import CHECKPOINT, COSIGNATURE, FORK, HEAD, ROTATION, WITNESSED, Shelf
from cosigning import FORGED, cosign
from notes import LOG, WITNESS

OLD = SigningKey.from_seed("audit.example/moved", bytes([1]) * 32)
NEW = SigningKey.from_seed("audit.example/moved", bytes([2]) * 32)
WRITER = SigningKey.from_seed("writer.example/ada", bytes([3]) * 32)
ADA = Fingerprint.from_ed25519_public_key(WRITER.public_key).hex
KINDS = CHECKPOINT, COSIGNATURE, FORK, HEAD, ROTATION, WITNESSED
ROWS = [(f"s{number % 3}", f"w{number % 4}", b"%d" % number * (number % 7)) for number in range(280)]
ERASED = [7, 8, 9, 200]


def sealed(store: Store) -> Store:
    """300 entries in three checkpoints, and 20 after them."""
    store.append_many(ROWS)
    store.checkpoint(OLD)
    ada = store.log("signed", ADA)
    ada.append_many([b"I said so"] * 10)
    ada.sign(WRITER)
    store.checkpoint(OLD)
    store.rotate(OLD, NEW)
    store.log("s0", "w0").append_many([b"x"] * 10)
    newest = store.checkpoint(NEW)
    store.erase(ERASED, NEW, reason="asked for")
    with agent_store.open(":memory:") as other:
        witness = other.witness(WITNESS, policy=NEW.verifier)
        store.add_cosignature(witness.cosign(newest, store.consistency(0)), witness.verifier)
    witness = store.witness(WITNESS, policy=LOG.verifier)
    cosign(witness, 0, 8)
    cosign(witness, 8, 20)
    with suppress(ForkFound):
        cosign(witness, 0, 20, FORGED)
    store.append_many([("later", "w", b"%d" % number) for number in range(20)])
    return store


def kept(store: Store) -> list[tuple[Any, ...]]:
    shelf = Shelf(store._binding)
    return [(kind, *found) for kind in KINDS for found in shelf.of_kind(kind)]


def carried(store: Store) -> tuple[Any, ...]:
    """Everything that is to be the same, and what others are told of it."""
    entries = list(store.entries())
    receipts = [store.receipt(entry) for entry in entries if entry.position in {1, 8, 256, 257, 300}]
    verdict = store.verify(keys=NEW, checkpoint=list(store.checkpoints())[-1])
    facts = (verdict.breaks, verdict.reasons, verdict.sealed, verdict.signed, verdict.written, verdict.erased)
    return entries, kept(store), list(Shelf(store._binding).erasures()), receipts, facts
