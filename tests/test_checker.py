"""The verification that a backend in Python feeds finds what the native one finds, however its rows arrive."""

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_store import _core
from agent_store.errors import BackendError

Row = tuple[Any, Any, Any, Any, Any]  # position, log, seq, content_hash, payload

LOGS = 4
ROWS = "SELECT position, log, seq, content_hash, payload FROM _agent_store_entries"
BEFORE = """SELECT seq, content_hash, position FROM _agent_store_entries
WHERE log = ? AND seq < ? ORDER BY seq DESC LIMIT 1"""
TRIGGERS = """SELECT name, sql FROM sqlite_schema
WHERE type = 'trigger' AND tbl_name IN ('_agent_store_entries', '_agent_store_logs')"""
CACHED = 16_384


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
    names = ("entries", "entries_hold", "logs", "breaks", "breaks_total", "broken_logs", "head")
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


def of_store(store: _core.Sqlite) -> Lookup:
    return lambda log, seq: store.query(BEFORE, [log, seq])


def findings(
    store: _core.Sqlite, checker: _core.Checker, logs: int, head: tuple[int, bytes] | None = None
) -> _core.Findings:
    listed = store.query("SELECT id, stream, writer FROM _agent_store_logs", [])
    names = {log: (stream, writer) for log, stream, writer in listed if log in checker.broken}
    return checker.findings(logs, names, head)


def whole(store: _core.Sqlite, way: Way) -> _core.Findings:
    feeder = Feeder(of_store(store), _core.Checker(1), way)
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
    return findings(store, feeder.checker, len(listed))


def of_log(store: _core.Sqlite, log: int, after: int, way: Way) -> _core.Findings:
    feeder = Feeder(of_store(store), _core.Checker(None), way)
    rows = store.query(f"{ROWS} WHERE log = ? AND seq > ? ORDER BY seq", [log, after])
    feeder.feed(rows)
    [*_, (_, _, seq, content_hash, _)] = store.query(f"{ROWS} WHERE log = ? ORDER BY seq", [log])
    return findings(store, feeder.checker, 1, (seq, content_hash))


ways = st.one_of(
    st.builds(Way, rows=st.integers(1, 8), waiting=st.integers(1, 6)),
    st.builds(Way, copy=st.integers(1, 200), waiting=st.integers(1, 6)),
    st.just(Way()),
    st.just(Way(copy=1 << 20)),
)

SEQS = (1, 2, 7, 30, 2**63 - 1)
position = st.integers(1, 40)
UPDATE = "UPDATE OR IGNORE _agent_store_entries SET {} WHERE position = {}".format
damages = st.one_of(
    position.map(lambda at: UPDATE("payload = x'00'", at)),
    position.map(lambda at: UPDATE("content_hash = zeroblob(32)", at)),
    position.map(lambda at: f"DELETE FROM _agent_store_entries WHERE position = {at}"),
    st.tuples(position, position).map(lambda two: UPDATE(f"position = {two[1] + 100}", two[0])),
    st.tuples(position, st.sampled_from(SEQS)).map(lambda two: UPDATE(f"seq = {two[1]}", two[0])),
    st.tuples(position, st.integers(1, LOGS + 2)).map(lambda two: UPDATE(f"log = {two[1]}", two[0])),
    st.integers(1, LOGS).map(lambda log: f"DELETE FROM _agent_store_logs WHERE id = {log}"),
    st.integers(1, LOGS).map(lambda log: f"DELETE FROM _agent_store_entries WHERE log = {log}"),
)  # fmt: skip


@given(
    st.lists(st.tuples(st.integers(1, LOGS), st.binary(max_size=40)), max_size=40),
    st.lists(damages, max_size=6),
    st.lists(ways, min_size=1, max_size=3),
)
def test_a_store_is_found_broken_where_the_native_verification_does(
    entries: list[tuple[int, bytes]], done: list[str], ways: list[Way]
) -> None:
    store = store_of([("s", f"w{log}", payload) for log, payload in entries])
    damaged(store, done)
    expected = found(store.verify())
    for way in ways:
        assert found(whole(store, way)) == expected, way


@given(
    st.lists(st.binary(max_size=40), min_size=1, max_size=20),
    st.lists(st.one_of(
        st.integers(1, 20).map(lambda at: UPDATE("payload = x'00'", at)),
        st.integers(1, 20).map(lambda at: UPDATE("content_hash = zeroblob(32)", at)),
        st.integers(1, 20).map(lambda at: f"DELETE FROM _agent_store_entries WHERE position = {at} AND position > 1"),
        st.tuples(st.integers(1, 20), st.integers(1, 40)).map(lambda two: UPDATE(f"position = {two[1]}", two[0])),
    ), max_size=4),
    st.integers(0, 20),
    ways,
)  # fmt: skip
def test_a_log_is_found_broken_where_the_native_verification_does(
    payloads: list[bytes], done: list[str], after: int, way: Way
) -> None:
    store = store_of([("s", "w", payload) for payload in payloads])
    damaged(store, done)
    since = store.query(f"{ROWS} WHERE seq = ?", [after])
    head = _core.Head("s", "w", after, since[0][3]) if since else None
    expected = found(store.verify_log("s", "w", head))
    assert found(of_log(store, 1, after if head else 0, way)) == expected


AT_ONCE = Way(rows=1, waiting=1)
wrong = st.one_of(st.integers(-2, 40), st.none(), st.just(2**63 - 1), st.just(-(2**63)))


@given(
    st.lists(st.tuples(st.integers(1, LOGS), st.binary(max_size=40)), max_size=40),
    st.lists(st.tuples(position, st.integers(0, 2), wrong), max_size=6),
    st.lists(st.tuples(position, st.integers(3, 4), st.sampled_from([None, b"", bytes(31), bytes(32)])), max_size=4),
    ways,
)
def test_rows_of_any_shape_are_judged_as_if_at_once(
    entries: list[tuple[int, bytes]],
    numbers: list[tuple[int, int, int | None]],
    blobs: list[tuple[int, int, bytes | None]],
    way: Way,
) -> None:
    heads: dict[tuple[str, str], tuple[int, int, bytes | None]] = {("s", str(n)): (n, 0, None) for n in range(1, 5)}
    rows: list[list[Any]]
    rows = [[*row] for row in _core.extend_rows(1, [("s", str(log), payload) for log, payload in entries], heads)]
    for at, column, value in [*numbers, *blobs]:
        if at <= len(rows):
            rows[at - 1][column] = value

    def before(log: int, seq: int) -> list[tuple[Any, ...]]:
        of_log = [row for row in rows if row[1] == log and row[2] is not None and row[2] < seq]
        return [(row[2], row[3], row[0] or 0) for row in sorted(of_log, key=lambda row: row[2])[-1:]]

    told = []
    for each in (AT_ONCE, way):
        feeder = Feeder(before, _core.Checker(1), each)
        feeder.feed([(at, log, seq, content_hash, payload) for at, log, seq, content_hash, payload in rows])
        feeder.checker.finish(len(rows))
        told.append(found(feeder.checker.findings(LOGS, {})))
    assert told[0] == told[1]


@pytest.fixture(scope="module")
def many_logs() -> _core.Sqlite:
    """More than there are states kept, three times in turn; some damage between the second and the third."""
    names = [("s", f"w{number}") for number in range(CACHED + 500)]
    store = store_of([(stream, writer, bytes([turn])) for turn in range(3) for stream, writer in names])
    damaged(store, [
        "UPDATE _agent_store_entries SET payload = x'ff' WHERE seq = 2 AND log % 40 = 0",
        "DELETE FROM _agent_store_entries WHERE seq = 2 AND log % 1000 = 7",
        "UPDATE _agent_store_entries SET content_hash = zeroblob(32) WHERE seq = 2 AND log % 1000 = 8",
    ])  # fmt: skip
    return store


@pytest.mark.parametrize("way", [Way(copy=65_536), Way(rows=1_000, waiting=100), Way(copy=999, waiting=1)], ids=str)
def test_rows_of_more_logs_than_are_remembered_wait(many_logs: _core.Sqlite, way: Way) -> None:
    checker = _core.Checker(1)
    checker.rows(many_logs.query(f"{ROWS} ORDER BY position", []))
    assert len(checker.waiting) > CACHED
    assert found(whole(many_logs, way)) == found(many_logs.verify())


def test_what_is_found_after_a_row_that_waits_is_told_after_it() -> None:
    """However many breaks that is: the first thousand are told, in order."""
    store = store_of([("s", f"w{number % 300}", b"x") for number in range(3_000)])
    damaged(store, ["DELETE FROM _agent_store_entries WHERE position = 400",
                    "UPDATE _agent_store_entries SET payload = x'00' WHERE position > 600"])  # fmt: skip
    for way in (Way(rows=10), Way(copy=100), Way(copy=10_000, waiting=1)):
        assert found(whole(store, way)) == found(store.verify())


def chain(payloads: list[bytes]) -> list[Row]:
    return [*_core.extend(1, 1, 0, None, payloads)]


def test_only_what_follows_nothing_known_waits() -> None:
    rows = chain([b"a", b"b", b"c", b"d"])
    checker = _core.Checker(None)
    checker.rows(rows[1:])
    assert checker.waiting == [(1, 2)]
    assert checker.held > 0
    assert checker.entries == 3
    with pytest.raises(ValueError, match="wait"):
        checker.findings(1, {})
    checker.answer([(1, 2, 1, rows[0][3], 1)])
    assert checker.waiting == []
    assert checker.held == 0
    assert checker.findings(1, {}).entries_hold == 3


def test_what_is_asked_and_not_answered_is_not_there() -> None:
    checker = _core.Checker(None)
    checker.rows(chain([b"a", b"b"])[1:])
    assert checker.waiting
    checker.answer([])
    [(kind, _, _, seq, position, detail)] = checker.findings(1, {}).breaks
    assert (kind, seq, position, detail) == ("gap", 1, 2, "entry 1 is missing")


def test_only_what_was_listed_is_answered() -> None:
    rows = chain([b"a", b"b"])
    checker = _core.Checker(None)
    checker.rows([rows[1]])
    assert len(checker.waiting) == 1
    checker.rows([(3, 2, 2, rows[1][3], b"b")])
    checker.answer([(1, 2, 1, rows[0][3], 1)])
    assert checker.waiting == [(2, 2)]
    checker.answer([(2, 2, 1, rows[0][3], 2)])
    checker.answer([])  # of nothing
    assert checker.findings(2, {}).breaks == []


def test_an_answer_must_go_before_what_it_answers() -> None:
    checker = _core.Checker(None)
    with pytest.raises(ValueError, match="does not go before"):
        checker.answer([(1, 2, 2, bytes(32), 1)])


@pytest.mark.parametrize(
    ("column", "value", "detail"),
    [
        (0, None, "position is 0, below 1"),
        (0, "1", "position is 0, below 1"),
        (1, None, "log or seq is not an integer"),
        (1, 1.0, "log or seq is not an integer"),
        (2, "2", "log or seq is not an integer"),
        (2, 2**63, "log or seq is not an integer"),
        (3, None, "content_hash is not a blob"),
        (3, "x" * 32, "content_hash is not a blob"),
        (3, bytes(31), "content_hash has 31 bytes instead of 32"),
        (4, None, "payload is not a blob"),
        (4, 5, "payload is not a blob"),
    ],
)
def test_a_value_of_a_wrong_type_is_a_finding(column: int, value: object, detail: str) -> None:
    row = list(chain([b"a"])[0])
    row[column] = value
    checker = _core.Checker(1)
    checker.rows([(row[0], row[1], row[2], row[3], row[4])])
    findings = checker.findings(1, {})
    assert [(found[0], found[5]) for found in findings.breaks] == [("malformed", detail)]
    assert (findings.entries, findings.entries_hold) == (1, 0)


@pytest.mark.parametrize("buffer", [bytearray, memoryview])
def test_other_buffers_hold_as_bytes_do(buffer: Callable[[bytes], object]) -> None:
    [(position, log, seq, content_hash, payload)] = chain([b"a"])
    checker = _core.Checker(1)
    checker.rows([(position, log, seq, buffer(content_hash), buffer(payload))])
    assert checker.findings(1, {}).entries_hold == 1


@pytest.mark.parametrize("row", [(1, 1, 1, bytes(32)), [1, 1, 1, bytes(32), b""], None])
def test_what_is_no_row_is_an_error_of_the_feeder(row: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        _core.Checker(1).rows([row])


def test_a_copy_is_read_as_it_is_written() -> None:
    rows = _core.extend(1, 1, 0, None, [b"a", b""])
    assert copied([*rows]) == _core.copy_block(rows)


def test_nulls_of_a_copy_are_malformed() -> None:
    stream = bytearray(_core.copy_block([]))
    stream[-2:] = b"\0\5" + b"\xff" * 20 + b"\xff\xff"
    checker = _core.Checker(1)
    checker.copy([bytes(stream)])
    checker.end_copy()
    [(kind, *_, detail)] = checker.findings(0, {}).breaks
    assert (kind, detail) == ("malformed", "log or seq is not an integer")


def test_a_copy_that_is_not_whole_is_an_error() -> None:
    stream = _core.copy_block(_core.extend(1, 1, 0, None, [b"a"]))
    checker = _core.Checker(1)
    checker.copy([stream[:-3]])
    with pytest.raises(ValueError, match="COPY"):
        checker.findings(1, {})
    with pytest.raises(BackendError, match="cut off"):
        checker.end_copy()
    for wrong in (b"2026\t1", stream[:19] + b"\0\4", stream + b"\0"):
        with pytest.raises(BackendError, match="COPY"):
            _core.Checker(1).copy([wrong])


def test_one_copy_may_follow_another() -> None:
    rows = _core.extend(1, 1, 0, None, [b"a", b"b", b"c"])
    checker = _core.Checker(1)
    for part in (rows[:2], [], rows[2:]):
        checker.copy([_core.copy_block(part)])
        checker.end_copy()
    assert found(checker.findings(1, {}, (3, rows[2][3]))) == {
        "entries": 3,
        "entries_hold": 3,
        "logs": 1,
        "breaks": [],
        "breaks_total": 0,
        "broken_logs": 0,
        "head": (3, rows[2][3]),
    }


def test_positions_must_go_on_to_the_last() -> None:
    checker = _core.Checker(1)
    checker.rows(chain([b"a", b"b"]))
    checker.finish(4)
    [(kind, *_, position, detail)] = checker.findings(1, {}).breaks
    assert (kind, position) == ("gap", 3)
    assert detail.startswith("positions 3 to 4 are missing")


def test_positions_below_one_make_no_holes() -> None:
    rows = chain([b"a", b"b"])
    checker = _core.Checker(1)
    checker.rows([(-5, 9, 1, bytes(32), b""), *rows])
    checker.finish(2)
    [(kind, *_, position, detail)] = checker.findings(1, {}).breaks
    assert (kind, position, detail) == ("malformed", -5, "position is -5, below 1")


def test_positions_that_cannot_be_read_are_a_finding_and_no_gap() -> None:
    rows = chain([b"a", b"b", b"c", b"d"])
    checker = _core.Checker(1)
    checker.rows(rows[:1])
    checker.unreadable(2, 3, "bad page")
    checker.rows(rows[3:])
    assert checker.waiting == [(1, 4)]
    checker.answer([(1, 4, 3, rows[2][3], 3)])
    checker.finish(4)
    [(kind, *_, position, detail)] = checker.findings(1, {}).breaks
    assert (kind, position, detail) == ("corrupt", 2, "positions 2 to 3 could not be read: bad page")


def test_what_the_feeder_found_is_told_with_its_names() -> None:
    checker = _core.Checker(1)
    kinds = ("schema", "index", "gap", "hash", "link", "order", "orphan", "malformed", "corrupt")
    for log, kind in enumerate(kinds):
        checker.report(kind, log or None, 1, None, f"a {kind}")
    with pytest.raises(ValueError, match="no kind"):
        checker.report("kind", None, None, None, "")
    assert checker.broken == [*range(1, 9)]
    findings = checker.findings(9, {1: ("s", "w")})
    told = [(kind, stream, writer, detail) for kind, stream, writer, _, _, detail in findings.breaks]
    assert told == [(kind, *(("s", "w") if kind == "index" else (None, None)), f"a {kind}") for kind in kinds]
    assert findings.broken_logs == 8


@settings(max_examples=50)
@given(st.binary(max_size=200), st.integers(1, 50), st.booleans())
def test_no_bytes_at_all_do_harm(stream: bytes, size: int, begun: bool) -> None:
    stream = _core.copy_block([])[:-2] * begun + stream
    checker = _core.Checker(1)
    try:
        for start in range(0, len(stream), size):
            checker.copy([stream[start : start + size]])
        checker.end_copy()
    except BackendError:
        return
    assert stream.endswith(b"\xff\xff")
