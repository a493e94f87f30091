"""What was newest as a reading began, and that nobody goes on from an entry that is there no more."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import agent_store
from agent_store import Store
from agent_store.errors import ChainBroken, MalformedRow, StoreReplaced
from agent_store.follow import Follower
from selecting import Selection, place_of, read
from stores import Place, Schema, a_schema
from tampering import ENTRIES, LOGS, fill, position

RESTORE = """
import sqlite3, sys
source, target = (sqlite3.connect(path) for path in sys.argv[1:])
source.backup(target)
"""
ALL = len(LOGS) * ENTRIES
SELECTIONS = [
    Selection(),
    Selection("room"),
    Selection(("room", "hall")),
    Selection("room", "ada"),
    Selection(exclude_writer="ada"),
    Selection("nothing"),
]


def newest(store: Store) -> Any:
    reading = Selection(after=2**63 - 1).begin(store)
    store._binding.backend.read(reading, 1)
    return reading.newest


def test_newest(store: Store) -> None:
    reading = Selection("s").begin(store)
    before = reading.newest
    assert before is None
    assert store._binding.backend.read(reading, 5) == []
    assert reading.newest == (0, b"")
    first = store.log("s", "w").append(b"x")
    assert reading.newest == (0, b"")
    last = store.log("t", "w").append(b"y")
    for selection in (Selection("s"), Selection("s", "w"), Selection(), Selection("u"), Selection(writer="w", after=9)):
        reading = selection.begin(store, known=place_of(first))
        store._binding.backend.read(reading, 5)
        assert reading.newest == place_of(last), selection
    with store.transaction():
        inner = store.log("s", "w").append(b"z")
        reading = Selection().begin(store)
        store._binding.backend.read(reading, 5, store._binding.reading())
        assert reading.newest == place_of(inner)


def test_nothing_was_seen_in_an_empty_store(store: Store) -> None:
    assert read(store, Selection(), known=(0, b"")) == []
    entry = store.log("s", "w").append(b"x")
    assert read(store, Selection(), known=(0, b"")) == [entry]


@pytest.mark.parametrize("selection", SELECTIONS)
def test_another_entry_where_one_was_seen(store: Store, selection: Selection) -> None:
    fill(store)
    entries = list(store.entries())
    assert read(store, selection, known=place_of(entries[4])) == selection.of(entries)
    for known in ((5, entries[5].content_hash), (ALL, bytes(32)), (ALL + 1, bytes(32)), (5, b"")):
        reading = selection.begin(store, known=known)
        for _ in range(2):  # It stays so.
            with pytest.raises(StoreReplaced, match=f"stood at position {known[0]}, and now .* begin anew") as raised:
                store._binding.backend.read(reading, 5)
            now = f"newest is at position {ALL}" if known[0] > ALL else entries[known[0] - 1].content_hash[:4].hex()
            assert now in raised.value.detail
            assert reading.newest is None


@pytest.mark.differs("no second opening")
@pytest.mark.parametrize("selection", SELECTIONS)
def test_entries_that_were_seen_are_taken_away(place: Place, selection: Selection) -> None:
    """As a restore in place would, or a TRUNCATE with the guards off."""
    with place.open() as store:
        fill(store)
        known = newest(store)
        assert read(store, selection, known=known) == selection.of(list(store.entries()))
        place.damage(f"DELETE FROM _agent_store_entries WHERE position > {ALL - 7}")
        with pytest.raises(
            StoreReplaced, match=f"at position {ALL}, and now none stands there.*position {ALL - 7}"
        ) as no:
            read(store, selection, known=known)
        assert (place.name if isinstance(place, Schema) else "app.db") in no.value.detail
        fill(store)
        with pytest.raises(StoreReplaced, match=f"at position {ALL}, and now an entry with hash"):
            read(store, selection, known=known)
        assert read(store, selection, known=newest(store)) == selection.of(list(store.entries()))


def test_a_server_that_truncates(postgres: str) -> None:
    with a_schema("postgres", postgres) as place, place.open() as store:
        fill(store)
        follower = Follower(store._binding)
        store.log("room", "ada").append(b"x")
        assert follower.step()
        place.damage("TRUNCATE _agent_store_entries")
        assert follower.take() is not None
        with pytest.raises(StoreReplaced, match=f"at position {ALL + 1}, and now none stands there"):
            follower.step()
        fill(store)
        fill(store)
        with pytest.raises(StoreReplaced, match=f"schema '{place.name}' holds another history"):
            follower.step()


def restore(source: Path, target: Path) -> None:
    """Into the file that is there, as SQLite's backup API does, in another process."""
    subprocess.run([sys.executable, "-c", RESTORE, source, target], check=True, timeout=60)


@pytest.mark.parametrize("selection", [{}, {"stream": "room"}, {"stream": "nothing"}, {"exclude_writer": "ada"}])
def test_a_restore_in_place(path: Path, selection: dict[str, Any]) -> None:
    with agent_store.open(path, durability="normal") as store:
        fill(store)
        store.backup(path.with_name("old.db"))
        follower = Follower(store._binding, **selection)
        assert not follower.step()
        store.append_many([("room", "ada", b"newer"), ("room", "bob", b"newest")])
        while follower.step():
            while follower.take():
                pass
        restore(path.with_name("old.db"), path)
        for _ in range(2):
            with pytest.raises(StoreReplaced, match=f"app.db holds another history.*position {ALL + 2}") as raised:
                follower.step()
            assert f"the newest is at position {ALL}" in raised.value.detail
        store.append_many([("room", "ada", b"other"), ("room", "bob", b"another"), ("room", "bob", b"and more")])
        with pytest.raises(StoreReplaced, match=f"position {ALL + 2}, and now an entry"):
            follower.step()
        assert not Follower(store._binding, **selection).step()


def test_a_restore_of_the_same_history_goes_on(path: Path) -> None:
    with agent_store.open(path, durability="normal") as store:
        fill(store)
        follower = Follower(store._binding)
        store.backup(path.with_name("old.db"))
        restore(path.with_name("old.db"), path)
        assert not follower.step()
        entry = store.log("room", "ada").append(b"x")
        assert follower.step()
        assert follower.take() == entry


@pytest.mark.differs("no second opening")
@pytest.mark.parametrize("reverse", [False, True])
def test_gaps_near_the_newest(place: Place, reverse: bool) -> None:
    with place.open() as store:
        fill(store)
    place.damage("DELETE FROM _agent_store_entries WHERE log = 2 AND seq = 7")
    with place.open() as store:
        entries = list(store.entries(after=position(2, 8)))
        for selection in (Selection("room"), Selection(exclude_writer="cat"), Selection(("room", "x"), "bob")):
            after = position(2, 8)
            beyond = Selection(selection.stream, selection.writer, selection.exclude_writer, after, reverse)
            assert read(store, beyond) == beyond.of(entries)
            for after in (0, 1, position(2, 8) - 1):
                broken = Selection(selection.stream, selection.writer, selection.exclude_writer, after, reverse)
                with pytest.raises(ChainBroken, match="entry 7 is missing"):
                    read(store, broken)
        assert len(read(store, Selection("hall", after=1, reverse=reverse))) == ENTRIES


@pytest.mark.differs("no second opening", "of types")
@pytest.mark.parametrize("damage", ["payload = 'text'", "content_hash = x'00'", "content_hash = zeroblob(33)"])
def test_malformed_rows_near_the_newest(place: Place, damage: str) -> None:
    with place.open() as store:
        fill(store)
    place.damage(f"UPDATE _agent_store_entries SET {damage} WHERE log = 2 AND seq = 7", loose=True)
    with place.open() as store:
        for after in (0, 1, position(2, 7) - 1):
            for selection in (Selection("room", after=after), Selection(exclude_writer="cat", after=after)):
                with pytest.raises(MalformedRow) as raised:
                    read(store, selection)
                assert (raised.value.stream, raised.value.writer, raised.value.seq) == ("room", "bob", 7)
        assert len(read(store, Selection("hall", after=1))) == ENTRIES


@pytest.mark.differs("no second opening", "of types")
def test_the_newest_has_no_hash(place: Place) -> None:
    """What somebody reads of other logs is told as ever; who saw it so, goes on."""
    with place.open() as store:
        fill(store)
    place.damage(f"UPDATE _agent_store_entries SET content_hash = x'00' WHERE position = {ALL}", loose=True)
    with place.open() as store:
        assert newest(store) == (ALL, b"")
        assert len(read(store, Selection("room", after=1), known=(ALL, b""))) == 2 * ENTRIES - 1
        with pytest.raises(StoreReplaced):
            read(store, Selection("room", after=1), known=(ALL, bytes(32)))
