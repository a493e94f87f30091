"""Beside a store's own rules those of its connection's caller, who begins and ends transactions by other means."""

import sqlite3
from types import TracebackType
from typing import Any

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from agent_store import Store
from machine import NOTES, Block
from shared_machine import Shared
from stores import Lent as LentFile
from stores import Schema

Connection = sqlite3.Connection | psycopg.Connection[Any]


def in_transaction(connection: Connection) -> bool:
    if isinstance(connection, sqlite3.Connection):
        return connection.in_transaction
    return connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE


class Transaction:
    """One that the caller has begun, and ends as a whole."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN")

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if kind is None:
            self._connection.commit()
        else:
            self._connection.rollback()
        assert not in_transaction(self._connection)


class Statements(Transaction):
    """The same in words."""

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._connection.execute("ROLLBACK" if kind else "COMMIT")


class Savepoint(Transaction):
    def __enter__(self) -> None:
        self._connection.execute("SAVEPOINT of_the_caller")

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if kind:
            self._connection.execute("ROLLBACK TO of_the_caller")
        self._connection.execute("RELEASE of_the_caller")


class Psycopg:
    """Its own block, which is a transaction or, in one, a savepoint."""

    def __init__(self, connection: Connection) -> None:
        assert isinstance(connection, psycopg.Connection)
        self._block = connection.transaction()

    def __enter__(self) -> None:
        self._block.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._block.__exit__(kind, error, trace)


class Lent(Shared):
    """The caller ends what the caller began; a rollback is not told to the store."""

    knows_rollbacks = False
    connection: Connection

    def open_store(self) -> Store:
        assert isinstance(self.place, (LentFile, Schema))
        store = super().open_store()
        self.connection = self.place.connections[-1]
        self.connection.commit()
        return store

    def open_other(self) -> Store:
        return self.place.open()

    def ways(self) -> list[Block]:
        """To begin what the caller ends."""
        if in_transaction(self.connection):
            ways: list[Block] = [Savepoint(self.connection)]
        else:
            ways = [Transaction(self.connection), Statements(self.connection)]
        return [*ways, Psycopg(self.connection)] if isinstance(self.connection, psycopg.Connection) else ways

    @precondition(lambda self: len(self.blocks) < 3)
    @rule(data=st.data())
    def begin_as_the_caller(self, data: st.DataObject) -> None:
        way = data.draw(st.sampled_from(self.ways()))
        way.__enter__()
        self.blocks.append(way)
        self.model.begin()


class NoAutocommit(Lent):
    """A call may have opened a transaction, which the caller ends: the model is told when it has returned."""

    pending = False
    """What the model would go back to is kept, and no block stands for it yet."""

    @property
    def store(self) -> Store:
        self.settle()
        if not self.blocks:
            self.model.begin()
            self.pending = True
        return self.opened

    @store.setter
    def store(self, store: Store) -> None:
        self.opened = store

    def settle(self) -> None:
        if in_transaction(self.connection) and (self.pending or not self.blocks):
            if not self.pending:  # It was opened by what only read.
                self.model.begin()
            self.blocks.insert(0, Transaction(self.connection))
            for one in self.readings:
                one.depth += one.begun
        elif self.pending:
            self.model.before.pop(0)
        self.pending = False

    def make_notes(self) -> None:
        self.opened.execute(self.place.sql(NOTES))
        self.connection.commit()

    def can_commit(self) -> bool:
        return False

    @invariant()
    def agree(self) -> None:
        super().agree()
        self.settle()

    def teardown(self) -> None:
        self.settle()
        super().teardown()
