"""The Protocol on PostgreSQL: what is the same by URL and on a connection of the caller's."""

import abc
import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

from agent_store._core import Appended, Entry, Findings, Head
from agent_store.backends.common import generations, heads
from agent_store.backends.common.reading import Reading
from agent_store.backends.common.select import Select, each_once
from agent_store.backends.postgres import host, informing, verifying, writing
from agent_store.backends.postgres.ledger import Hints
from agent_store.backends.postgres.reader import Reader
from agent_store.backends.postgres.statements import Statements
from agent_store.backends.postgres.transaction import Transaction
from agent_store.backends.postgres.turn import Turn
from agent_store.backends.postgres.waiter import Waiter
from agent_store.errors import (
    BackendError,
    ForkedStore,
    ReadOnlyStore,
    StoreClosed,
    StoreError,
    TransactionConflict,
)
from agent_store.ticker import Progress

Params = Sequence[Any] | Mapping[str, Any]


class Database(abc.ABC):
    """A store in a schema; what a call runs on is for those below to say."""

    kind = "postgres"
    owned: bool
    exclusive: bool
    commits: bool
    durability: str | None
    shown: str
    place: str
    read_only: bool

    def __init__(self, schema: str) -> None:
        self.statements = Statements(schema)
        self.oid = 0
        self.hints = Hints()
        self.closed = False
        self._pid = os.getpid()

    @abc.abstractmethod
    def turn(self, tx: Transaction | None, *, alone: bool = True) -> contextlib.AbstractContextManager[Turn]:
        """What one call writes with; `alone`: with no SQL of the caller's."""

    @abc.abstractmethod
    def reader(self, tx: Transaction | None) -> contextlib.AbstractContextManager[Reader]:
        """What one call reads with."""

    @abc.abstractmethod
    def begin(self, within: Transaction | None = None, *, synced: bool = False) -> Transaction:
        """Take the store's lock; within another transaction, a savepoint. `synced`: durable at its commit."""

    @abc.abstractmethod
    def commit(self, tx: Transaction) -> None:
        """Durable on return, where it is the whole of a transaction of ours."""

    @abc.abstractmethod
    def rollback(self, tx: Transaction) -> None:
        """Never raises."""

    @abc.abstractmethod
    def waiter(self) -> Waiter:
        """One more who waits."""

    @abc.abstractmethod
    def doorbell(self, reader: Reader, session: int, *, behind: bool) -> str | None:
        """How who waits hears of others, where the server says whose session this is, and whether it is a standby."""

    @abc.abstractmethod
    def ring(self) -> None:
        """Wake whoever waits, in any process."""

    @abc.abstractmethod
    def close(self) -> None:
        """Any number of times."""

    def check_open(self) -> None:
        """Raise StoreClosed or ForkedStore; the process first, as in a child nothing may be touched."""
        if os.getpid() != self._pid:
            raise ForkedStore
        if self.closed:
            raise StoreClosed

    def append(
        self,
        stream: str,
        writer: str,
        payloads: list[bytes],
        expected: tuple[int, bytes] | None = None,
        tx: Transaction | None = None,
    ) -> Appended:
        """One entry by itself: one round trip, where the log is where this store saw it last."""
        self._check_writable()
        name = (stream, writer)
        hint = self.hints.get(name) if tx is None and len(payloads) == 1 else None
        if hint is not None and (expected is None or expected == (hint[1], hint[2])):
            with self.turn(None) as turn:
                appended = writing.append_next(turn, hint, name, payloads[0], self.oid)
            if appended is not None:
                self.hints.put(name, (hint[0], appended.seq, appended.content_hash))
                return appended
        self.hints.drop(name)
        with self.turn(tx) as turn:
            return writing.append(turn, name, payloads, expected, self.hints)

    def append_rows(self, rows: list[tuple[str, str, bytes]], tx: Transaction | None = None) -> int:
        """To many logs, in this order; the last position."""
        self._check_writable()
        if not rows:
            return self.position(tx)
        with self.turn(tx) as turn:
            return writing.append_rows(turn, rows, self.hints)

    def pages(
        self,
        stream: str | Sequence[str] | None = None,
        writer: str | None = None,
        *,
        exclude_writer: str | None = None,
        after: int = 0,
        start: int = 1,
        stop: int | None = None,
        reverse: bool = False,
        known: tuple[int, bytes] | None = None,
    ) -> Reading:
        """A reading; nothing is read yet."""
        self.check_open()
        return Reading(Select(each_once(stream), writer, exclude_writer, after, start, stop, reverse, known))

    def read(self, pages: Reading, limit: int, tx: Transaction | None = None) -> list[Entry]:
        """At most `limit` entries more; none when the reading is over."""
        self.check_open()
        pages.enter(tx.fate if tx is not None else None)
        with self.reader(tx) as reader:
            return pages.next(reader, limit)

    def heads(self, stream: str | None = None, tx: Transaction | None = None) -> list[Head]:
        """By stream and writer."""
        with self.reader(tx) as reader:
            return heads.heads(reader, stream)

    def position(self, tx: Transaction | None = None) -> int:
        """The newest, 0 in an empty store."""
        with self.reader(tx) as reader:
            return heads.position(reader)

    def verify(self, progress: Progress | None = None, tx: Transaction | None = None, *, sealed: int = 0) -> Findings:
        """The whole store, in one snapshot."""
        with self.reader(tx) as reader:
            return verifying.whole(reader, self.statements, progress, sealed)

    def leaves(self, first: int, last: int, progress: Progress | None = None) -> tuple[Findings, bytes]:
        """In one snapshot."""
        with self.reader(None) as reader:
            return verifying.leaves(reader, self.statements, first, last, progress)

    def verify_log(
        self,
        stream: str,
        writer: str,
        since: Head | None = None,
        contains: Head | None = None,
        progress: Progress | None = None,
        tx: Transaction | None = None,
    ) -> Findings:
        """One log; ChainBroken where `since` or `contains` is not in it."""
        with self.reader(tx) as reader:
            return verifying.log(reader, self.statements, (stream, writer), since, contains, progress)

    def backup(self, path: str, progress: Progress | None = None) -> Findings:  # noqa: ARG002
        """Not here."""
        raise BackendError(
            "backup() copies an SQLite file: a store on PostgreSQL is copied into one by `agent-store copy`, and "
            "backed up by pg_dump, which takes it as it is at one moment (docs/postgres.md)"
        )

    def advance(self, key: str, how: str, n: int = 0, tx: Transaction | None = None) -> int:
        """The value after it."""
        if how == "current":
            with self.reader(tx) as reader:
                return generations.current(reader, key)
        self._check_writable()
        with self.turn(tx) as turn:
            (rows,) = turn.run(turn.call("generation", key))
            value = rows[0][0] if rows else 0
            after = generations.following(key, value, how, n)
            calls = []
            if after != value:
                calls.append(turn.call("set_generation", key, after))
                turn.ledger.other = True
            turn.run(*calls, last=True)
            return after

    def generations(self, tx: Transaction | None = None) -> list[tuple[str, int]]:
        """Every counter and its value, by key."""
        with self.reader(tx) as reader:
            return generations.every(reader)

    def execute(self, sql: str, params: Params, tx: Transaction | None = None) -> int:
        """The number of rows changed."""
        host.refuse(sql)
        self._check_writable()
        with self.turn(tx, alone=False) as turn:
            turn.run()
            turn.ledger.forget()
            changed = host.execute(turn.wire, sql, params)
            turn.run(last=True)
            return changed

    def fetch(self, statement: str, *params: object, tx: Transaction | None = None) -> list[tuple[Any, ...]]:
        """All rows of one of our own statements."""
        with self.reader(tx) as reader:
            return reader.fetch(statement, *params)

    def change(self, statement: str, *params: object, tx: Transaction | None = None) -> int:
        """How many rows one of our own statements changed."""
        self._check_writable()
        with self.turn(tx) as turn:
            turn.ledger.forget()  # It may have added an entry.
            (rows,) = turn.run(turn.call(statement, *params), last=True)
            return len(rows)

    def scrub(self) -> bool | None:
        """Pages, the WAL and standbys are the operator's."""
        return None

    def query(
        self, sql: str, params: Params, tx: Transaction | None = None, *, may_write: bool = True
    ) -> list[tuple[Any, ...]]:
        """All rows; TransactionConflict for a statement that writes where it may not."""
        host.refuse(sql)
        self.check_open()
        if tx is not None:
            with self.turn(tx) as turn:
                turn.ledger.forget()
                return host.query(turn.wire, sql, params)
        try:
            with self.reader(None) as reader, reader.read_only(within=not may_write):
                return host.query(reader.wire, sql, params)
        except StoreError as error:
            if not host.writes(error) or self.read_only:
                raise
            if not may_write:
                raise TransactionConflict(host.DRAWING) from None
        with self.turn(None, alone=False) as turn:
            turn.run()
            rows = host.query(turn.wire, sql, params)
            turn.run(last=True)
            return rows

    def info(self, tx: Transaction | None = None) -> dict[str, Any]:
        """Facts."""
        with self.reader(tx) as reader:
            return informing.facts(reader, self)

    def _check_writable(self) -> None:
        self.check_open()
        if self.read_only:
            raise ReadOnlyStore("the store was opened with read_only=True")
