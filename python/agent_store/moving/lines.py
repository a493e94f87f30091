"""The lines of an export file, docs/format.md has them: header, generations, entries, evidence, end."""

import json
from binascii import a2b_base64, b2a_base64
from json.encoder import encode_basestring
from typing import Any, NamedTuple

from agent_store._core import Entry, as_payload, check_name
from agent_store.errors import UnsupportedFormat
from agent_store.generation import RESERVED
from agent_store.reading import LARGEST

FORMAT, VERSION = "agent-store export", 1
SHORT = 4_096  # bytes that a header or an end has at most
LARGEST_PAYLOAD = 512 << 20
# An entry's: base64 of 512 MiB, and names with each of their bytes escaped.
LONGEST = LARGEST_PAYLOAD // 3 * 4 + 65_400 * 6 + SHORT
HEADER = frozenset({"format", "version", "id", "position", "sealed"})
GENERATION = frozenset({"generation", "value"})
ENTRY = frozenset({"position", "stream", "writer", "seq", "prev_hash", "content_hash", "payload"})
ERASED = ENTRY | {"payload_len", "erasure"}
EVIDENCE = frozenset({"evidence", "name", "number", "note"})
KINDS = frozenset({"checkpoint", "cosignature", "fork", "head", "rotation", "witnessed"})
END = frozenset({"entries", "generations", "evidence", "position", "sha256"})


class Header(NamedTuple):
    """The first line: the id of the store that was exported, its newest position, the size of its newest checkpoint."""

    id: int | None
    position: int
    sealed: int


class Kept(NamedTuple):
    """A signed text and its place: a row of _agent_store_notes."""

    kind: str
    name: str
    number: int
    note: str


class End(NamedTuple):
    """The last line: what there is before it, and the SHA-256 of that, in hex."""

    entries: int
    generations: int
    evidence: int
    position: int
    sha256: str


def header_line(header: Header) -> bytes:
    """As it is written."""
    return _line({"format": FORMAT, "version": VERSION, **header._asdict()})


def generation_line(key: str, value: int) -> bytes:
    """As it is written."""
    return _line({"generation": key, "value": value})


def entry_line(entry: Entry) -> bytes:
    """As it is written: what `_line` would make of it, in a third of the time."""
    return b'%b"%b"}\n' % (_facts(entry).encode(), b2a_base64(entry.payload, newline=False))


def erased_line(entry: Entry, erasure: str) -> bytes:
    """The same of an erased entry, with the signed record of its erasure."""
    rest = f'null, "payload_len": {entry.payload_len}, "erasure": {encode_basestring(erasure)}}}\n'
    return f"{_facts(entry)}{rest}".encode()


def _facts(entry: Entry) -> str:
    prev_hash = entry.prev_hash
    before = "null" if prev_hash is None else f'"{prev_hash.hex()}"'
    return (
        f'{{"position": {entry.position}, "stream": {encode_basestring(entry.stream)}, '
        f'"writer": {encode_basestring(entry.writer)}, "seq": {entry.seq}, "prev_hash": {before}, '
        f'"content_hash": "{entry.content_hash.hex()}", "payload": '
    )


def evidence_line(kept: Kept) -> bytes:
    """As it is written."""
    return _line({"evidence": kept.kind, "name": kept.name, "number": kept.number, "note": kept.note})


def end_line(end: End) -> bytes:
    """As it is written."""
    return _line(end._asdict())


def fields_of(text: str) -> dict[str, Any]:
    """The object in a line; ValueError for anything else."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise ValueError("it is JSON, but no object")  # noqa: TRY004 - of the file, not of the caller
    return fields


def header_of(fields: dict[str, Any]) -> Header:
    """ValueError for what is no header, UnsupportedFormat for one of another version."""
    if fields.get("format") != FORMAT:
        raise ValueError("it is not the first line of an export of a store")
    if (version := fields.get("version")) != VERSION or type(version) is not int:
        raise UnsupportedFormat(f"the export has version {version!r}, and this agent-store reads version {VERSION}")
    _check_fields(fields, HEADER)
    store_id = None if fields["id"] is None else _number(fields, "id", 0)
    position, sealed = _number(fields, "position", 0), _number(fields, "sealed", 0)
    if sealed > position:
        raise ValueError(f"sealed is {sealed}, and position {position}: what is not there cannot be sealed")
    return Header(store_id, position, sealed)


def generation_of(fields: dict[str, Any]) -> tuple[str, int]:
    """ValueError for what is no generation."""
    _check_fields(fields, GENERATION)
    key = _name(fields, "generation")
    if key.startswith(RESERVED):
        raise ValueError(f"generation {key!r}: names that begin with {RESERVED!r} are the store's own")
    return key, _number(fields, "value", 0)


def entry_of(fields: dict[str, Any]) -> tuple[Entry, str | None]:
    """An entry, and the record of its erasure where it is erased; ValueError for what is none."""
    if "erasure" in fields:
        return _erased_of(fields)
    _check_fields(fields, ENTRY)
    payload = fields["payload"]
    try:
        if not isinstance(payload, str):
            raise ValueError("it must be a string")  # noqa: TRY004 - as above
        decoded = as_payload(a2b_base64(payload, strict_mode=True))
    except ValueError as error:
        raise ValueError(f"payload is no base64 of at most 512 MiB: {error}") from None
    return _entry(fields, decoded, len(decoded)), None


def _erased_of(fields: dict[str, Any]) -> tuple[Entry, str]:
    _check_fields(fields, ERASED)
    if fields["payload"] is not None:
        raise ValueError("payload must be null in an entry that is erased")
    if (size := _number(fields, "payload_len", 0)) > LARGEST_PAYLOAD:
        raise ValueError(f"payload_len must be at most 512 MiB, not {size:,}")
    return _entry(fields, None, size), _text(fields, "erasure")


def _entry(fields: dict[str, Any], payload: bytes | None, size: int) -> Entry:
    prev_hash = fields["prev_hash"]
    return Entry(
        _name(fields, "stream"),
        _name(fields, "writer"),
        _number(fields, "seq", 1),
        None if prev_hash is None else _hash("prev_hash", prev_hash),
        _hash("content_hash", fields["content_hash"]),
        payload,
        _number(fields, "position", 1),
        payload_len=size,
    )


def evidence_of(fields: dict[str, Any]) -> Kept:
    """ValueError for what is no evidence, as far as a line shows."""
    _check_fields(fields, EVIDENCE)
    kind: object = fields["evidence"]
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"there is no evidence of kind {kind!r:.40}")
    return Kept(kind, _text(fields, "name"), _number(fields, "number", 0), _text(fields, "note"))


def end_of(fields: dict[str, Any]) -> End:
    """ValueError for what is no end."""
    _check_fields(fields, END)
    entries, generations = _number(fields, "entries", 0), _number(fields, "generations", 0)
    evidence, position = _number(fields, "evidence", 0), _number(fields, "position", 0)
    return End(entries, generations, evidence, position, _hash("sha256", fields["sha256"]).hex())


def _line(fields: dict[str, object]) -> bytes:
    return f"{json.dumps(fields, ensure_ascii=False)}\n".encode()


def _check_fields(fields: dict[str, Any], names: frozenset[str]) -> None:
    if fields.keys() != names:
        wrong = ", ".join(sorted(map(repr, fields.keys() ^ names)))
        raise ValueError(f"its fields are not those of any line of an export: missing or not known are {wrong}")


def _text(fields: dict[str, Any], what: str) -> str:
    text: object = fields[what]
    if not isinstance(text, str):
        raise ValueError(f"{what} must be a string, not {text!r:.40}")  # noqa: TRY004 - as above
    return text


def _name(fields: dict[str, Any], what: str) -> str:
    name: object = fields[what]
    if not isinstance(name, str):
        raise ValueError(f"{what} must be a string, not {name!r:.40}")  # noqa: TRY004 - of the file, not of the caller
    check_name(what, name)
    return name


def _number(fields: dict[str, Any], name: str, least: int) -> int:
    value = fields[name]
    if type(value) is not int or not least <= value <= LARGEST:
        raise ValueError(f"{name} must be a whole number from {least} to 2^63 - 1, not {value!r:.40}")
    return value


def _hash(name: str, text: object) -> bytes:
    if not isinstance(text, str) or len(text) != 64:
        raise ValueError(f"{name} must be 64 hex digits")
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ValueError(f"{name} must be 64 hex digits") from None
