"""Receipts: a text that shows an entry to be in a store, to whoever has the store's public key and nothing else.

The format is C2SP's tlog-proof v1 (https://c2sp.org/tlog-proof).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from agent_store._core import root_from_inclusion
from agent_store.errors import EvidenceRefused, MalformedEvidence
from agent_store.evidence.checkpoint import Checkpoint, verified
from agent_store.evidence.facts import EntryOrFacts, facts_of
from agent_store.evidence.keys import Keys, as_keys, origin_of
from agent_store.evidence.policy import Policy, Witnesses
from agent_store.evidence.proof import LONGEST, lines_of
from agent_store.evidence.text import checked_text, from_base64, hash_of, number_of

MAGIC = "c2sp.org/tlog-proof@v1"
_WHAT = "receipt"


@dataclass(frozen=True, slots=True)
class Receipt:
    """An entry's index (its position - 1), the hashes from its leaf to the root, and the checkpoint with that root."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: Checkpoint

    def __str__(self) -> str:
        return f"{MAGIC}\nindex {self.index}\n{lines_of(self.hashes)}\n{self.checkpoint!s}"


def write(index: int, hashes: Sequence[bytes], checkpoint: Checkpoint) -> str:
    """The text of a receipt."""
    return str(Receipt(index, tuple(hashes), checkpoint))


def parse(text: str) -> Receipt:
    """MalformedEvidence for a text that is none. An `extra` line, which others may have written, is passed over."""
    head, separator, checkpoint = checked_text(text, _WHAT).partition("\n\n")
    magic, *lines = head.split("\n")
    if magic != MAGIC or not separator:
        raise MalformedEvidence(_WHAT, f"it is not {MAGIC}, index, hashes, an empty line and a checkpoint")
    if lines and lines[0].startswith("extra "):
        from_base64(lines.pop(0).removeprefix("extra "), _WHAT)
    if not lines or not lines[0].startswith("index "):
        raise MalformedEvidence(_WHAT, "it has no line with the index")
    index = number_of(lines.pop(0).removeprefix("index "), _WHAT)
    if len(lines) > LONGEST:
        raise MalformedEvidence(_WHAT, f"it has {len(lines)} hashes, and {LONGEST} are the most")
    return Receipt(index, tuple(hash_of(line, _WHAT) for line in lines), Checkpoint(checkpoint))


def verify_receipt(
    text: str, entry: EntryOrFacts, keys: Keys, origin: str | None = None, *, policy: Witnesses | None = None
) -> Checkpoint:
    """The checkpoint of a receipt that proves `entry` to be in the store of `origin`. No store is needed.

    `entry` is an Entry, or a mapping with what `export` writes of one; its payload may be left out (withheld, erased),
    and `payload_len` then is needed. Where it is there, it must be the one that `content_hash` says. `keys` are the
    store's verifier keys, which you have from elsewhere; `origin`, left out, is the name that they have. With `policy`
    (a Policy, its text, or keys of witnesses that are all needed) enough witnesses must have cosigned.

    EvidenceRefused where it does not prove that; MalformedEvidence for a text that is no receipt or facts that are no
    entry's.
    """
    known = as_keys(keys)
    expected = origin_of(known, origin)
    quorum = None if policy is None else Policy.of(policy)
    receipt = parse(text)
    facts = facts_of(entry)
    checkpoint = verified(receipt.checkpoint, known, expected, _WHAT)
    if quorum is not None:
        if quorum.logs:
            verified(checkpoint, quorum.logs, expected, _WHAT)
        quorum.check(checkpoint)
    if receipt.index >= checkpoint.size:
        raise EvidenceRefused(_WHAT, f"index {receipt.index} is not below the checkpoint's size, {checkpoint.size}")
    if facts.position is not None and facts.position != receipt.index + 1:
        raise EvidenceRefused(_WHAT, f"it is of position {receipt.index + 1}, and the entry of {facts.position}")
    try:
        root = root_from_inclusion(facts.leaf_hash(), receipt.index, checkpoint.size, list(receipt.hashes))
    except ValueError as error:
        raise EvidenceRefused(_WHAT, str(error)) from None
    if root != checkpoint.root:
        raise EvidenceRefused(_WHAT, "the hashes do not lead from this entry to the checkpoint's root")
    return checkpoint
