"""The file under an open store is removed, replaced, moved or cut off: it says so, and acknowledges nothing more."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import agent_store
import processes
from agent_store import Store
from agent_store.errors import CorruptDatabase, StoreReplaced

SOON = 0.05
"""After so long a store has looked again."""


def remove(path: Path) -> None:
    path.unlink()


def another(path: Path) -> Path:
    other = path.with_name("other.db")
    with agent_store.open(other) as store:
        store.log("other", "store").append_many(b"%d" % n for n in range(100))
    return other


def replace(path: Path) -> None:
    another(path).replace(path)


def beside(suffix: str) -> Callable[[Path], None]:
    return lambda path: path.with_name(path.name + suffix).unlink()


def move_directory(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))


HARM: dict[str, Callable[[Path], None]] = {
    "removed": remove,
    "replaced": replace,
    "WAL removed": beside("-wal"),
    "shared memory removed": beside("-shm"),
    "directory moved": move_directory,
}
CALLS: dict[str, Callable[[Store], object]] = {
    "append": lambda store: store.log("s", "w").append(b"lost"),
    "append_many": lambda store: store.append_many([("s", "w", b"lost")]),
    "bump": lambda store: store.generation("g").bump(),
    "execute": lambda store: store.execute("CREATE TABLE lost (x)"),
    "transaction": lambda store: store.transaction().__enter__(),
    "entries": lambda store: list(store.entries()),
    "head": lambda store: store.log("s", "w").head(),
    "position": lambda store: store.position(),
    "query": lambda store: store.query("SELECT 1"),
    "verify": lambda store: store.verify(),
    "info": lambda store: store.info(),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "place").mkdir()
    return tmp_path / "place" / "app.db"


@pytest.mark.parametrize("durability", ["full", "normal"])
@pytest.mark.parametrize("harm", HARM.values(), ids=HARM.keys())
def test_what_is_no_longer_there_takes_nothing(path: Path, harm: Callable[[Path], None], durability: str) -> None:
    with agent_store.open(path, durability=durability) as store:  # type: ignore[arg-type]
        store.log("s", "w").append(b"there")
        harm(path)
        time.sleep(SOON)
        for name, call in CALLS.items():
            with pytest.raises(StoreReplaced, match=r"was (removed|replaced).*open it anew"):
                print(name, call(store))


def test_what_is_put_back_is_used_again(path: Path) -> None:
    with agent_store.open(path) as store:
        store.log("s", "w").append(b"one")
        aside = path.with_name("aside.db")
        path.rename(aside)
        time.sleep(SOON)
        with pytest.raises(StoreReplaced):
            store.log("s", "w").append(b"lost")
        aside.rename(path)
        store.log("s", "w").append(b"two")
    with agent_store.open(path) as store:
        assert [entry.payload for entry in store.entries()] == [b"one", b"two"]
        assert store.verify().holds


def test_a_link_that_leads_elsewhere_is_another_file(path: Path) -> None:
    first, second = path.with_name("first.db"), path.with_name("second.db")
    for target in (first, second):
        agent_store.open(target).close()
    path.symlink_to(first)
    with agent_store.open(path) as store:
        store.log("s", "w").append(b"x")
        path.unlink()
        path.symlink_to(second)
        time.sleep(SOON)
        with pytest.raises(StoreReplaced):
            store.log("s", "w").append(b"lost")


def test_a_transaction_that_began_before_is_undone(path: Path) -> None:
    with agent_store.open(path) as store:
        aside = path.with_name("aside.db")
        with pytest.raises(StoreReplaced), store.transaction():  # noqa: PT012
            store.log("s", "w").append(b"lost")
            path.rename(aside)
            time.sleep(SOON)
        aside.rename(path)
        assert list(store.entries()) == []


def test_no_read_ever_shows_another_file(path: Path) -> None:
    """Also at once, on a connection that is made after the file was replaced."""
    other = another(path)
    with agent_store.open(path) as store:
        time.sleep(SOON)
        store.log("s", "w").append(b"looked just now")
        other.replace(path)
        with pytest.raises(StoreReplaced):
            store.position()


def test_a_store_that_only_reads_says_it_too(path: Path) -> None:
    with agent_store.open(path) as store:
        store.log("s", "w").append(b"there")
    with agent_store.open(path, read_only=True) as store:
        assert store.position() == 1
        replace(path)
        time.sleep(SOON)
        with pytest.raises(StoreReplaced):
            store.position()


def long(path: Path) -> None:
    with agent_store.open(path) as store:
        store.execute("CREATE TABLE notes (text)")
        with store.transaction():
            for _ in range(500):
                store.execute("INSERT INTO notes VALUES (zeroblob(900))")
        store.log("s", "w").append_many(b"%d" % n * 200 for n in range(500))


@pytest.mark.parametrize("left", [0.0, 0.01, 0.5, 0.99])
def test_a_file_cut_off_takes_nothing_and_is_corrupt(path: Path, left: float) -> None:
    long(path)
    size = path.stat().st_size
    with agent_store.open(path) as store:
        store.log("s", "w").append(b"all in the cache")
        assert store.verify().holds
        os.truncate(path, int(size * left) // 4096 * 4096)
        time.sleep(SOON)
        for _ in range(2):
            for name in ("append", "position", "bump", "verify"):
                with pytest.raises(CorruptDatabase, match="cut off"):
                    CALLS[name](store)
        if left == 0:
            assert path.with_name("app.db-wal").stat().st_size > 0
    # What is left is no store, or one that says so itself.
    with pytest.raises(CorruptDatabase), agent_store.open(path, read_only=True) as store:  # noqa: PT012
        store.verify().raise_if_broken()
        list(store.entries())


def test_a_file_cut_off_under_a_read_ends_in_an_error(path: Path) -> None:
    long(path)
    with agent_store.open(path) as store:
        entries = store.entries()
        next(entries)
        os.truncate(path, 8_192)
        with pytest.raises(CorruptDatabase):
            list(entries)


VACUUM = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("DELETE FROM notes")
db.execute("VACUUM")
print(*db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone())
"""


def test_a_file_that_another_program_made_smaller_is_no_damage(path: Path) -> None:
    long(path)
    before = path.stat().st_size
    with agent_store.open(path) as store:
        processes.run(VACUUM, path)
        assert path.stat().st_size < 0.7 * before
        time.sleep(SOON)
        assert store.log("s", "w").append(b"goes on").seq == 501
        assert store.verify().holds
