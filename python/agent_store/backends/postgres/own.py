"""By URL: connections of the store's own."""

import contextlib
import os
from collections.abc import Iterator

from agent_store.backends.postgres import setup
from agent_store.backends.postgres.address import Address
from agent_store.backends.postgres.bell import bell_of
from agent_store.backends.postgres.database import Database
from agent_store.backends.postgres.hearing import why_not
from agent_store.backends.postgres.pool import Pool
from agent_store.backends.postgres.reader import Reader
from agent_store.backends.postgres.statements import BEGIN
from agent_store.backends.postgres.transaction import Transaction
from agent_store.backends.postgres.transaction import within as inside
from agent_store.backends.postgres.turn import Turn
from agent_store.backends.postgres.values import Call, Encoded, encode
from agent_store.backends.postgres.waiter import Waiter
from agent_store.backends.postgres.wire import Wire
from agent_store.errors import UnsupportedFormat

BEGINS: Call = (BEGIN, Encoded())


class Own(Database):
    """Each call takes a connection from the pool, and a transaction keeps one until it ends."""

    owned = True
    exclusive = False
    commits = True

    def __init__(self, address: Address, durability: str, read_only: bool, timeout: float) -> None:  # noqa: FBT001
        super().__init__(address.schema)
        self.address = address
        self.shown = self.place = address.shown
        self.durability = durability
        self.read_only = read_only
        self.timeout = timeout
        self.pool = Pool(address, timeout)
        self._locks: dict[tuple[bool, bool], Call] = {}
        try:
            self._open()
        except BaseException:
            self.pool.close()
            raise

    def _open(self) -> None:
        with self._lent() as wire:
            oid = setup.table(setup.look(wire, self.statements), self.statements.schema)
            if oid is None and self.read_only:
                raise UnsupportedFormat(
                    f"there is no store in schema {self.statements.schema!r}; without read_only=True one is made"
                )
            self.oid = oid if oid is not None else setup.create(wire, self.statements, self.timeout)
        self.bell = bell_of(self.address, self.statements, self.oid)
        self._joined = [self.bell]

    def stop_preparing(self) -> None:
        """For good: a pooler is in the way, which gives each transaction another session."""
        self.pool.prepares = False

    @contextlib.contextmanager
    def _lent(self) -> Iterator[Wire]:
        wire = self.pool.take()
        try:
            yield wire
        finally:
            if os.getpid() == self._pid:
                self.pool.give(wire)

    def _lock(self, *, alone: bool, synced: bool) -> list[Call]:
        """`alone`: only our statements follow. A plan that the server keeps, of when the table was small, would read
        all of it when it is large: then each goes by an index.
        """
        call = self._locks.get((alone, synced))
        if call is None:
            values = (setup.milliseconds(self.timeout), self.durability == "normal" and not synced, alone)
            call = (self.statements["lock"], Encoded(encode(value, "utf-8") for value in values))
            self._locks[alone, synced] = call
        return [BEGINS, call]

    def _turn(self, wire: Wire, *, alone: bool, synced: bool = False) -> Turn:
        return Turn(
            wire,
            self.statements,
            self.oid,
            before=self._lock(alone=alone, synced=synced),
            commits=True,
            unprepared=self.stop_preparing,
            bell=self.bell,
        )

    @contextlib.contextmanager
    def turn(self, tx: Transaction | None, *, alone: bool = True) -> Iterator[Turn]:
        """Of its own: BEGIN and the lock before, COMMIT after."""
        self.check_open()
        if tx is not None:
            tx.check()
            yield tx.turn
            return
        with self._lent() as wire:
            turn = self._turn(wire, alone=alone)
            try:
                yield turn
            except BaseException:
                turn.undo()
                raise

    @contextlib.contextmanager
    def reader(self, tx: Transaction | None) -> Iterator[Reader]:
        """On any connection, or on the transaction's."""
        self.check_open()
        if tx is not None:
            tx.check()
            yield Reader(tx.wire, self.statements, self.oid, may_forget=False, joins=True)
            return
        with self._lent() as wire:
            yield Reader(wire, self.statements, self.oid, may_forget=False, joins=False, unprepared=self.stop_preparing)

    def begin(self, within: Transaction | None = None, *, synced: bool = False) -> Transaction:
        """One round trip."""
        self._check_writable()
        if within is not None:
            return inside(within, synced=synced)
        wire = self.pool.take()
        turn = self._turn(wire, alone=False, synced=synced)
        try:
            turn.run()
            inner = Turn(wire, self.statements, self.oid, ledger=turn.ledger)
            return Transaction(wire, inner, turn, release=self.pool.give)
        except BaseException:
            turn.undo()
            self.pool.give(wire)
            raise

    def commit(self, tx: Transaction) -> None:
        """OutcomeUnknown where the answer was lost."""
        self.check_open()
        tx.commit()

    def rollback(self, tx: Transaction) -> None:
        """Of the whole, or to the savepoint."""
        if os.getpid() == self._pid:
            tx.rollback()

    def waiter(self) -> Waiter:
        """With the first of a process a connection that listens is opened, soon."""
        self.check_open()
        return Waiter(self, self.bell)

    def doorbell(self, reader: Reader, session: int, *, behind: bool) -> str:
        """As `Hearing` finds it on a connection of its own."""
        return "poll" if why_not(reader.wire.connection.pgconn.backend_pid, session, behind=behind) else "notify"

    def ring(self) -> None:
        """Also where no commit is."""
        self.check_open()
        self.bell.ring(heard=True)

    def close(self) -> None:
        """The idle connections now, the others as their calls end."""
        if os.getpid() != self._pid:
            self.check_open()
        self.closed = True
        self.pool.close()
        with contextlib.suppress(IndexError):  # Two threads may close it at once: one of them leaves.
            self._joined.pop().leave()
