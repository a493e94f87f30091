"""Feeding the checker as a backend in Python does, from a store in memory whose rows can be damaged."""

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from agent_store import _core

Row = tuple[Any, Any, Any, Any, Any]  # position, log, seq, content_hash, payload

ROWS = "SELECT position, log, seq, content_hash, payload FROM _agent_store_entries"
BEFORE = """SELECT seq, content_hash, position FROM _agent_store_entries
WHERE log = ? AND seq < ? ORDER BY seq DESC LIMIT 1"""
LOGS = "SELECT id, stream, writer FROM _agent_store_logs"
TRIGGERS = """SELECT name, sql FROM sqlite_schema
WHERE type = 'trigger' AND tbl_name GLOB '_agent_store_[el]*'"""


def store_of(rows: list[tuple[str, str, bytes]]) -> _core.Sqlite:
    store = _core.Sqlite(None, durability="normal", read_only=False, timeout=5)
    if rows:
        store.append_rows(rows)
    return store


def damaged(store: _core.Sqlite, statements: Iterable[str]) -> None:
    """What is in a store cannot be changed: its guards are off meanwhile."""
    triggers = store.query(TRIGGERS, [])
    for name, _ in triggers:
        store.execute(f"DROP TRIGGER {name}", [])
    for sql in statements:
        store.execute(sql, [])
    for _, sql in triggers:
        store.execute(sql, [])


def found(findings: _core.Findings) -> dict[str, object]:
    names = ("entries", "entries_hold", "logs", "breaks", "breaks_total", "broken_logs", "head", "root", "erased")
    return {name: getattr(findings, name) for name in names}


@dataclass(frozen=True)
class Way:
    """How rows arrive, and after how many that wait their predecessors are told."""

    rows: int = 1_000_000
    copy: int | None = None
    """Bytes of a piece."""
    waiting: int = 1_000_000


def copied(rows: list[Row]) -> bytes:
    """A binary COPY of rows that may hold NULLs."""
    stream = _core.copy_block([])
    header, end = stream[:-2], stream[-2:]
    fields = [
        value.to_bytes(8, "big", signed=True) if isinstance(value, int) else value for row in rows for value in row
    ]
    lengths = [-1 if field is None else len(field) for field in fields]
    parts = [struct.pack("!i", length) + (field or b"") for length, field in zip(lengths, fields, strict=True)]
    return header + b"".join(b"\0\5" + b"".join(parts[at : at + 5]) for at in range(0, len(parts), 5)) + end


Lookup = Callable[[int, int], list[tuple[Any, ...]]]


@dataclass
class Feeder:
    before: Lookup
    checker: _core.Checker
    way: Way

    def answer(self, at_least: int) -> None:
        if self.checker.held == 0:
            return
        waiting = self.checker.waiting
        if len(waiting) < at_least:
            return
        answers = []
        for log, seq in waiting:
            answers += [(log, seq, *found) for found in self.before(log, seq)]
        self.checker.answer(answers)

    def feed(self, rows: list[Row]) -> None:
        if self.way.copy is None:
            for start in range(0, len(rows), self.way.rows):
                self.checker.rows(rows[start : start + self.way.rows])
                self.answer(self.way.waiting)
        else:
            stream = copied(rows)
            for start in range(0, len(stream), self.way.copy):
                self.checker.copy([stream[start : start + self.way.copy]])
                self.answer(self.way.waiting)
            self.checker.end_copy()
        self.answer(1)


def told(store: _core.Sqlite, checker: _core.Checker) -> None:
    """Names and tiles that leaves wait for."""
    listed = {log: (stream, writer) for log, stream, writer in store.query(LOGS, [])}
    checker.name({log: listed.get(log) for log in checker.nameless})
    while tiles := checker.tiles:
        rows = {(level, number): store.fetch("tile", level, number) for level, number, _ in tiles}
        checker.compare({place: found[0][0] if found else None for place, found in rows.items()})


def of_store(store: _core.Sqlite) -> Lookup:
    return lambda log, seq: store.query(BEFORE, [log, seq])


def findings(
    store: _core.Sqlite, checker: _core.Checker, logs: int, head: tuple[int, bytes] | None = None
) -> _core.Findings:
    listed = store.query(LOGS, [])
    names = {log: (stream, writer) for log, stream, writer in listed if log in checker.broken}
    return checker.findings(logs, names, head)


def whole(store: _core.Sqlite, way: Way, sealed: int = 0) -> _core.Findings:
    feeder = Feeder(of_store(store), _core.Checker(1, sealed=sealed), way)
    listed = [log for (log,) in store.query("SELECT id FROM _agent_store_logs ORDER BY id", [])]
    groups = {log: (seq, entries) for log, seq, entries in store.query(
        "SELECT log, min(seq), count(*) FROM _agent_store_entries GROUP BY log", [])}  # fmt: skip
    for log in sorted({*listed, *groups}):
        if log not in groups:
            feeder.checker.report_empty(log)
        elif log not in listed:
            seq, entries = groups[log]
            [(position,)] = store.query(
                "SELECT position FROM _agent_store_entries WHERE log = ? AND seq = ?", [log, seq]
            )
            feeder.checker.report_orphans(log, seq, position, entries)
    feeder.feed(store.query(f"{ROWS} ORDER BY position", []))
    [(last,)] = store.query("SELECT coalesce(max(position), 0) FROM _agent_store_entries", [])
    feeder.checker.finish(last)
    told(store, feeder.checker)
    return findings(store, feeder.checker, len(listed))


def leaves(store: _core.Sqlite, first: int, last: int, way: Way) -> tuple[_core.Findings, bytes]:
    feeder = Feeder(of_store(store), _core.Checker(first, leaves=True), way)
    feeder.feed(store.query(f"{ROWS} WHERE position BETWEEN ? AND ? ORDER BY position", [first, last]))
    feeder.checker.finish(last)
    told(store, feeder.checker)
    found = findings(store, feeder.checker, 0)
    return found, feeder.checker.leaves()


def of_log(store: _core.Sqlite, log: int, after: int, way: Way) -> _core.Findings:
    feeder = Feeder(of_store(store), _core.Checker(None), way)
    rows = store.query(f"{ROWS} WHERE log = ? AND seq > ? ORDER BY seq", [log, after])
    feeder.feed(rows)
    [*_, (_, _, seq, content_hash, _)] = store.query(f"{ROWS} WHERE log = ? ORDER BY seq", [log])
    return findings(store, feeder.checker, 1, (seq, content_hash))


def chain(payloads: list[bytes]) -> list[Row]:
    return [*_core.extend(1, 1, 0, None, payloads)]
