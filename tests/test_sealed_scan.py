"""Leaves of the rows, given out and compared with the tiles: natively, and by the checker that others feed."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_store import _core
from feeding import Way, damaged, found, leaves, store_of, whole
from processes import run
from test_checker import damages, ways
from tree_by_hand import FULL, entries, leaf, root, seal, tiles
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
        lambda _: [TILE("substr(hashes, 1, 64) || zeroblob(32) || substr(hashes, 97)", 0, 1)],
        [("seal", 257), ("seal", 259)],
    ),
    "a whole tile": (
        lambda _: [TILE("zeroblob(8192)", 0, 1)],
        [("seal", 257), ("seal", 257), ("seal", 258), ("seal", 259)],
    ),
    "a tile above": (
        lambda _: [TILE("substr(hashes, 1, 32) || zeroblob(32)", 1, 0)],
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
