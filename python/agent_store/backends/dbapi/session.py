"""A caller's sqlite3.Connection as the common part uses it."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from agent_store.backends.common.select import Select
from agent_store.backends.common.session import PAGE_BYTES, Before, Beginning, Found, Range, Row
from agent_store.backends.common.shape import is_hash
from agent_store.backends.dbapi import plain

ADAPTERS: dict[Any, Any] = getattr(sqlite3, "adapters", {})  # of the whole process; not documented
IN_PLACE = ((int, sqlite3.PrepareProtocol), (str, sqlite3.PrepareProtocol), (bytes, sqlite3.PrepareProtocol))


class _Int(int):
    """Of a type that nobody registered an adapter for."""


class _Str(str):
    __slots__ = ()


class _Bytes(bytes):
    """As _Int."""


OWN: dict[type, Any] = {int: _Int, str: _Str, bytes: _Bytes}


class Session:
    """Its own cursors, so no row factory has a say; statements that converters and text factories have none in."""

    may_forget = True

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._statements = plain.all_statements()

    def run(self, sql: str, params: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run one statement as it stands. What is not read to its end must be closed."""
        # Not connection.execute(), which a subclass may have made its own.
        return sqlite3.Cursor(self.connection).execute(sql, unadapted(params))

    def cursor(self, statement: str, *params: object) -> sqlite3.Cursor:
        """The rows of a statement that gives no text, to be read and then closed."""
        return self.run(self._statements[statement][0], params)

    def fetch(self, statement: str, *params: object) -> list[tuple[Any, ...]]:
        sql, text = self._statements[statement]
        rows = self.run(sql, params).fetchall()
        return [_decoded(row, text) for row in rows] if text else rows

    def shown(self) -> str:
        return f"the store in {self.path() or 'memory'}"

    def path(self) -> str:
        """Of the database, empty in memory."""
        sql = "SELECT CAST(file AS BLOB) FROM pragma_database_list WHERE name = 'main'"
        found: bytes | None = self.run(sql).fetchone()[0]
        return (found or b"").decode(errors="surrogateescape")

    def begin(self, select: Select, limit: int) -> Beginning:  # noqa: ARG002 - it is asked for by itself
        if select.is_one_log and select.known is None and select.streams is not None:
            # What one entry of a log costs is, for the most part, how many statements it takes.
            [(*place, log, stream, writer, seq, content_hash, position)] = self.fetch(
                "newest_and_head_of_log", *select.streams, select.writer
            )
            logs = [] if log is None else [(log, stream, writer, seq, content_hash, position)]
            return Beginning([] if place[0] is None else [(place[0], place[1])], logs)
        found = self.fetch("newest")
        if select.known is not None and found and found[0][0] != select.known[0]:
            position = select.known[0]
            found += [(position, content_hash) for (content_hash,) in self.fetch("hash_at", position)]
        return Beginning(found)

    def listed(self, select: Select) -> list[tuple[Any, ...]]:
        if select.streams is None:
            if select.writer is not None:
                return self.fetch("heads_of_writer", select.writer)
            return self.fetch("heads", select.exclude_writer)
        if select.writer is not None:
            return [row for stream in select.streams for row in self.fetch("heads_of_log", stream, select.writer)]
        excluded = select.exclude_writer
        return [row for stream in select.streams for row in self.fetch("heads_of_stream", stream, excluded)]

    def page(self, statement: str, *params: object, limit: int) -> list[tuple[Any, ...]]:
        return self._some(statement, params, limit, 0)[0]

    def _some(
        self, statement: str, params: Sequence[object], limit: int, size: int
    ) -> tuple[list[tuple[Any, ...]], int]:
        rows = []
        cursor = self.run(self._statements[statement][0], params)
        try:
            for row in cursor:
                rows.append(row)
                size += len(row[3] or b"")
                if len(rows) >= limit or size >= PAGE_BYTES:
                    break
        finally:
            cursor.close()  # Until then it keeps its snapshot.
        return rows, size

    def change(self, statement: str, *params: object) -> int:
        return self.run(self._statements[statement][0], params).rowcount

    def change_many(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> int:
        """Once for each row; how many rows were changed in all."""
        given = rows if not is_adapting() else [unadapted(row) for row in rows]
        return sqlite3.Cursor(self.connection).executemany(self._statements[statement][0], given).rowcount

    def entries(self, ranges: Sequence[Range], *, reverse: bool) -> list[Row]:
        statement = "log_reverse" if reverse else "log_forward"
        found: list[Row] = []
        size = 0
        for log, low, high in ranges:
            rows, size = self._some(statement, (log, low, high), high - low, size)
            found += [(position, log, seq, content_hash, payload) for position, seq, content_hash, payload in rows]
            if size >= PAGE_BYTES:
                break
        return found

    def near(self, select: Select, low: int, high: int, limit: int) -> list[Found]:
        names: dict[int | None, tuple[str | None, str | None] | None] = {}
        found: list[Found] = []
        size = 0
        for position, log, seq in self.fetch("places_reverse" if select.reverse else "places_forward", low, high):
            if log not in names:
                name = next(iter(self.fetch("log_name", log)), None)
                names[log] = name if name is not None and select.has(*name) else None
            if (name := names[log]) is None:
                continue
            content_hash, payload = next(iter(self.fetch("content", position)), (None, None))
            before = next(iter(self.fetch("before", log, seq)), (None, None, None))
            found.append((position, log, seq, content_hash, payload, log, *name, *before[:2]))
            size += len(payload or b"")
            if len(found) >= limit or size >= PAGE_BYTES:
                break
        return found

    def before(self, places: Sequence[tuple[int, int]]) -> list[Before]:
        return [
            (log, seq, found, content_hash if is_hash(content_hash) else None, position)
            for log, seq in places
            for found, content_hash, position in self.fetch("before", log, seq)
        ]

    def from_seq(self, places: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
        return [
            (log, found, position)
            for log, seq in places
            for found, _, position in self.fetch("from_seq", log, seq)
            if found is not None
        ]

    def names(self, logs: Sequence[int]) -> dict[int, tuple[str, str]]:
        return {
            log: (stream, writer)
            for log in logs
            for stream, writer in self.fetch("log_name", log)
            if stream is not None and writer is not None
        }

    def erased(self, positions: Sequence[int]) -> dict[int, Any]:
        return {position: length for position in positions for (length,) in self.fetch("erased", position)}

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        if self.connection.in_transaction:
            yield
            return
        self.run("BEGIN")
        try:
            yield
        finally:
            # COMMIT would say again of a page that it cannot be read.
            self.run("ROLLBACK")


def is_adapting() -> bool:
    """True where an adapter is registered for a type that we bind: it is for the caller's values, not for ours."""
    return not ADAPTERS.keys().isdisjoint(IN_PLACE)


def unadapted(params: Sequence[Any]) -> Sequence[Any]:
    """The same values, of types that no adapter is for."""
    if not params or not is_adapting():
        return params
    return [OWN[type(value)](value) if type(value) in OWN else value for value in params]


def _decoded(row: tuple[Any, ...], text: tuple[int, ...]) -> tuple[Any, ...]:
    """With its text as str, None where it is no UTF-8."""
    cells = list(row)
    for at in text:
        if cells[at] is not None:
            try:
                cells[at] = cells[at].decode()
            except UnicodeDecodeError:
                cells[at] = None
    return tuple(cells)
