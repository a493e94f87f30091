"""What a write of ours is part of: the caller's open transaction, or one of its own.

It does what an INSERT of the caller's would do. With a transaction open it joins that, whole or not at all; with none
open it is committed on an autocommit connection, and on any other it begins a transaction which the caller ends.
"""

import sqlite3
from collections.abc import Callable, Iterable
from time import monotonic
from typing import TypeVar

from agent_store._core import Head
from agent_store.backends.dbapi.errors import SNAPSHOT, is_busy, is_io, translated
from agent_store.backends.dbapi.session import Session
from agent_store.errors import OutcomeUnknown

Result = TypeVar("Result")

CALL = "agent_store_call"
NAMED = 1_000  # heads that OutcomeUnknown names
# A statement that changes nothing, and takes the write lock as the first of a deferred transaction: then SQLite waits
# for it and reads what is committed by then. After a look of ours at the head it would do neither.
LOCK = ("DELETE FROM main._agent_store_logs WHERE 0",)
# The same where there is no table yet.
LOCK_NOTHING = (
    "SAVEPOINT agent_store_lock",
    "CREATE TABLE main._agent_store_lock (a)",
    "ROLLBACK TO agent_store_lock",
    "RELEASE agent_store_lock",
)


def is_autocommit(connection: sqlite3.Connection) -> bool:
    """True where the caller's own INSERT would be committed at once."""
    mode = getattr(connection, "autocommit", -1)  # Python 3.12 and later
    return connection.isolation_level is None if mode == -1 else bool(mode)


class Moved:
    """The newest entries that a transaction wrote, of each log."""

    def __init__(self) -> None:
        self.heads: dict[tuple[str, str], Head] = {}
        self._unnamed: set[int] = set()

    @property
    def count(self) -> int:
        """Of how many logs."""
        return len(self.heads) + len(self._unnamed)

    def add(self, head: Head) -> None:
        """The latest is the last."""
        key = head.stream, head.writer
        if self.heads.pop(key, None) is None and len(self.heads) >= NAMED:
            self._unnamed.add(hash(key))
        else:
            self.heads[key] = head

    def join(self, later: "Moved | None") -> None:
        """What a part of it wrote."""
        if later is not None:
            for head in later.heads.values():
                self.add(head)
            self._unnamed |= later._unnamed - {hash(key) for key in self.heads}  # noqa: SLF001 - of its own class


class Call:
    """One call that writes."""

    def __init__(self, session: Session, moved: Moved | None, *, joined: bool) -> None:
        self._session = session
        self._joined = joined
        self._saved = False
        self._moved = moved

    def wrote(self, heads: Iterable[Head]) -> None:
        """These are the newest of their logs now."""
        if self._moved is not None:
            for head in heads:
                self._moved.add(head)

    def several(self) -> None:
        """To be called before what changes more than one row: it must happen whole or not at all."""
        if self._joined and not self._saved:
            self._saved = True
            self._session.run(f"SAVEPOINT {CALL}")

    def done(self) -> None:
        if self._saved:
            self._session.run(f"RELEASE {CALL}")

    def undo(self) -> None:
        if self._saved:
            undo(self._session, CALL)


def undo(session: Session, savepoint: str) -> None:
    """Never raises: where the savepoint is gone, so is what was written after it."""
    for sql in (f"ROLLBACK TO {savepoint}", f"RELEASE {savepoint}"):
        try:
            session.run(sql)
        except sqlite3.Error:
            return


def write(session: Session, work: Callable[[Call], Result]) -> Result:
    """Run `work` in the caller's transaction, or in one of its own, which stays open where the caller's own would."""
    if session.connection.in_transaction:
        lock(session)
        return joined(session, None, work)
    return alone(session, work, commits=is_autocommit(session.connection))


def define(session: Session, work: Callable[[Call], Result]) -> Result:
    """The same for what makes tables: with no transaction open the caller's own CREATE TABLE is committed at once."""
    if session.connection.in_transaction:
        lock(session, LOCK_NOTHING)
        return joined(session, None, work)
    return alone(session, work, commits=True)


def alone(session: Session, work: Callable[[Call], Result], *, commits: bool) -> Result:
    """Run `work` in a transaction of its own."""
    moved = Moved() if commits else None
    call = Call(session, moved, joined=False)
    try:
        begin(session)
        result = work(call)
        if commits:
            commit(session, moved)
    except BaseException:
        rollback(session)
        raise
    return result


def joined(session: Session, moved: Moved | None, work: Callable[[Call], Result]) -> Result:
    """Run `work` so that it happens whole or not at all, in a transaction that goes on either way."""
    part = None if moved is None else Moved()
    call = Call(session, part, joined=True)
    try:
        result = work(call)
        call.done()
    except BaseException:
        call.undo()
        raise
    if moved is not None:
        moved.join(part)
    return result


def begin(session: Session) -> None:
    """Take the write lock, BusyError after the connection's timeout."""
    begun = monotonic()
    try:
        session.run("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        raise translated(error, monotonic() - begun) from error


def lock(session: Session, statements: tuple[str, ...] = LOCK) -> None:
    """Make the caller's transaction a writer; BusyError where it cannot become one."""
    begun = monotonic()
    try:
        for sql in statements:
            session.run(sql)
    except sqlite3.Error as error:
        if statements is LOCK_NOTHING:
            undo(session, "agent_store_lock")
        # With nothing read yet SQLite waits, as for BEGIN IMMEDIATE.
        waited = monotonic() - begun
        raise (translated(error, waited, SNAPSHOT) if is_busy(error) else translated(error)) from error


def commit(session: Session, moved: Moved | None) -> None:
    """Durable on return; OutcomeUnknown where the disk would not say."""
    try:
        session.run("COMMIT")
    except sqlite3.Error as error:
        if is_io(error):
            heads, count = ([], 0) if moved is None else (list(moved.heads.values()), moved.count)
            raise OutcomeUnknown(str(error), heads, count) from error
        raise


def rollback(session: Session) -> None:
    """Never raises."""
    try:
        if session.connection.in_transaction:
            session.run("ROLLBACK")
    except sqlite3.Error:
        pass
