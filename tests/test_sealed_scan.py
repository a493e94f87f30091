"""Leaves of the rows, given out and compared with the tiles: natively, and by the checker that others feed."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_store import _core
from feeding import Way, damaged, found, leaves, store_of, whole
from processes import run
from test_checker import damages, ways
from tree_by_hand import entries, root, seal
from tree_by_hand import leaves as by_hand

LOGS = 3
UPDATE = "UPDATE _agent_store_entries SET {} WHERE position = {}".format
TILE = "UPDATE _agent_store_tiles SET hashes = {} WHERE level = {} AND number = {}".format
Breaks = list[tuple[str, int | None]]


def rows(count: int, logs: int = LOGS) -> list[tuple[str, str, bytes]]:
    return [("room", f"w{number % logs}", b"%d" % number * (number % 50)) for number in range(count)]


def breaks(findings: _core.Findings) -> Breaks:
    """Kind and position of each."""
    return [(kind, position) for kind, _, _, _, position, _ in findings.breaks]


@pytest.fixture(params=[1, 255, 256, 257, 511, 512, 600, 70_000])
def sealed(request: pytest.FixtureRequest) -> tuple[_core.Sqlite, int, bytes]:
    """A store, how many entries it has, and their root."""
    store = store_of(rows(request.param))
    return store, request.param, seal(store)


def test_the_leaves_are_those_of_the_format(sealed: tuple[_core.Sqlite, int, bytes]) -> None:
    store, size, _ = sealed
    expected = by_hand(store)
    for first, last in {(1, size), (1, 1), (size, size), (max(1, size // 2), size)}:
        findings, given = store.leaves(first, last)
        assert findings.breaks == []
        assert given == b"".join(expected[first - 1 : last])
        assert findings.entries == findings.entries_hold == last - first + 1
        if size < 1_000:
            assert leaves(store, first, last, Way(rows=100, waiting=7))[1] == given


def test_a_tree_that_is_whole_has_no_findings_and_its_root(sealed: tuple[_core.Sqlite, int, bytes]) -> None:
    store, size, of_all = sealed
    findings = store.verify(sealed=size)
    assert (breaks(findings), findings.root, findings.entries) == ([], of_all, size)
    assert found(whole(store, Way(), size)) == found(findings)
    assert found(whole(store, Way(copy=65_536, waiting=50), size)) == found(findings)
    assert store.verify().root is None


def test_what_was_sealed_before_is_a_part_of_the_tiles_as_they_are() -> None:
    store = store_of(rows(700))
    seal(store)
    hashes = by_hand(store)
    for size in (1, 2, 100, 255, 256, 257, 511, 512, 513, 699):
        for findings in (store.verify(sealed=size), whole(store, Way(rows=99), size)):
            assert (breaks(findings), findings.root) == ([], root(hashes[:size]))


def recomputed(store: _core.Sqlite, log: int, seq: int) -> Iterator[str]:
    """Another payload for an entry, and all hashes after it made to fit."""
    of_log = [entry for entry in entries(store) if entry.writer == f"w{log - 1}"]
    before = of_log[seq - 2].content_hash if seq > 1 else None
    payloads = [b"forged", *(entry.payload for entry in of_log[seq:])]
    chain = _core.extend(log, 1, 0, None, payloads) if before is None else after(before, payloads)
    for entry, (_, _, _, content_hash, payload) in zip(of_log[seq - 1 :], chain, strict=True):
        values = f"content_hash = x'{content_hash.hex()}', payload = x'{payload.hex()}'"
        yield UPDATE(values, entry.position)


def after(before: bytes, payloads: list[bytes]) -> list[tuple[int, int, int, bytes, bytes]]:
    return _core.extend(1, 2, 1, before, payloads)


def swapped(one: int, other: int) -> list[str]:
    return [
        UPDATE("position = 1000000", one),
        UPDATE(f"position = {one}", other),
        UPDATE(f"position = {other}", 1_000_000),
    ]


SIZE = 600
CASES: dict[str, tuple[Callable[[_core.Sqlite], Any], Breaks]] = {
    "a payload": (lambda _: [UPDATE("payload = CAST(upper(payload) || 'x' AS BLOB)", 300)], [("hash", 300)]),
    "a payload of the same length": (
        lambda _: [UPDATE("payload = zeroblob(length(payload))", 300)],
        [("hash", 300)],
    ),
    "the payload of a newest entry": (lambda _: [UPDATE("payload = x''", SIZE)], [("hash", SIZE)]),
    "a content_hash": (
        lambda _: [UPDATE("content_hash = zeroblob(32)", 300)],
        [("hash", 300), ("seal", 300), ("hash", 303)],
    ),
    "the content_hash of a newest entry": (
        lambda _: [UPDATE("content_hash = zeroblob(32)", SIZE)],
        [("hash", SIZE), ("seal", SIZE)],
    ),
    "a chain recomputed from an entry on": (lambda store: recomputed(store, 2, 50), [("seal", 149)]),
    "a chain recomputed from its first entry on": (lambda store: recomputed(store, 1, 1), [("seal", 1)]),
    "a newest entry recomputed": (lambda store: recomputed(store, 3, 200), [("seal", SIZE)]),
    "a missing row": (lambda _: ["DELETE FROM _agent_store_entries WHERE position = 300"], [("gap", 303)]),
    "the newest rows": (lambda _: ["DELETE FROM _agent_store_entries WHERE position > 500"], [("gap", 501)]),
    "all rows": (lambda _: ["DELETE FROM _agent_store_entries", "DELETE FROM _agent_store_logs"], [("gap", 1)]),
    "a renamed log": (lambda _: ["UPDATE _agent_store_logs SET stream = 'hall' WHERE id = 2"], [("seal", 2)]),
    "a log with names that no leaf holds": (
        lambda _: [f"UPDATE _agent_store_logs SET stream = '{'x' * 65_400}' WHERE id = 2"],
        [("malformed", 2)],
    ),
    "a log that is not listed": (lambda _: ["DELETE FROM _agent_store_logs WHERE id = 2"], [("orphan", 2)]),
    "logs exchanged": (
        lambda _: [
            "UPDATE _agent_store_logs SET writer = 'spare' WHERE id = 1",
            "UPDATE _agent_store_logs SET writer = 'w0' WHERE id = 2",
            "UPDATE _agent_store_logs SET writer = 'w1' WHERE id = 1",
        ],
        [("seal", 1), ("seal", 2)],
    ),
    "places exchanged": (lambda _: swapped(301, 302), [("seal", 301), ("seal", 302)]),
    "an entry moved to another log": (
        lambda _: [UPDATE("log = 2, seq = 201", SIZE)],
        [("hash", SIZE)],
    ),
    "a missing tile": (
        lambda _: ["DELETE FROM _agent_store_tiles WHERE level = 0 AND number = 1"],
        [("seal", 257)],
    ),
    "all tiles": (
        lambda _: ["DELETE FROM _agent_store_tiles"],
        [("seal", 1), ("seal", 1), ("seal", 257), ("seal", 513)],
    ),
    "a truncated tile": (lambda _: [TILE("substr(hashes, 1, 32)", 0, 0)], [("seal", 1)]),
    "a truncated last tile": (lambda _: [TILE("substr(hashes, 1, length(hashes) - 32)", 0, 2)], [("seal", 513)]),
    "a hash of a tile": (
        lambda _: [TILE("CAST(substr(hashes, 1, 64) || zeroblob(32) || substr(hashes, 97) AS BLOB)", 0, 1)],
        [("seal", 257), ("seal", 259)],
    ),
    "a whole tile": (
        lambda _: [TILE("zeroblob(8192)", 0, 1)],
        [("seal", 257), ("seal", 257), ("seal", 258), ("seal", 259)],
    ),
    "a tile above": (
        lambda _: [TILE("CAST(substr(hashes, 1, 32) || zeroblob(32) AS BLOB)", 1, 0)],
        [("seal", 257)],
    ),
    "a missing tile above": (lambda _: ["DELETE FROM _agent_store_tiles WHERE level = 1"], [("seal", 1)]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_damage_is_told_once(name: str) -> None:
    store = store_of(rows(SIZE))
    seal(store)
    statements, expected = CASES[name]
    damaged(store, list(statements(store)))
    findings = store.verify(sealed=SIZE)
    told = [(kind, position) for kind, position in breaks(findings) if kind != "index"]
    assert told == expected, findings.breaks
    assert found(whole(store, Way(rows=77, waiting=5), SIZE)) == found(findings)
    assert found(whole(store, Way(copy=999), SIZE)) == found(findings)


def test_a_hash_that_is_wrong_all_over_a_tile_is_told_ten_times() -> None:
    store = store_of(rows(SIZE, logs=100))
    seal(store)
    damaged(store, [TILE("zeroblob(8192)", 0, 0)])
    for findings in (store.verify(sealed=SIZE), whole(store, Way(), SIZE)):
        assert findings.breaks_total == 11
        assert breaks(findings) == [("seal", 1), *(("seal", position) for position in range(1, 11))]


def test_without_the_table_of_tiles_the_rows_are_judged_all_the_same() -> None:
    store = store_of(rows(SIZE))
    seal(store)
    damaged(store, ["DROP TABLE _agent_store_tiles", UPDATE("payload = x'00'", 300)])
    findings = store.verify(sealed=SIZE)
    assert [kind for kind, _ in breaks(findings)] == ["schema", "schema", "seal", "hash"]
    assert (findings.entries, findings.root) == (SIZE, None)


def erase(store: _core.Sqlite, entry: _core.Entry, length: int) -> None:
    note = f"agent-store/erasure/v1\norigin\n{entry.position}\n{length}\n\n"
    record = f"INSERT INTO _agent_store_erasures VALUES ({entry.position}, {length}, '{note}')"
    damaged(store, [UPDATE("payload = x''", entry.position), record])


def test_an_erased_entry_keeps_its_leaf() -> None:
    store = store_of(rows(SIZE))
    of_all, expected, there = seal(store), by_hand(store), entries(store)
    for position in (1, 300, SIZE):
        erase(store, there[position - 1], len(there[position - 1].payload))
    findings = store.verify(sealed=SIZE)
    assert (findings.breaks, findings.root, findings.erased) == ([], of_all, 3)
    assert store.leaves(1, SIZE)[1] == b"".join(expected)
    erase(store, there[399], 5)
    assert breaks(store.verify(sealed=SIZE)) == [("seal", 400)]


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.binary(max_size=40)), min_size=1, max_size=40),
    st.lists(damages, max_size=6),
    st.lists(ways, min_size=1, max_size=3),
    st.integers(1, 45),
)
def test_the_tree_is_found_broken_where_the_native_verification_does(
    rows: list[tuple[int, bytes]], done: list[str], ways: list[Way], size: int
) -> None:
    store = store_of([("s", f"w{log}", payload) for log, payload in rows])
    seal(store)
    damaged(store, done)
    size = min(size, len(rows))
    expected = store.verify(sealed=size)
    without = store.verify()
    assert (expected.entries, expected.entries_hold) == (without.entries, without.entries_hold)
    assert expected.breaks_total >= without.breaks_total
    for way in ways:
        assert found(whole(store, way, size)) == found(expected), way


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.binary(max_size=40)), min_size=1, max_size=40),
    st.lists(damages, max_size=3),
    st.tuples(st.integers(1, 45), st.integers(0, 45)),
    ways,
)
def test_leaves_are_given_where_nothing_is_wrong(
    rows: list[tuple[int, bytes]], done: list[str], between: tuple[int, int], way: Way
) -> None:
    store = store_of([("s", f"w{log}", payload) for log, payload in rows])
    before = by_hand(store)
    damaged(store, done)
    first, last = between[0], between[0] + between[1]
    findings, given = store.leaves(first, last)
    fed, fed_leaves = leaves(store, first, last, way)
    assert fed.breaks == findings.breaks
    if findings.breaks == []:
        assert given == fed_leaves
        assert len(given) == 32 * (last - first + 1)
        if not done:
            assert given == b"".join(before[first - 1 : last])


def test_what_stands_before_or_after_the_leaves_is_not_judged() -> None:
    store = store_of(rows(SIZE))
    expected = b"".join(by_hand(store)[300:400])
    damaged(store, [UPDATE("payload = x'00'", 300), UPDATE("payload = x'00'", 401)])
    assert store.leaves(301, 400)[1] == expected
    assert store.leaves(301, 400)[0].breaks == []
    for first, last, at in ((300, 400, 300), (301, 401, 401)):
        assert breaks(store.leaves(first, last)[0]) == [("hash", at)]
    assert breaks(store.leaves(SIZE, SIZE + 5)[0]) == [("gap", SIZE + 1)]
    assert breaks(store.leaves(SIZE + 5, SIZE + 6)[0]) == [("gap", SIZE + 5)]


def test_an_entry_of_no_log_gives_no_leaf() -> None:
    store = store_of(rows(SIZE))
    damaged(store, ["DELETE FROM _agent_store_logs WHERE id = 2"])
    for findings in (store.leaves(301, 400)[0], leaves(store, 301, 400, Way(rows=9))[0]):
        assert breaks(findings) == [("orphan", 302)]


VERIFY = """
import json, os, sys
from agent_store import _core
path, cores, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:cores])
store = _core.Sqlite(path, durability="normal", read_only=True, timeout=5)
found = store.verify(sealed=size)
leaves = store.leaves(1, size)
print(json.dumps([[b[0], b[4]] for b in found.breaks] + [found.root and found.root.hex(), leaves[1].hex()]))
"""


@pytest.mark.parametrize("logs", [1, 3, 1_000])
def test_on_all_cores_as_on_one(tmp_path: Path, logs: int) -> None:
    path, size = tmp_path / "app.db", 20_000
    store = _core.Sqlite(str(path), durability="normal", read_only=False, timeout=5)
    store.append_rows(rows(size, logs))
    of_all = seal(store)
    hashes = b"".join(by_hand(store)).hex()

    def told(cores: int) -> Any:
        (line,) = run(VERIFY, path, cores, size)
        return json.loads(line)

    assert told(2) == told(1) == [of_all.hex(), hashes]
    # One run of differences from the middle of the first range to the end of the last.
    damaged(store, [*recomputed(store, 1, 2_000 // logs + 1), UPDATE("payload = x'00'", 5_000)])
    first = 2_000 // logs * logs + 1
    *expected, _, _ = told(1)
    assert expected == [["seal", first], ["hash", 5_000]]
    *several, _, _ = told(2)
    assert several == expected
    store.close()


def test_what_leaves_cannot_be_made_of_is_refused() -> None:
    for first, how in ((None, {"sealed": 1}), (2, {"sealed": 1}), (1, {"sealed": -1}), (0, {"leaves": True}),
                       (None, {"leaves": True}), (1, {"sealed": 1, "leaves": True})):  # fmt: skip
        with pytest.raises(ValueError, match="leaves are made"):
            _core.Checker(first, **how)
    store = store_of(rows(3))
    for first, last in ((0, 1), (2, 1), (-5, 5)):
        with pytest.raises(ValueError, match="no positions"):
            store.leaves(first, last)


def test_findings_wait_for_names_and_tiles() -> None:
    store = store_of(rows(3, logs=1))
    seal(store)
    rows_there = store.query("SELECT position, log, seq, content_hash, payload FROM _agent_store_entries", [])
    checker = _core.Checker(1, sealed=3)
    checker.rows(rows_there)
    assert checker.tiles == []
    assert checker.nameless == [1]
    assert checker.held > 0
    checker.finish(3)
    with pytest.raises(ValueError, match="wait for names"):
        checker.findings(1, {})
    checker.name({1: ("room", "w0")})
    assert checker.tiles == [(0, 0, 3)]
    with pytest.raises(ValueError, match="wait for names"):
        checker.findings(1, {})
    checker.compare({})
    checker.compare({(0, 1): None})
    assert checker.tiles == [(0, 0, 3)]
    checker.compare({(0, 0): store.fetch("tile", 0, 0)[0][0]})
    findings = checker.findings(1, {})
    assert (findings.breaks, findings.root) == ([], root(by_hand(store)))
    with pytest.raises(ValueError, match="asked for"):
        checker.leaves()


@pytest.mark.parametrize(("stored", "detail"), [
    (None, "is missing"),
    (b"", "has 0 hashes, where 3 were sealed"),
    (bytes(64), "has 2 hashes, where 3 were sealed"),
    (bytes(95), "has 95 bytes, which is no number"),
    (bytes(32 * 257), "has 8224 bytes, which is no number"),
])  # fmt: skip
def test_a_tile_of_another_shape_is_one_break(stored: bytes | None, detail: str) -> None:
    store = store_of(rows(3, logs=1))
    checker = _core.Checker(1, sealed=3)
    checker.rows(store.query("SELECT position, log, seq, content_hash, payload FROM _agent_store_entries", []))
    checker.finish(3)
    checker.name({1: ("room", "w0")})
    checker.compare({(0, 0): stored})
    findings = checker.findings(1, {})
    [(kind, *_, position, told)] = findings.breaks
    assert (kind, position) == ("seal", 1)
    assert detail in told
    # As long as the leaves are all there, they are the tree.
    assert findings.root == root(by_hand(store))


def test_a_tile_that_cannot_be_read_is_for_the_feeder_to_report() -> None:
    store = store_of(rows(3, logs=1))
    checker = _core.Checker(1, sealed=3)
    checker.rows(store.query("SELECT position, log, seq, content_hash, payload FROM _agent_store_entries", []))
    checker.finish(3)
    checker.name({1: ("room", "w0")})
    checker.compare({}, [(0, 0)])
    assert checker.findings(1, {}).breaks == []


def test_what_is_synced_is_so_for_one_transaction(tmp_path: Path) -> None:
    store = _core.Sqlite(str(tmp_path / "app.db"), durability="normal", read_only=False, timeout=5)

    def settings(synced: bool) -> list[int]:
        tx = store.begin(synced=synced)
        try:
            pragmas = ("synchronous", "secure_delete")
            return [store.query(f"PRAGMA {pragma}", [], tx)[0][0] for pragma in pragmas]
        finally:
            store.rollback(tx)

    assert settings(False) == [1, 0]
    assert settings(True) == [2, 1]
    store.append("s", "w", [b"x"])
    assert settings(False) == [1, 0]
    store.close()
