"""Appending: the head is read under the write lock, the chain is extended from it in Rust, the rows go in."""

from agent_store._core import Appended, Head, extend, extend_rows
from agent_store.backends.common.shape import Name, is_hash, left_out, malformed
from agent_store.backends.dbapi.session import Session
from agent_store.backends.dbapi.writing import Call
from agent_store.errors import HeadMoved

LARGEST = 2**63 - 1
Place = tuple[int, int, bytes | None]  # log, 0 where it is not listed; seq and hash of its head


def append(
    session: Session,
    call: Call,
    name: Name,
    payloads: list[bytes],
    expected: tuple[int, bytes] | None,
) -> Appended:
    """At least one payload, to one log."""
    newest, log, seq, content_hash = _state(session, name)
    if expected is not None and expected != (seq, content_hash or b""):
        actual = None if content_hash is None else (seq, content_hash)
        raise HeadMoved(*name, None if expected[0] == 0 else expected, actual)
    _check_room(name, seq, newest, len(payloads))
    if log == 0:
        call.several()
        log = _add_log(session, name)
    rows = extend(newest + 1, log, seq, content_hash, payloads)
    if len(rows) == 1:
        written = session.change("add_entry", *rows[0])
    else:
        call.several()
        written = session.change_many("add_entry", rows)
    if written != len(rows):
        raise left_out(len(rows), written)
    position, _, seq, last, _ = rows[-1]
    call.wrote([Head(*name, seq, last)])
    return Appended(len(rows), seq, rows[-2][3] if len(rows) > 1 else content_hash, last, position)


def append_rows(session: Session, call: Call, rows: list[tuple[str, str, bytes]]) -> int:
    """At least one row of (stream, writer, payload), in this order; the last position."""
    newest = 0
    heads: dict[Name, Place] = {}
    counts: dict[Name, int] = {}
    for stream, writer, _ in rows:
        name = stream, writer
        counts[name] = counts.get(name, 0) + 1
    for name, count in counts.items():
        newest, log, seq, content_hash = _state(session, name)
        _check_room(name, seq, newest, count)
        if log == 0:
            call.several()
            log = _add_log(session, name)
        heads[name] = log, seq, content_hash
    _check_room(next(iter(counts)), 0, newest, len(rows))
    extended = extend_rows(newest + 1, rows, heads)
    call.several()
    if (written := session.change_many("add_entry", extended)) != len(extended):
        raise left_out(len(extended), written)
    call.wrote(Head(*name, seq, last) for name, (_, seq, last) in heads.items() if last is not None)
    return extended[-1][0]


def _state(session: Session, name: Name) -> tuple[int, int, int, bytes | None]:
    """The newest position of the store, the log, 0 where it is not listed, and seq and hash of its head."""
    newest, log, seq, content_hash, position = session.fetch("log_state", *name)[0]
    if position is None:
        return newest, log or 0, 0, None
    if seq is None or not is_hash(content_hash):
        raise malformed(name, seq, "the head of the log has no hash of 32 bytes to link to; verify the store")
    return newest, log, seq, content_hash


def _add_log(session: Session, name: Name) -> int:
    session.change("add_log", *name)
    log: int = session.fetch("find_log", *name)[0][0]
    return log


def _check_room(name: Name, seq: int, position: int, count: int) -> None:
    if seq > LARGEST - count:
        raise OverflowError(f"log {name[0]!r} of {name[1]!r} has reached seq 2^63 - 1")
    if position > LARGEST - count:
        raise OverflowError("the store has reached position 2^63 - 1")
