"""`with store.transaction():` on a caller's connection."""

import os
import sqlite3

from agent_store.backends.common.fate import Fate
from agent_store.backends.dbapi import writing
from agent_store.backends.dbapi.session import Session
from agent_store.backends.dbapi.turn import Turn
from agent_store.errors import TransactionConflict

ENDED = "a statement or a full disk ended this transaction: nothing of it was kept; leave the block and repeat it"


class Transaction:
    """A transaction of its own, or a savepoint in one of the caller's or in the one that it is nested in.

    The turn is its as long as it lasts.
    """

    def __init__(self, session: Session, turn: Turn, outer: "Transaction | None") -> None:
        connection = session.connection
        self._session = session
        self._turn = turn
        self._outer = outer
        self._level: int = 1 if outer is None else outer._level + 1  # noqa: SLF001 - of its own class
        self._pid = os.getpid()
        self._over = False
        self.fate: Fate = Fate(outer.fate if outer is not None else None)
        self.moved = writing.Moved()
        self._own = outer is None and not connection.in_transaction
        self._commits = self._own and writing.is_autocommit(connection)
        turn.take()
        try:
            if self._own:
                writing.begin(session)
            else:
                session.run(f"SAVEPOINT {self._name}")
                if outer is None:
                    writing.lock(session)
        except BaseException:
            self.rollback()
            raise

    @property
    def _name(self) -> str:
        return f"agent_store_{self._level}"

    def check(self) -> None:
        """TransactionConflict where it is over, by its own end or by what somebody ran on the connection."""
        if self._over:
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
                self._release()
        except BaseException:
            self.rollback()
            raise
        if self._outer is not None:
            self._outer.moved.join(self.moved)
        self.fate.committed = True
        self._finish()

    def _release(self) -> None:
        try:
            self._session.run(f"RELEASE {self._name}")
        except sqlite3.OperationalError as error:
            if "no such savepoint" in str(error):
                raise TransactionConflict("the transaction that this block was part of is over") from error
            raise

    def rollback(self) -> None:
        """Never raises."""
        if self._over:
            return
        self.fate.undone = True
        if self._own:
            writing.rollback(self._session)
        else:
            writing.undo(self._session, self._name)
        self._finish()

    def _finish(self) -> None:
        self._over = True
        self._turn.give()

    def __del__(self) -> None:
        # Nobody ended it: an interrupt fell between two lines.
        if not getattr(self, "_over", True) and os.getpid() == self._pid:
            with self._turn.lock:
                self.rollback()
