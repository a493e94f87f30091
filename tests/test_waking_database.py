"""The database is removed, replaced or restored under those who wait: they are told, and see no other history."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import agent_store
import processes
from agent_store import Store
from agent_store.errors import CorruptDatabase, StoreReplaced
from threads import Threads
from watchers import LATE

GROW = """
import sys, agent_store
with agent_store.open(sys.argv[1]) as store:
    store.append_many([("s", "other", b"x")] * int(sys.argv[2]))
"""
BACK = """
import sqlite3, sys
source, target = (sqlite3.connect(name) for name in sys.argv[1:])
source.backup(target)
source.close()
target.close()
"""
"""What the sqlite3 shell's .restore does: the other database's pages, in one transaction."""
ROWS = 40


def remove(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    another(path).replace(path)


def remove_all(path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


def move_directory(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))


def restore(path: Path) -> None:
    processes.run(BACK, path.with_name("older.db"), path)


def copy_over(path: Path) -> None:
    """As `cp older.db app.db` does, with what belonged to the newer one removed."""
    content = path.with_name("older.db").read_bytes()
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()


def restore_and_grow(path: Path) -> None:
    """Past where those who wait have got to: a position alone shows nothing."""
    restore(path)
    grow(path, 100)


def grow(path: Path, count: int) -> None:
    processes.run(GROW, path, count)


def another(path: Path) -> Path:
    other = path.with_name("other.db")
    with agent_store.open(other) as store:
        store.log("other", "store").append_many(b"%d" % n for n in range(100))
    return other


HARM: dict[str, Callable[[Path], None]] = {
    "removed": remove,
    "replaced": replace,
    "all removed": remove_all,
    "directory moved": move_directory,
    "restored": restore,
    "copied over": copy_over,
    "restored and grown": restore_and_grow,
}


def by_wait(store: Store) -> object:
    return store.doorbell.wait(timeout=30)


def by_wait_after(store: Store) -> object:
    return store.doorbell.wait(ROWS, timeout=30)


def by_watch(store: Store) -> object:
    with store.watch(timeout=30) as watch:
        return list(watch)


def by_watch_from_the_beginning(store: Store) -> object:
    with store.watch(after=0, timeout=30) as watch:
        return [entry for entry in watch if entry.position > ROWS]


def by_watch_of_another_stream(store: Store) -> object:
    with store.watch(stream="nobody's", timeout=30) as watch:
        return list(watch)


WAYS = [by_wait, by_wait_after, by_watch, by_watch_from_the_beginning, by_watch_of_another_stream]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """With an older copy beside it."""
    path = tmp_path / "place" / "app.db"
    path.parent.mkdir()
    with agent_store.open(path) as store:
        store.log("s", "w").append_many(b"%d" % n for n in range(ROWS // 2))
        store.backup(path.with_name("older.db"))
        store.log("s", "w").append_many(b"%d" % n for n in range(ROWS // 2))
    return path


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM.keys())
def test_all_who_wait_are_told(path: Path, harm: Callable[[Path], None]) -> None:
    """Without a call of theirs, and though nobody rings."""
    with agent_store.open(path) as store:
        with Threads(lambda number: WAYS[number](store), len(WAYS)) as threads:
            time.sleep(0.5)
            harm(path)
            began = time.monotonic()
            outcomes = threads.outcomes()
            assert time.monotonic() - began < LATE
        for way, outcome in zip(WAYS, outcomes, strict=True):
            assert isinstance(outcome, StoreReplaced), (way.__name__, outcome)
            assert "anew" in str(outcome)


@pytest.mark.parametrize("harm", ["removed", "replaced", "restored"])
def test_all_who_wait_are_told_though_they_poll(path: Path, harm: str) -> None:
    path.with_name("app.db-bell").mkdir()
    with agent_store.open(path, read_only=True) as store:
        with Threads(lambda number: WAYS[number](store), len(WAYS)) as threads:
            time.sleep(0.5)
            HARM[harm](path)
            began = time.monotonic()
            outcomes = threads.outcomes()
            assert time.monotonic() - began < LATE
        assert {type(outcome) for outcome in outcomes} == {StoreReplaced}


@pytest.mark.parametrize("harm", ["restored", "restored and grown"])
def test_who_is_amid_reading_sees_no_entry_of_another_history(path: Path, harm: str) -> None:
    """The reading has more pages than the one that was there before."""
    with agent_store.open(path) as store:
        store.log("s", "w").append_many(b"%d" % n for n in range(1_500))
        first = list(store.entries())
        with store.watch(after=0, timeout=30) as watch:
            seen = [next(watch) for _ in range(100)]
            HARM[harm](path)
            if harm == "restored and grown":
                grow(path, 2_000)
            with pytest.raises(StoreReplaced):
                seen.extend(watch)
    assert seen == first[: len(seen)]


def test_a_watch_that_goes_on_after_a_restore_is_told(path: Path) -> None:
    """It slept in its own program while all was restored and written anew."""
    with agent_store.open(path) as store, store.watch(timeout=30) as watch:
        store.log("s", "w").append(b"x")
        assert next(watch).position == ROWS + 1
        restore_and_grow(path)
        with pytest.raises(StoreReplaced):
            next(watch)


def test_a_file_that_is_cut_off(path: Path) -> None:
    with agent_store.open(path) as store:
        store.append_many([("s", "w", b"x" * 1_000)] * 1_000)
    with agent_store.open(path) as store:
        store.log("s", "w").append(b"x")
        ways = [by_wait, by_watch, by_watch_of_another_stream]
        with Threads(lambda number: ways[number](store), len(ways)) as threads:
            time.sleep(0.4)
            os.truncate(path, 8 * 4096)
            began = time.monotonic()
            outcomes = threads.outcomes()
            assert time.monotonic() - began < LATE
        assert {type(outcome) for outcome in outcomes} <= {CorruptDatabase, StoreReplaced}


def test_what_is_restored_to_the_same_state_is_the_same(path: Path) -> None:
    """A copy taken just now, put back: nobody need be told."""
    with agent_store.open(path) as store:
        store.backup(path.with_name("now.db"))
        with store.watch(timeout=30) as watch:
            processes.run(BACK, path.with_name("now.db"), path)
            time.sleep(0.4)
            store.log("s", "w").append(b"on")
            assert next(watch).position == ROWS + 1


@pytest.mark.parametrize("harm", ["restored", "restored and grown"])
def test_who_begins_anew_is_not_refused(path: Path, harm: str) -> None:
    """In the same store, which is on the same file, though others still are told of what happened."""
    with agent_store.open(path) as store, store.watch(timeout=30) as watch:
        store.doorbell.wait(timeout=0.3)
        HARM[harm](path)
        newest = store.doorbell.wait(0)
        assert newest == (ROWS // 2 if harm == "restored" else ROWS // 2 + 100)
        with store.watch(after=0, timeout=30) as anew:
            assert [next(anew).position for _ in range(newest)] == list(range(1, newest + 1))
            with pytest.raises(StoreReplaced):
                next(watch)
            store.log("s", "w").append(b"on")
            assert next(anew).payload == b"on"


def test_the_store_made_anew_at_the_same_path_is_watched_anew(path: Path) -> None:
    with agent_store.open(path) as store, Threads(lambda _: by_wait(store), 1) as threads:
        time.sleep(0.3)
        remove_all(path)
        assert isinstance(threads.outcomes()[0], StoreReplaced)
    with agent_store.open(path) as store, store.watch(after=0, timeout=30) as watch:
        with agent_store.open(path) as other:
            other.log("new", "w").append(b"x")
        assert next(watch).stream == "new"
