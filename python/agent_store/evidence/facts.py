"""What a leaf is made of: the facts of an entry, with or without its payload."""

from binascii import Error, a2b_base64
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias

from agent_store._core import Entry, extend, leaf_hash
from agent_store.errors import EvidenceRefused, MalformedEvidence

_WHAT = "entry"

EntryOrFacts: TypeAlias = Entry | Mapping[str, Any]


class Facts(NamedTuple):
    """Of one entry. `payload_len` in bytes; `position` is None where it was not told."""

    stream: str
    writer: str
    seq: int
    prev_hash: bytes | None
    content_hash: bytes
    payload_len: int
    position: int | None

    def leaf_hash(self) -> bytes:
        """SHA-256 of its leaf, 32 bytes."""
        return leaf_hash(*self[:6])


def facts_of(entry: EntryOrFacts) -> Facts:
    """Of an Entry, or of a mapping with its fields, as JSON has them: hashes in hex, the payload in base64.

    Where the payload is there, its hash and length are computed from it; EvidenceRefused where they are not those that
    are told. Without it (withheld or erased) `payload_len` is needed. Other fields are not looked at: no leaf has them.
    """
    if isinstance(entry, Entry):
        payload = None if entry.erased else entry.payload
        place = entry.stream, entry.writer, entry.seq
        facts = Facts(*place, entry.prev_hash, entry.content_hash, entry.payload_len, entry.position)
    elif isinstance(entry, Mapping):
        facts, payload = _from_mapping(entry)
    else:
        raise TypeError(f"entry must be an Entry or a mapping with its facts, not {type(entry).__name__}")
    if (facts.prev_hash is None) != (facts.seq == 1):
        raise EvidenceRefused(_WHAT, "prev_hash is missing at seq 1, and nowhere else")
    if payload is not None:
        _check_payload(facts, payload)
    return facts


def _check_payload(facts: Facts, payload: bytes) -> None:
    if facts.payload_len != len(payload):
        raise EvidenceRefused(_WHAT, f"payload_len is {facts.payload_len}, and the payload has {len(payload)} bytes")
    ((*_, content_hash, _),) = extend(1, 1, 1, facts.prev_hash, [payload])
    if content_hash != facts.content_hash:
        raise EvidenceRefused(_WHAT, "content_hash is not that of this payload after prev_hash")


def _from_mapping(fields: Mapping[str, Any]) -> tuple[Facts, bytes | None]:
    payload = _payload(fields)
    length = _number(fields, "payload_len", 0) if payload is None or "payload_len" in fields else len(payload)
    position = _number(fields, "position", 1) if fields.get("position") is not None else None
    return Facts(
        _name(fields, "stream"),
        _name(fields, "writer"),
        _number(fields, "seq", 1),
        None if fields.get("prev_hash") is None else _hash(fields, "prev_hash"),
        _hash(fields, "content_hash"),
        length,
        position,
    ), payload


def _payload(fields: Mapping[str, Any]) -> bytes | None:
    payload = fields.get("payload")
    if fields.get("erased") is True:
        # There may be an empty one, in the place where it was. Another one would be passed on as if it were proven.
        if payload not in (None, "", b""):
            raise EvidenceRefused(_WHAT, "it is said to be erased, and a payload is there")
        return None
    if payload is None or isinstance(payload, bytes):
        return payload
    if isinstance(payload, str):
        with suppress(Error, UnicodeEncodeError):
            return a2b_base64(payload.encode("ascii"), strict_mode=True)
    raise MalformedEvidence(_WHAT, "payload is no base64")


def _name(fields: Mapping[str, Any], field: str) -> str:
    name = fields.get(field)
    if isinstance(name, str):
        try:
            if len(name.encode()) <= 65_400:
                return name
        except UnicodeEncodeError:
            pass
    raise MalformedEvidence(_WHAT, f"{field} is no text of at most 65,400 bytes")


def _number(fields: Mapping[str, Any], field: str, least: int) -> int:
    number = fields.get(field)
    # No bool, which Python takes for a number.
    if type(number) is not int or not least <= number < 1 << 63:
        raise MalformedEvidence(_WHAT, f"{field} is no integer from {least} to 2^63 - 1")
    return number


def _hash(fields: Mapping[str, Any], field: str) -> bytes:
    value = fields.get(field)
    if isinstance(value, str) and len(value) == 64:
        # fromhex passes over spaces.
        with suppress(ValueError):
            value = bytes.fromhex(value) if value.isalnum() else value
    if not isinstance(value, bytes) or len(value) != 32:
        raise MalformedEvidence(_WHAT, f"{field} is no hash: 64 hex digits, or 32 bytes")
    return value
