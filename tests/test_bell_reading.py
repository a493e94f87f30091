"""Reading in the call that sleeps, and in one that waits for nobody."""

import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import agent_store
from agent_store import Entry, Store
from agent_store.errors import StoreClosed, StoreReplaced
from agent_store.follow import Follower, Newest
from agent_store.reading import LARGEST
from bells import ended, settled, waiter_of

SOON = 20.0


def pages_of(store: Store, **selected: Any) -> Any:
    return store._binding.backend.pages(**selected)


def test_what_is_rung_for_is_read_at_once(waited: Store) -> None:
    waiter, log = waiter_of(waited), waited.log("s", "w")
    before = log.append(b"before").position
    seen = settled(waiter)
    pages = pages_of(waited, after=before)
    page: list[Entry] = []
    ended(lambda: page.extend(waiter.read(pages, 10, seen, SOON) or []), lambda: log.append_many([b"x", b"y"]))
    assert [entry.payload for entry in page] == [b"x", b"y"]
    assert pages.newest == (page[-1].position, page[-1].content_hash)
    assert waiter.read(pages_of(waited, after=page[-1].position), 10, seen, 0) == []  # rung, and nothing is there
    waiter.stop()


def test_nothing_is_read_that_nobody_rang_for(waited: Store) -> None:
    waiter = waiter_of(waited)
    seen = settled(waiter)
    pages = pages_of(waited, after=0)
    assert waiter.read(pages, 10, seen, 0.05) is None
    result, took = ended(lambda: waiter.read(pages, 10, seen, None), waiter.stop)
    assert (result, took < 1) == (None, True)
    assert pages.newest is None
    other = waiter_of(waited)
    seen = settled(other)
    result, _ = ended(lambda: other.read(pages_of(waited), 10, seen, None), waited.close)
    assert result == StoreClosed
    with pytest.raises(StoreClosed):
        other.glance(pages, 10)


def test_another_history_is_not_gone_on_in(path: Path) -> None:
    """Whatever reads it first: the sleep that was rung for looks at no file."""
    with agent_store.open(path) as store:
        entry = store.log("s", "w").append(b"x")
        waiter = waiter_of(store)
        known = (entry.position, bytes(32))
        seen = waiter.look()
        store.log("s", "w").append(b"y")
        with pytest.raises(StoreReplaced, match="holds another history"):
            waiter.read(pages_of(store, after=1, known=known), 10, seen, SOON)
        with pytest.raises(StoreReplaced, match="holds another history"):
            waiter.glance(pages_of(store, after=1, known=known), 10)
        waiter.stop()


def test_what_is_far_or_begun_is_not_read_at_a_glance(path: Path) -> None:
    with agent_store.open(path) as store:
        store.log("s", "w").append_many([b"x"] * 100)
        waiter = waiter_of(store)
        far = pages_of(store, after=35)
        assert waiter.glance(far, 10) is None
        assert far.newest is None
        near = pages_of(store, after=36)
        assert len(waiter.glance(near, 10) or []) == 10
        assert waiter.glance(near, 10) is None
        assert len(store._binding.backend.read(near, 100)) == 54
        place = pages_of(store, after=LARGEST)
        assert waiter.glance(place, 1) == []
        assert (place.newest or (0, b""))[0] == 100
        waiter.stop()


def test_in_memory_nothing_is_read_at_a_glance() -> None:
    """A transaction may have the only connection there is."""
    with agent_store.open(":memory:") as store:
        store.log("s", "w").append(b"x")
        waiter = waiter_of(store)
        with store.transaction():
            seen: list[Any] = []
            thread = threading.Thread(target=lambda: seen.append(waiter.glance(pages_of(store, after=0), 1)))
            thread.start()
            thread.join(SOON)
            assert seen == [None]
        waiter.stop()


def test_no_reading_stays_open(path: Path) -> None:
    """It is of one state of the database while it lasts, without BEGIN, and holds up no checkpoint after it."""
    with agent_store.open(path) as store:
        store.log("s", "w").append(b"x")
        waiter = waiter_of(store)
        follower = Follower(store._binding, after=0)
        assert follower.step()
        assert Newest(store._binding).glance(waiter) == 1
        seen = waiter.look()
        store.log("s", "w").append(b"y")
        assert follower.take() is not None
        assert follower.wait(waiter, seen, SOON)
        with sqlite3.connect(path) as db:
            until = time.monotonic() + SOON
            while db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] and time.monotonic() < until:
                pass
            assert db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        db.close()
        waiter.stop()


def test_a_follower_takes_nothing_twice_whatever_woke_it(waited: Store) -> None:
    waiter, log = waiter_of(waited), waited.log("s", "w")
    follower = Follower(waited._binding, stream="s", after=None)
    taken: list[bytes] = []
    for number in range(50):
        seen = waiter.look()
        (log if number % 3 else waited.log("other", "w")).append(b"%d" % number)
        assert follower.wait(waiter, seen, SOON) == bool(number % 3)
        if number % 2 and not number % 3:
            assert not follower.glance(waiter)
        while (entry := follower.take()) is not None:
            taken.append(entry.payload)
        assert not follower.step()
    assert taken == [b"%d" % number for number in range(50) if number % 3]
    assert follower.position == waited.position()
    waiter.stop()
