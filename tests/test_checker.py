"""The verification that a backend in Python feeds finds what the native one finds, however its rows arrive."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_store import _core
from feeding import ROWS, Feeder, Way, damaged, found, of_log, store_of, whole

LOGS = 4
CACHED = 16_384


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
