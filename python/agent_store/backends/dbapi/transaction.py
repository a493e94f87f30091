"""`with store.transaction():` on a caller's connection."""

import os
import sqlite3
import weakref

from agent_store.backends.common.fate import Fate
from agent_store.backends.common.shape import part_of_another
from agent_store.backends.common.turn import Turn
from agent_store.backends.dbapi import writing
from agent_store.backends.dbapi.session import Session
from agent_store.backends.dbapi.synced import Synced
from agent_store.errors import TransactionConflict

ENDED = (
    "a COMMIT or ROLLBACK on the connection, a statement that failed or a full disk ended this transaction: what came "
    "before a COMMIT is kept, and nothing else is; leave the block"
)


class _Open:
    """What must be undone where nobody ends a transaction: apart from it, for then it is gone."""

    def __init__(
        self, session: Session, turn: Turn, fate: Fate, *, savepoint: str | None, synced: Synced | None
    ) -> None:
        self._session = session
        self._synced = synced
        self._turn = turn
        self._fate = fate
        self._savepoint = savepoint
        self._begun = False
        self._pid = os.getpid()
        self.over = False

    def begin(self) -> None:
        self._turn.take(self)
        self._begun = True
        if self._synced is not None:
            self._synced.enter()
        if self._savepoint is None:
            writing.begin(self._session)
        else:
            self._session.run(f"SAVEPOINT {self._savepoint}")

    def release(self) -> None:
        try:
            self._session.run(f"RELEASE {self._savepoint}")
        except sqlite3.OperationalError as error:
            if "no such savepoint" in str(error):
                raise TransactionConflict("the transaction that this block was part of is over") from error
            raise

    def keep(self) -> None:
        """It has ended, and what was written stays."""
        self._fate.committed = True
        self._begun = False
        self._finish()

    def undo(self) -> None:
        """Never raises."""
        if self.over:
            return
        self._fate.undone = not self._fate.committed
        if self._begun and self._savepoint is None:
            writing.rollback(self._session)
        elif self._begun and self._savepoint is not None:
            writing.undo(self._session, self._savepoint)
        self._finish()

    def abandon(self) -> None:
        """Nobody ended it: an interrupt fell between two lines."""
        if os.getpid() == self._pid:
            with self._turn.lock:
                self.undo()

    def _finish(self) -> None:
        if self._synced is not None:
            self._synced.leave()
        self._turn.give(self)
        self.over = True


class Transaction:
    """A transaction of its own, or a savepoint in one of the caller's or in the one that it is nested in.

    The turn is its as long as it lasts. `synced`: TransactionConflict where it would not be durable at its commit.
    """

    def __init__(self, session: Session, turn: Turn, outer: "Transaction | None", *, synced: bool = False) -> None:
        connection = session.connection
        self._session = session
        self._outer = outer
        self._level: int = 1 if outer is None else outer._level + 1  # noqa: SLF001 - of its own class
        self.fate: Fate = Fate(None if outer is None else outer.fate)
        self._own = outer is None and not connection.in_transaction
        self._commits = self._own and writing.is_autocommit(connection)
        self.moved: writing.Moved | None = None
        if self._commits or (outer is not None and outer.moved is not None):
            self.moved = writing.Moved()
        if synced and not self._commits:
            raise part_of_another()
        savepoint = None if self._own else f"agent_store_{self._level}"
        self._open = _Open(session, turn, self.fate, savepoint=savepoint, synced=Synced(session) if synced else None)
        # No __del__: it would run for each that was ended too, and lose an interrupt that fell into it.
        self._abandoned = weakref.finalize(self, self._open.abandon)
        self._abandoned.atexit = False
        try:
            self._open.begin()
            if outer is None and not self._own:
                writing.lock(session)
        except BaseException:
            self.rollback()
            raise

    def check(self) -> None:
        """TransactionConflict where it is over, by its own end or by what somebody ran on the connection."""
        if self._open.over:
            raise TransactionConflict("this transaction is over")
        if not self._session.connection.in_transaction:
            raise TransactionConflict(ENDED)

    def commit(self) -> None:
        """The end of a block that raised nothing: on an autocommit connection durable on return."""
        try:
            self.check()
            if self._commits:
                writing.commit(self._session, self.moved)
            elif not self._own:
                self._open.release()
            if self._outer is not None and self._outer.moved is not None:
                self._outer.moved.join(self.moved)
            self._open.keep()
            self._abandoned.detach()
        except BaseException:
            self.rollback()
            raise

    def rollback(self) -> None:
        """Never raises."""
        self._open.undo()
        self._abandoned.detach()
