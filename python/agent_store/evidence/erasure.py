"""The record of an erasure: which payload was removed for good, by whom and why.

The format is a signed note (docs/format.md) of the store's key, and this text:

    agent-store/erasure/v1
    <origin>
    <position>
    <bytes that the payload had>
    <hash of the entry's leaf, base64>
    <reason, base64 of UTF-8; empty where none was given>
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from agent_store.errors import EvidenceRefused, MalformedEvidence
from agent_store.evidence import note
from agent_store.evidence.text import base64, from_base64, hash_of, number_of, short

if TYPE_CHECKING:
    from agent_store.evidence.keys import Signer, VerifierKey
    from agent_store.evidence.shelf import Erased

KIND = "agent-store/erasure/v1"
_WHAT = "record of an erasure"


class Record(NamedTuple):
    """That the payload of the entry at `position`, of `payload_len` bytes, was erased. `leaf_hash` is 32 bytes."""

    origin: str
    position: int
    payload_len: int
    leaf_hash: bytes
    reason: str = ""

    @property
    def text(self) -> str:
        """What is signed."""
        reason = base64(self.reason.encode())
        return f"{KIND}\n{self.origin}\n{self.position}\n{self.payload_len}\n{base64(self.leaf_hash)}\n{reason}\n"

    def sign(self, signer: "Signer") -> str:
        """The signed note."""
        return note.sign(self.text, signer)


def parse(text: object) -> Record:
    """What a note says, whoever has signed it; MalformedEvidence for any other text."""
    signed = note.parse(text, _WHAT)
    lines = signed.text.removesuffix("\n").split("\n")
    if len(lines) != 6 or lines[0] != KIND:
        parts = "origin, position, length, leaf hash and reason"
        raise MalformedEvidence(_WHAT, f"it is not {KIND}, {parts}, each on a line")
    _, origin, position, length, leaf_hash, reason = lines
    try:
        why = from_base64(reason, _WHAT).decode() if reason else ""
    except UnicodeDecodeError:
        raise MalformedEvidence(_WHAT, "its reason is no UTF-8") from None
    if not note.is_name(origin):
        raise MalformedEvidence(_WHAT, f"{short(origin)} is no origin")
    return Record(origin, number_of(position, _WHAT), number_of(length, _WHAT), hash_of(leaf_hash, _WHAT), why)


def stored(found: "Erased") -> Record:
    """As `parse`, of one that a store has, which must be of the entry that it was kept for; EvidenceRefused if not."""
    record = parse(found.note or "")
    if (record.position, record.payload_len) != (found.position, found.payload_len):
        detail = f"it is of position {record.position} and {record.payload_len} bytes, and was kept as another"
        raise EvidenceRefused(_WHAT, detail)
    return record


def verified(found: "Erased", leaf_hash: bytes, keys: "Iterable[VerifierKey]", origin: str) -> Record:
    """The same, if one of these keys has signed it for `origin`, and for the very entry that has this leaf."""
    record = stored(found)
    if record.origin != origin:
        raise EvidenceRefused(_WHAT, f"it is of {short(record.origin)}, and not of {short(origin)}")
    note.verify(note.parse(found.note or "", _WHAT), [key for key in keys if key.name == origin], _WHAT)
    if record.leaf_hash != leaf_hash:
        raise EvidenceRefused(_WHAT, "it is of another entry than the one that was sealed at its position")
    return record
