"""Stored values, checked for their shape as they are read, and what is said of those that do not have it."""

from typing import Any

from agent_store.errors import BackendError, ChainBroken, MalformedRow, TransactionConflict

HASH = 32
Name = tuple[str, str]  # stream, writer


def is_hash(value: Any) -> bool:
    """True for 32 bytes."""
    return isinstance(value, bytes) and len(value) == HASH


def check(name: Name, seq: Any, content_hash: Any, payload: Any) -> None:
    """MalformedRow for an entry as no store writes it."""
    if not isinstance(payload, bytes):
        raise malformed(name, seq, "payload is not a blob")
    if not is_hash(content_hash):
        raise no_hash(name, seq)


def no_hash(name: Name, seq: Any) -> MalformedRow:
    """Of an entry whose hash is wanted."""
    return malformed(name, seq, "content_hash is not a blob of 32 bytes")


def malformed(name: Name, seq: Any, detail: str) -> MalformedRow:
    """What reading found wrong with entry `seq` of a log."""
    return MalformedRow(*name, seq if isinstance(seq, int) else None, detail)


def missing(name: Name, seq: int) -> ChainBroken:
    """Entry `seq` is not there, and a later one is."""
    return ChainBroken(*name, seq, f"entry {seq} is missing")


def left_out(wanted: int, written: int) -> BackendError:
    """Of entries that the database said nothing against, and did not keep."""
    return BackendError(
        f"{written} of {wanted} entries were written: something on _agent_store_entries that is not of agent-store, as "
        "a trigger, leaves entries out; verify names it"
    )


def undone() -> TransactionConflict:
    """Of a reading that goes on after a rollback took away what it has read."""
    return TransactionConflict("this iteration began in a transaction that was rolled back: begin it anew")


def part_of_another() -> TransactionConflict:
    """Of a transaction that is to be on disk when it returns, inside one that somebody else ends."""
    return TransactionConflict(
        "what is to be on disk when the call returns cannot be part of a transaction that is ended later: end that one "
        "first; a connection of yours must be in autocommit mode"
    )
