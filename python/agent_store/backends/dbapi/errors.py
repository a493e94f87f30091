"""What sqlite3 raises, as errors of the package: the same as the native backend gives for the same code of SQLite."""

import sqlite3

from agent_store.errors import (
    BackendError,
    BusyError,
    CorruptDatabase,
    ReadOnlyStore,
    StoreClosed,
    StoreError,
    StoreReplaced,
)

SNAPSHOT = (
    "roll the transaction back and repeat it, begun with BEGIN IMMEDIATE: it began deferred and has read, and then "
    "SQLite neither waits nor lets it write after others"
)
LONGER = "sqlite3.connect(timeout=…), or PRAGMA busy_timeout, allows more"


def is_busy(error: sqlite3.Error) -> bool:
    """True where others hold a lock."""
    return _primary(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def _primary(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_io(error: sqlite3.Error) -> bool:
    """True for what the system did not do with the file."""
    return _primary(error) == sqlite3.SQLITE_IOERR


def translated(error: sqlite3.Error, waited: float = 0.0, instead: str = LONGER, *, ended: bool = False) -> Exception:
    """The error of ours that says the same; `ended`: SQLite rolled back the transaction that was open."""
    text = f"{error} (and the whole transaction was rolled back)" if ended else str(error)
    code = getattr(error, "sqlite_errorcode", 0)
    primary = _primary(error)
    if is_busy(error):
        return BusyError(f"a lock that another connection holds ({text})", waited, instead)
    if primary == sqlite3.SQLITE_NOTADB:
        detail = f"{text}: it is another kind of file, an encrypted database, or its header is damaged"
        return CorruptDatabase(detail)
    if primary == sqlite3.SQLITE_CORRUPT:
        return CorruptDatabase(text)
    if code == sqlite3.SQLITE_IOERR_SHORT_READ:
        return CorruptDatabase(f"{text}: a file ends before what is to be in it; it was cut off")
    if code == sqlite3.SQLITE_READONLY_DBMOVED:
        return StoreReplaced(text)
    if primary == sqlite3.SQLITE_READONLY:
        return ReadOnlyStore(f"{text}: the connection, or the file, takes no writes")
    if primary == sqlite3.SQLITE_FULL:
        return BackendError(f"{text}: what was being written was not kept; free space and repeat it")
    if primary == 0:
        return _of_the_module(error, text)
    if text.startswith("no such table: main._agent_store_"):
        return BackendError(
            f"{text}: the tables of the store are not there any more, as when agent_store.open(connection) made them "
            "in a transaction that was rolled back: call it again"
        )
    return BackendError(text)


def _of_the_module(error: sqlite3.Error, text: str) -> StoreError:
    """What the module says without asking SQLite."""
    if "closed" in text:
        return StoreClosed(f"the connection of the store is closed ({text.rstrip('.')})")
    if "thread" in text:
        return BackendError(f"{text} Use the store in that thread, or make the connection with check_same_thread=False")
    return BackendError(text or type(error).__name__)
