"""What the server says, in the errors of the package: what happened, and what to do."""

from agent_store.backends.postgres.trouble import Trouble
from agent_store.errors import (
    BackendError,
    BusyError,
    CorruptDatabase,
    ReadOnlyStore,
    StoreError,
    StoreReplaced,
    TransactionConflict,
)

READ = "the read failed"
AGAIN = "roll the transaction back and run the whole of it again"
NOT_KEPT = "nothing of this call was kept"
REPEAT = "it can be repeated"
DOCS = "docs/postgres.md has what each role needs"

_CONFLICTS = {
    "40001": f"another transaction was first (serialization failure): {AGAIN}",
    "40P01": f"a deadlock with another transaction: {AGAIN}; take the store's lock (append, bump, transaction()) "
    "before locks of your own rows",
    "25P02": "an earlier error has ended this transaction: roll it back first",
    "3B001": "the savepoint of this block is gone, by a ROLLBACK or COMMIT of yours: roll the transaction back",
    "25001": "the transaction has begun already",
}
_ENDED = {
    "57P01": "the server ended the connection (a shutdown, or pg_terminate_backend)",
    "57P02": "the server crashed and ended the connection",
    "57P03": "the server is starting or stopping",
    "57P05": "the server ended the connection, which was idle for too long (idle_session_timeout)",
    "25P03": "the server ended the connection, whose transaction was idle for too long "
    "(idle_in_transaction_session_timeout)",
    "25P04": "the server ended the connection, whose transaction lasted too long (transaction_timeout)",
}
_ROOM = {
    "53100": "the server's disk is full",
    "53200": "the server is out of memory",
    "53300": "the server has no connection left (max_connections, or the role's limit): close some, or raise it",
    "53400": "a limit of the server's configuration is reached",
    "54000": "a limit of the server is reached",
}


def error(trouble: Trouble, schema: str, what: str, *, isolated: bool = False) -> StoreError:
    """`what` was tried; nothing of it was kept. `isolated`: in a snapshot that is older than the lock."""
    state, words = trouble.state or "", trouble.words
    if state == "40001" and what == READ and not isolated:
        return BackendError(f"{what}: the server ended it ({words}); {REPEAT}")
    if state in _CONFLICTS:
        return TransactionConflict(_CONFLICTS[state])
    if state == "23505" and isolated:
        return TransactionConflict(
            f"another transaction has appended since this one's snapshot was taken, and has the position: {AGAIN}"
        )
    if state == "25006":
        return ReadOnlyStore(
            "the transaction is read-only (a standby, default_transaction_read_only, or a transaction of yours that is)"
        )
    if state in {"42P01", "3F000", "42883"}:
        return StoreReplaced(f"the store in schema {schema!r} was dropped or moved under this open store: {words}")
    if state in {"XX001", "XX002"}:
        return CorruptDatabase(f"the server cannot read the store in schema {schema!r}: {words}")
    return BackendError(f"{what}: {_said(trouble, schema)}; {REPEAT if what == READ else NOT_KEPT}")


def _said(trouble: Trouble, schema: str) -> str:
    state, words = trouble.state or "", trouble.words
    if state in _ENDED:
        return f"{_ENDED[state]}: {words}"
    if trouble.lost:
        return f"the connection to the server was lost ({words})"
    if state in _ROOM or state[:2] == "54":
        return f"{_ROOM.get(state, _ROOM['54000'])}: {words}"
    if state == "42501":
        return f"the role lacks a right on schema {schema!r}: {words}; {DOCS}"
    if state == "57014":
        return f"the server cancelled the statement (statement_timeout, or pg_cancel_backend): {words}"
    if state == "55P03":
        return f"a lock was not to be had in time: {words}"
    return f"{words} ({state})" if state else words


def busy(trouble: Trouble, what: str, waited: float, *, lent: bool = False) -> BusyError | None:
    """Where the wait for a lock took too long, whichever setting ended it; `lent`: one of the caller's connection."""
    if trouble.state in {"55P03", "57014"} and not trouble.lost:
        if lent:
            return BusyError(what, waited, "lock_timeout or statement_timeout of the connection ended it")
        return BusyError(what, waited)
    return None


def replaced(schema: str) -> StoreReplaced:
    """Another store is there by now."""
    return StoreReplaced(f"the store in schema {schema!r} was dropped and made anew under this open store: reopen it")
