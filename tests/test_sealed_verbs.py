"""`leaves` and `verify(sealed=…)` of every backend: what they give, and what they find where tiles differ."""

from itertools import pairwise

import pytest

from agent_store import Entry, Store, _core
from agent_store._core import Findings
from stores import Place
from tampering import ENTRIES, LOGS, fill
from tree_model import Tree

ROWS = [(f"s{number % 3}", f"w{number % 5}", b"%d" % number * (number % 7)) for number in range(1, 701)]
HASH = 32

Told = list[tuple[str, int | None]]


def leaf_of(entry: Entry) -> bytes:
    facts = entry.stream, entry.writer, entry.seq, entry.prev_hash, entry.content_hash
    return _core.leaf_hash(*facts, entry.payload_len)


def leaves_of(store: Store) -> bytes:
    return b"".join(map(leaf_of, store.entries()))


def seal(store: Store, upto: int | None = None) -> int:
    """Keep the tiles of the tree of so many entries, or of all."""
    leaves = leaves_of(store)[: None if upto is None else upto * HASH]
    backend = store._binding.backend
    tx = backend.begin()
    for tile in _core.grow(0, [], leaves):
        backend.change("set_tile", *tile, tx=tx)
    backend.commit(tx)
    return len(leaves) // HASH


def told(findings: Findings) -> Told:
    """Kind and position of each break."""
    return [(kind, position) for kind, _, _, _, position, _ in findings.breaks]


def root(store: Store, size: int) -> bytes:
    leaves = leaves_of(store)
    return Tree([leaves[at : at + HASH] for at in range(0, size * HASH, HASH)]).root(size)


def test_leaves_are_those_of_the_entries(store: Store) -> None:
    store.append_many(ROWS)
    everything = leaves_of(store)
    for first, last in ((1, 700), (1, 1), (700, 700), (2, 3), (255, 258), (300, 650)):
        findings, leaves = store._binding.backend.leaves(first, last)
        assert told(findings) == []
        assert (findings.entries, findings.entries_hold) == (last - first + 1, last - first + 1)
        assert leaves == everything[(first - 1) * HASH : last * HASH]


def test_leaves_of_no_range(store: Store) -> None:
    store.append_many(ROWS[:3])
    for first, last in ((0, 2), (3, 2), (-1, -1)):
        with pytest.raises(ValueError):
            store._binding.backend.leaves(first, last)


def test_leaves_of_what_is_not_there_are_a_gap(store: Store) -> None:
    store.append_many(ROWS[:3])
    findings, _ = store._binding.backend.leaves(2, 5)
    assert told(findings) == [("gap", 4)]


@pytest.mark.differs("one command at a time")
def test_progress_is_told_and_may_call_the_store(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_store.ticker.EVERY", 0)
    store.append_many(ROWS)
    seen: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        assert store.position() == 700
        seen.append((done, total))

    store._binding.backend.leaves(201, 700, progress)
    assert seen[-1] == (500, 500)
    assert all(one <= other for one, other in pairwise(seen))


@pytest.mark.parametrize("size", [1, 255, 256, 257, 600, 700])
def test_a_store_that_is_sealed_holds(store: Store, size: int) -> None:
    store.append_many(ROWS)
    backend = store._binding.backend
    seal(store, size)
    for sealed in {size, 1, max(size - 1, 1)}:
        findings = backend.verify(sealed=sealed)
        assert told(findings) == []
        assert findings.root == root(store, sealed)
    assert backend.verify().root is None


def test_more_logs_than_are_remembered(store: Store) -> None:
    """Names are asked for again."""
    store.append_many([(f"stream {number}", "w", b"") for number in range(20_000)])
    store.append_many([(f"stream {number}", "w", b"x") for number in range(0, 20_000, 7)])
    size = seal(store)
    findings = store._binding.backend.verify(sealed=size)
    assert told(findings) == []
    assert findings.root == root(store, size)


def alter(store: Store, level: int, number: int, at: int) -> None:
    backend = store._binding.backend
    [(hashes,)] = backend.fetch("tile", level, number)
    changed = bytearray(hashes)
    changed[at * HASH] ^= 1
    backend.change("set_tile", level, number, bytes(changed))


def test_an_altered_tile_is_found_where_it_is(store: Store) -> None:
    store.append_many(ROWS)
    seal(store)
    backend = store._binding.backend
    alter(store, 0, 1, 3)
    # The leaf, and the root of its tile, which is not that of the next level.
    assert told(backend.verify(sealed=700)) == [("seal", 257), ("seal", 260)]
    assert told(backend.verify(sealed=250)) == []
    assert told(backend.verify()) == []


def test_ten_of_one_tile_are_told(store: Store) -> None:
    store.append_many(ROWS)
    seal(store)
    store._binding.backend.change("set_tile", 0, 2, bytes(HASH * 188))
    found = told(store._binding.backend.verify(sealed=700))
    assert found == [("seal", place) for place in range(513, 523)]


def test_an_altered_level_above_is_found(store: Store) -> None:
    store.append_many(ROWS)
    seal(store)
    alter(store, 1, 0, 1)
    assert told(store._binding.backend.verify(sealed=700)) == [("seal", 257)]


@pytest.mark.parametrize("width", [1, 100, 187])
def test_a_truncated_tile_is_found(store: Store, width: int) -> None:
    store.append_many(ROWS)
    seal(store)
    store._binding.backend.change("set_tile", 0, 2, bytes(HASH * width))
    found = told(store._binding.backend.verify(sealed=700))
    assert ("seal", 513) in found


def test_more_sealed_than_there_is_a_gap(store: Store) -> None:
    store.append_many(ROWS[:300])
    seal(store)
    assert ("gap", 301) in told(store._binding.backend.verify(sealed=302))


@pytest.mark.differs("no second opening")
@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("DELETE FROM _agent_store_tiles WHERE level = 0 AND number = 0", [("seal", 1)]),
        ("DELETE FROM _agent_store_tiles", [("seal", 1)]),
        ("UPDATE _agent_store_logs SET writer = 'mallory' WHERE id = 2", [("seal", 2)]),
        ("UPDATE _agent_store_entries SET payload = x'00' WHERE position = 20", [("hash", 20)]),
    ],
    ids=["no tile", "no tiles", "a log under another name, which is told once", "a payload, which its hash tells"],
)
def test_what_was_done_behind_its_back(place: Place, sql: str, found: Told) -> None:
    with place.open() as store:
        fill(store)
        size = seal(store)
    place.damage(sql)
    with place.open() as store:
        backend = store._binding.backend
        assert told(backend.verify(sealed=size)) == found
        if any(kind == "hash" for kind, _ in found):
            assert told(backend.leaves(1, 60)[0]) == [("hash", 20)]
            assert told(backend.leaves(21, 60)[0]) == []


@pytest.mark.differs("no second opening")
def test_with_the_table_of_tiles_missing(place: Place) -> None:
    with place.open() as store:
        fill(store)
        size = seal(store)
    place.damage("DROP TABLE _agent_store_tiles", guards=False)
    with place.open() as store:
        kinds = [kind for kind, _ in told(store._binding.backend.verify(sealed=size))]
        assert set(kinds) == {"schema", "seal"}
        assert kinds.count("seal") == 1


@pytest.mark.differs("no second opening")
def test_leaves_of_entries_without_a_log_are_damage(place: Place) -> None:
    with place.open() as store:
        fill(store)
    place.damage("DELETE FROM _agent_store_logs WHERE id = 2")
    with place.open() as store:
        findings, _ = store._binding.backend.leaves(1, len(LOGS) * ENTRIES)
        assert findings.breaks_total > 0
        assert {kind for kind, _ in told(findings)} == {"orphan"}
