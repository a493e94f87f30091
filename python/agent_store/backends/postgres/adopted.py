"""On a connection of the caller's: what he would see of an INSERT of his own."""

import contextlib
import os
import time
import weakref
from collections.abc import Iterator
from typing import Any, NoReturn

import psycopg
from psycopg.pq import TransactionStatus

from agent_store.backends.common.shape import part_of_another
from agent_store.backends.common.turn import Turn as Threads
from agent_store.backends.postgres import failures, setup
from agent_store.backends.postgres.database import Database
from agent_store.backends.postgres.listener import notification
from agent_store.backends.postgres.reader import Reader
from agent_store.backends.postgres.statements import BEGIN, Statement
from agent_store.backends.postgres.transaction import Transaction
from agent_store.backends.postgres.transaction import within as inside
from agent_store.backends.postgres.trouble import Trouble
from agent_store.backends.postgres.turn import Turn
from agent_store.backends.postgres.wire import Wire
from agent_store.errors import BackendError, BusyError, TransactionConflict

ACTIVE, IDLE = TransactionStatus.ACTIVE, TransactionStatus.IDLE
INTRANS, INERROR = TransactionStatus.INTRANS, TransactionStatus.INERROR
AMID = "the connection is amid a COPY or a stream of yours, and takes no other statement: come to its end first"
FAILED = "an earlier error has ended the transaction of this connection: roll it back first"
APART = "a connection for each thread lets both go on"
SYNC = Statement(
    "SELECT pg_catalog.set_config('synchronous_commit', 'on', true) "
    "WHERE pg_catalog.current_setting('synchronous_commit') = 'off'"
)
PATIENCE = 5.0  # seconds that a thread waits for the block of another
NAP = 0.002


class Adopted(Database):
    """Each call joins the transaction that is open; none open, it is as the connection's autocommit says."""

    owned = False
    exclusive = False
    durability: str | None = None
    read_only = False

    def __init__(self, connection: "psycopg.Connection[Any]", schema: str) -> None:
        super().__init__(schema)
        self.shown = self.place = repr(connection)
        self._connection = connection
        self._wire = Wire(connection, prepares=False)
        self._threads = Threads(lambda: PATIENCE)
        self._check_usable()
        oid = setup.table(setup.look(self._wire, self.statements), schema)
        if oid is None and self._wire.in_pipeline:
            raise TransactionConflict(
                f"there is no store in schema {schema!r}, and none is made in a pipeline: leave it first"
            )
        self.oid = oid if oid is not None else setup.create(self._wire, self.statements, None)

    @property
    def commits(self) -> bool:  # type: ignore[override]  # as the connection is now
        """True on an autocommit connection that is in no transaction."""
        self.check_open()
        self._check_usable()
        return self._connection.autocommit and self._wire.status == IDLE

    def _check_usable(self) -> None:
        if self._connection.closed:
            raise BackendError("the connection is closed")
        self._wire.settle()
        self._await()
        with self._connection.lock:
            now = self._wire.status
        if now == INERROR:
            raise TransactionConflict(FAILED)
        if now == ACTIVE:
            raise TransactionConflict(AMID)

    def _await(self) -> None:
        """Another thread's statement comes to its end; amid a COPY of this thread's the wait would be for ever."""
        until = time.monotonic() + PATIENCE
        while self._connection.lock.locked():
            if time.monotonic() > until:
                raise BusyError("this connection, which is amid a statement, COPY or stream of yours", PATIENCE, APART)
            time.sleep(NAP)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[Wire]:
        """While one thread is in a block of the store's, no other's calls get into that transaction."""
        self.check_open()
        with self._threads.lock:
            self._threads.wait()
            self._check_usable()
            yield self._wire

    def _turn(self) -> Turn:
        """By the state that the connection is in now."""
        wire = self._wire
        lock = (self.statements["lock_only"], ())
        if wire.status == INTRANS:
            return Turn(wire, self.statements, self.oid, before=[lock], isolated=True)
        begin = (BEGIN if self._connection.autocommit else self._his_begin(), ())
        return Turn(
            wire, self.statements, self.oid, before=[begin, lock], commits=self._connection.autocommit, isolated=True
        )

    def _his_begin(self) -> Statement:
        """As psycopg itself would begin on this connection."""
        parts = ["BEGIN"]
        if self._connection.isolation_level is not None:
            level = psycopg.IsolationLevel(self._connection.isolation_level).name.replace("_", " ")
            parts.append(f"ISOLATION LEVEL {level}")
        if self._connection.read_only is not None:
            parts.append("READ ONLY" if self._connection.read_only else "READ WRITE")
        if self._connection.deferrable is not None:
            parts.append("DEFERRABLE" if self._connection.deferrable else "NOT DEFERRABLE")
        return Statement(" ".join(parts))

    @contextlib.contextmanager
    def turn(self, tx: Transaction | None, *, alone: bool = True) -> Iterator[Turn]:  # noqa: ARG002
        """Of the transaction that is open, or one begun as an INSERT would."""
        with self._alone():
            if tx is not None:
                tx.check()
                tx.turn.ledger.forget()  # The caller may have gone back to a savepoint of his own.
                yield tx.turn
                return
            turn = self._turn()
            try:
                yield turn
            except BaseException:
                turn.undo()
                raise

    @contextlib.contextmanager
    def reader(self, tx: Transaction | None) -> Iterator[Reader]:
        """In the transaction that is open; else each statement by itself, and nothing is left open."""
        with self._alone() as wire:
            if tx is not None:
                tx.check()
            joins = wire.status == INTRANS
            yield Reader(wire, self.statements, self.oid, may_forget=True, joins=joins, shared=True)

    def begin(self, within: Transaction | None = None, *, synced: bool = False) -> Transaction:
        """A savepoint in what is open; else a transaction, which is the caller's to commit where he does that."""
        self.check_open()
        if within is not None:
            with self._alone():
                within.check()
                return inside(within, synced=synced)
        with self._alone():
            token = object()
            try:
                self._threads.take(token)
                return self._begin(token, synced=synced)
            except BaseException:
                self._threads.give(token)
                raise

    def _end(self, token: object) -> None:
        if os.getpid() == self._pid:
            with self._threads.lock:
                self._threads.give(token)

    def _begin(self, token: object, *, synced: bool) -> Transaction:
        joined = self._wire.status == INTRANS
        if synced and (joined or not self._connection.autocommit):
            raise part_of_another()
        turn = self._turn()
        tx = None
        try:
            turn.run(*([(SYNC, ())] if synced else []))
            inner = Turn(self._wire, self.statements, self.oid, ledger=turn.ledger, isolated=True)
            # Where the caller commits, the end of the block is not the end of the transaction.
            tx = Transaction(self._wire, inner, None if joined else turn, release=lambda _: self._end(token))
            # Should an interrupt keep it from its end.
            weakref.finalize(tx, self._end, token).atexit = False
            if joined:
                tx.save()
        except BaseException:
            if tx is not None:
                tx.rollback()
            turn.undo()
            raise
        return tx

    def commit(self, tx: Transaction) -> None:
        """Of a savepoint, or of a transaction on an autocommit connection."""
        self.check_open()
        try:
            if not self._connection.closed:
                self._wire.settle()
        except BaseException:
            self.rollback(tx)
            raise
        tx.commit()

    def rollback(self, tx: Transaction) -> None:
        """What the block did, and not more."""
        if os.getpid() == self._pid:
            with contextlib.suppress(psycopg.Error):
                self._wire.settle()
            tx.rollback()

    def waiter(self) -> NoReturn:
        """Not here: it is the caller's, and who sleeps at it would keep it from him."""
        raise BackendError(
            "watch, subscribe and wait need connections of the store's own: open it by its path or URL for them; this "
            "one may stay open beside it"
        )

    def doorbell(self, reader: Reader, session: int, *, behind: bool) -> None:
        """Nobody waits here."""

    def ring(self) -> None:
        """In a transaction, at its commit."""
        with self._alone() as wire:
            try:
                wire.run((notification(self.oid), ()))
            except Trouble as trouble:
                raise failures.error(trouble, self.statements.schema, "the bell could not be rung") from None

    def close(self) -> None:
        """The connection stays as it is."""
        if os.getpid() != self._pid:
            self.check_open()
        self.closed = True
