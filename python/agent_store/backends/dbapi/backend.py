"""The backend on a caller's sqlite3.Connection: the Protocol of `agent_store.backends.backend`, verb by verb."""

import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from agent_store._core import Appended, Entry, Findings, Head, ring_file
from agent_store.backends.common import generations, heads, verifying
from agent_store.backends.common.reading import Reading
from agent_store.backends.common.select import Select, each_once
from agent_store.backends.common.turn import Turn
from agent_store.backends.dbapi import appending, facts, foreign, layout, scrubbing, writing
from agent_store.backends.dbapi.errors import translated
from agent_store.backends.dbapi.session import Session
from agent_store.backends.dbapi.source import Source
from agent_store.backends.dbapi.transaction import Transaction
from agent_store.errors import BackendError, ForkedStore, StoreClosed
from agent_store.ticker import Progress

Result = TypeVar("Result")
Params = Sequence[Any] | Mapping[str, Any]


class Dbapi:
    """Whatever is remembered here between two calls would be wrong after a rollback of the caller's: nothing is."""

    kind = "sqlite"
    owned = False
    exclusive = False

    def __init__(self, connection: sqlite3.Connection) -> None:
        layout.check_version()
        self._session = Session(connection)
        self._turn = Turn(lambda: facts.busy_timeout(self._session))
        self._pid = os.getpid()
        self._closed = False
        if not self._read(None, lambda: layout.is_there(self._session)):
            self._make()

    @property
    def commits(self) -> bool:
        connection = self._session.connection
        return self._run(lambda: writing.is_autocommit(connection) and not connection.in_transaction)

    def _make(self) -> None:
        """As a CREATE TABLE of the caller's: in the open transaction; with none open, at once."""

        def create(call: writing.Call) -> None:
            if not layout.is_there(self._session):  # Another process may have come first.
                call.several()
                layout.create(self._session)

        self._run(lambda: writing.define(self._session, create))

    def _check(self) -> None:
        # Before any lock: in a forked child it may be held for ever.
        if os.getpid() != self._pid:
            raise ForkedStore
        if self._closed:
            raise StoreClosed

    def _run(self, work: Callable[[], Result]) -> Result:
        """Run `work` with the connection to itself."""
        self._check()
        connection = self._session.connection
        with self._turn.lock:
            was = False
            try:
                self._turn.wait()
                self._check()
                was = connection.in_transaction
                return work()
            except sqlite3.Error as error:
                raise translated(error, ended=was and not connection.in_transaction) from error

    def _read(self, tx: Transaction | None, work: Callable[[], Result]) -> Result:
        def read() -> Result:
            if tx is not None:
                tx.check()
            return work()

        return self._run(read)

    def _write(self, tx: Transaction | None, work: Callable[[writing.Call], Result]) -> Result:
        def write() -> Result:
            if tx is None:
                return writing.write(self._session, work)
            tx.check()
            return writing.joined(self._session, tx.moved, work)

        return self._run(write)

    def check_open(self) -> None:
        self._check()
        try:
            _ = self._session.connection.total_changes
        except sqlite3.Error as error:
            raise translated(error) from error

    def begin(self, within: Transaction | None = None, *, synced: bool = False) -> Transaction:
        def begin() -> Transaction:
            if within is not None:
                within.check()
            return Transaction(self._session, self._turn, within, synced=synced)

        return self._run(begin)

    def commit(self, tx: Transaction) -> None:
        self._run(tx.commit)

    def rollback(self, tx: Transaction) -> None:
        if os.getpid() == self._pid:
            with self._turn.lock:
                tx.rollback()

    def append(
        self,
        stream: str,
        writer: str,
        payloads: list[bytes],
        expected: tuple[int, bytes] | None = None,
        tx: Transaction | None = None,
    ) -> Appended:
        return self._write(tx, lambda call: appending.append(self._session, call, (stream, writer), payloads, expected))

    def append_rows(self, rows: list[tuple[str, str, bytes]], tx: Transaction | None = None) -> int:
        return self._write(tx, lambda call: appending.append_rows(self._session, call, rows))

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
        return Reading(Select(each_once(stream), writer, exclude_writer, after, start, stop, reverse, known))

    def read(self, pages: Reading, limit: int, tx: Transaction | None = None) -> list[Entry]:
        def read() -> list[Entry]:
            pages.enter(None if tx is None else tx.fate)
            return pages.next(self._session, limit)

        return self._read(tx, read)

    def heads(self, stream: str | None = None, tx: Transaction | None = None) -> list[Head]:
        return self._read(tx, lambda: heads.heads(self._session, stream))

    def position(self, tx: Transaction | None = None) -> int:
        return self._read(tx, lambda: heads.position(self._session))

    def verify(self, progress: Progress | None = None, tx: Transaction | None = None, *, sealed: int = 0) -> Findings:
        return verifying.whole(self._source(tx), progress, sealed)

    def leaves(self, first: int, last: int, progress: Progress | None = None) -> tuple[Findings, bytes]:
        return verifying.leaves(self._source(None), first, last, progress)

    def _source(self, tx: Transaction | None) -> Source:
        def read(work: Callable[[], Result]) -> Result:
            return self._read(tx, work)

        return Source(self._session, read)

    def verify_log(
        self,
        stream: str,
        writer: str,
        since: Head | None = None,
        contains: Head | None = None,
        progress: Progress | None = None,
        tx: Transaction | None = None,
    ) -> Findings:
        return verifying.one_log(self._source(tx), stream, writer, since, contains, progress)

    def backup(self, path: str, progress: Progress | None = None) -> Findings:  # noqa: ARG002
        raise BackendError(
            f"a backup to {path} is made of a store opened by its path. Of a connection of yours, "
            "`agent-store copy` copies the store, connection.backup() the database, and pg_dump one of PostgreSQL"
        )

    def advance(self, key: str, how: str, n: int = 0, tx: Transaction | None = None) -> int:
        if how == "current":
            return self._read(tx, lambda: generations.current(self._session, key))
        return self._write(tx, lambda _: generations.change(self._session, key, how, n))

    def generations(self, tx: Transaction | None = None) -> list[tuple[str, int]]:
        return self._read(tx, lambda: generations.every(self._session))

    def execute(self, sql: str, params: Params, tx: Transaction | None = None) -> int:
        self._check()
        foreign.check(sql, params)
        if foreign.first_word(sql) == "PRAGMA":  # Many are nothing, or an error, inside a transaction.
            return self._read(tx, lambda: foreign.execute(self._session, sql, params))

        def execute(call: writing.Call) -> int:
            call.several()
            return foreign.execute(self._session, sql, params)

        return self._write(tx, execute)

    def fetch(self, statement: str, *params: object, tx: Transaction | None = None) -> list[tuple[Any, ...]]:
        return self._read(tx, lambda: self._session.fetch(statement, *params))

    def change(self, statement: str, *params: object, tx: Transaction | None = None) -> int:
        return self._write(tx, lambda _: self._session.change(statement, *params))

    def scrub(self) -> bool | None:
        place = self._read(None, lambda: scrubbing.place(self._session))
        return None if place is None else scrubbing.scrub(place)

    def query(
        self, sql: str, params: Params, tx: Transaction | None = None, *, may_write: bool = True
    ) -> list[tuple[Any, ...]]:
        self._check()
        foreign.check(sql, params)
        if not self._read(tx, lambda: foreign.writes(self._session, sql, params)):
            return self._read(tx, lambda: foreign.query(self._session, sql, params))
        if not may_write:
            raise foreign.while_drawing()

        def query(call: writing.Call) -> list[tuple[Any, ...]]:
            call.several()
            return foreign.query(self._session, sql, params)

        return self._write(tx, query)

    def waiter(self) -> NoReturn:
        raise BackendError(
            "watch, subscribe and wait need connections of the store's own: open it by its path or URL for them; this "
            "one may stay open beside it"
        )

    def ring(self) -> None:
        path = self._read(None, self._session.path)
        if path:  # At a store in memory nobody else can wait.
            ring_file(path)

    def info(self, tx: Transaction | None = None) -> dict[str, Any]:
        return self._read(tx, lambda: facts.of(self._session))

    def close(self) -> None:
        """The connection stays as it is."""
        if os.getpid() != self._pid:
            raise ForkedStore
        self._closed = True
