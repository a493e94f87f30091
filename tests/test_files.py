"""Files that cannot be opened or written, locks, closing, forking: each says so in an error of its own."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import agent_store
from agent_store import Store
from agent_store.errors import (
    BackendError,
    BusyError,
    CorruptDatabase,
    ReadOnlyStore,
    StoreClosed,
    TransactionConflict,
    UnsupportedFormat,
)
from processes import run, script

WRITES: list[Callable[[Store], object]] = [
    lambda store: store.log("s", "w").append(b"x"),
    lambda store: store.log("s", "w").append_many([b"x"]),
    lambda store: store.append_many([("s", "w", b"x")]),
    lambda store: store.generation("g").bump(),
    lambda store: store.execute("INSERT INTO t VALUES (1)"),
    lambda store: store.query("INSERT INTO t VALUES (1) RETURNING a"),
    lambda store: store.transaction().__enter__(),
]


@pytest.mark.parametrize("read_only", [False, True])
def test_files_that_cannot_be_opened(tmp_path: Path, read_only: bool) -> None:
    with pytest.raises(IsADirectoryError):
        agent_store.open(tmp_path, read_only=read_only)
    with pytest.raises(FileNotFoundError):
        agent_store.open(tmp_path / "no" / "app.db", read_only=read_only)
    garbage = tmp_path / "garbage.db"
    for content in (b"not a database " * 1_000, b"xy", b"SQLite format 3\0" + b"\xff" * 5_000):
        garbage.write_bytes(content)
        with pytest.raises(CorruptDatabase, match=r"another kind of file.*encrypted.*header|too short"):
            agent_store.open(garbage, read_only=read_only)
        assert garbage.read_bytes() == content
    assert [found.name for found in tmp_path.iterdir()] == ["garbage.db"]


def test_a_file_of_one_byte_is_left_alone(path: Path) -> None:
    path.write_bytes(b"x")
    with pytest.raises(CorruptDatabase):
        agent_store.open(path).close()
    assert path.read_bytes() == b"x"


def test_a_missing_file_is_not_made_to_be_read(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        agent_store.open(path, read_only=True)
    assert not path.exists()


@pytest.mark.parametrize("read_only", [False, True])
def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path, read_only: bool) -> None:
    os.mkfifo(tmp_path / "pipe")
    for odd in (tmp_path / "pipe", "/dev/null"):
        with pytest.raises(BackendError, match="pipe"):
            agent_store.open(odd, read_only=read_only)


def test_a_link_leads_to_the_store(tmp_path: Path) -> None:
    for name, target in (("link", "app.db"), ("lost", "no/app.db"), ("loop", "loop")):
        (tmp_path / name).symlink_to(tmp_path / target)
    with pytest.raises(FileNotFoundError):
        agent_store.open(tmp_path / "link", read_only=True)
    with agent_store.open(tmp_path / "link") as store, agent_store.open(tmp_path / "app.db") as same:
        assert same.log("s", "w").head() is None
        entry = store.log("s", "w").append(b"x")
        assert same.log("s", "w").head() == entry
    for read_only in (False, True):
        with pytest.raises(FileNotFoundError, match="directory"):
            agent_store.open(tmp_path / "lost", read_only=read_only)
        with pytest.raises(OSError, match="symbolic links"):
            agent_store.open(tmp_path / "loop", read_only=read_only)


def test_a_read_only_store_takes_no_writes(path: Path) -> None:
    with agent_store.open(path) as store:
        store.execute("CREATE TABLE t (a)")
        entry = store.log("s", "w").append(b"x")
        store.generation("g").set(5)
    before = path.read_bytes()
    with agent_store.open(path, read_only=True) as store:
        for write in WRITES:
            with pytest.raises(ReadOnlyStore):
                write(store)
        assert list(store.entries()) == [entry]
        assert store.generation("g").current() == 5
        assert store.verify().holds
        assert store.info()["read_only"] is True
    assert path.read_bytes() == before


NEWER = """
import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.execute("DROP TRIGGER _agent_store_meta_update")
c.execute("UPDATE _agent_store_meta SET ival = 2 WHERE key = '_agent_store.format'")
c.commit()
c.close()
"""


def test_a_newer_format_is_left_alone(path: Path) -> None:
    agent_store.open(path).close()
    run(NEWER, path)
    before = path.read_bytes()
    for read_only in (False, True):
        with pytest.raises(UnsupportedFormat, match="format 2"):
            agent_store.open(path, read_only=read_only)
    assert path.read_bytes() == before


LOCK = """
import sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
c.execute("ROLLBACK")
"""


def test_a_lock_held_longer_than_the_timeout_is_busy(path: Path) -> None:
    with agent_store.open(path, timeout=0.2) as store:
        store.execute("CREATE TABLE t (a)")
        first = store.log("s", "w").append(b"x")
        with script(LOCK, path) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "locked\n"
            for write in WRITES:
                with pytest.raises(BusyError) as busy:
                    write(store)
                assert 0.2 <= busy.value.waited < 5
            # Readers do not wait, and neither does opening a store that is there.
            assert store.log("s", "w").head() == first
            with agent_store.open(path, timeout=0.2) as other:
                assert list(other.entries()) == [first]
            process.communicate()
        assert store.log("s", "w").append(b"y", expected=first).seq == 2


EXCLUSIVE = """
import sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute("PRAGMA locking_mode = EXCLUSIVE")
c.execute("BEGIN EXCLUSIVE")
c.execute("CREATE TABLE IF NOT EXISTS t (a)")
c.execute("COMMIT")
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("made", [False, True])
@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_another_has_for_itself_is_busy(path: Path, made: bool, read_only: bool) -> None:
    if made:
        agent_store.open(path).close()
    with script(EXCLUSIVE, path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(BusyError) as busy:
            agent_store.open(path, read_only=read_only, timeout=0.2)
        assert 0.2 <= busy.value.waited < 5
        process.communicate()
    with agent_store.open(path) as store:
        assert store.log("s", "w").append(b"x").seq == 1


def test_nothing_works_after_close(store: Store) -> None:
    log, generation, block = store.log("s", "w"), store.generation("g"), store.transaction()
    log.append_many([b"x"] * 100)
    entries, begun = log.entries(), store.entries()
    next(begun)
    store.close()
    store.close()
    calls: list[Callable[[], object]] = [
        *(log.head, log.verify, generation.current, store.heads, store.position, store.verify, store.info),
        *(lambda: log.entry(1), lambda: list(store.entries()), lambda: list(entries), lambda: list(begun)),
        *(lambda: store.log("s", "w"), lambda: store.query("SELECT 1"), lambda: log.append_many([]), block.__enter__),
    ]
    for call in calls:
        with pytest.raises(StoreClosed):
            call()
    for write in WRITES:
        with pytest.raises(StoreClosed):
            write(store)


def test_a_store_is_not_closed_inside_its_transaction(store: Store) -> None:
    with store.transaction():
        store.log("s", "w").append(b"x")
        with pytest.raises(TransactionConflict, match="leave the block first"):
            store.close()
    assert store.position() == 1


def test_a_store_that_was_never_closed_warns() -> None:
    with pytest.warns(ResourceWarning, match="never closed"):
        agent_store.open(":memory:")


FORK = """
import os, sys, warnings
import agent_store
warnings.simplefilter("ignore")  # Python's own, about forking with threads
store = agent_store.open(sys.argv[1])
log = store.log("s", "w")
first = log.append(b"x")
begun = log.entries()
child = os.fork()
if child == 0:
    calls = [log.head, log.verify, lambda: log.append(b"y"), lambda: log.append_many([b"y"]), lambda: list(begun),
        lambda: list(store.entries()), store.heads, store.position, store.verify, store.info,
        lambda: store.query("SELECT 1"), lambda: store.execute("CREATE TABLE t (a)"), lambda: store.log("s", "w"),
        lambda: store.generation("g").bump(), store.transaction().__enter__,
        lambda: store.append_many([("s", "w", b"y")]), lambda: store.backup(sys.argv[1] + "-copy")]
    for call in calls:
        try:
            call()
            print("no error", flush=True)
        except agent_store.errors.ForkedStore:
            pass
        except BaseException as error:
            print(repr(error), flush=True)
    with agent_store.open(sys.argv[1]) as own:
        print(own.log("s", "w").append(b"of the child").seq, flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print(log.append(b"z").seq, log.verify().seq, store.verify().holds)
store.close()
"""


def test_a_forked_child_gets_an_error_and_the_parent_goes_on(path: Path) -> None:
    assert run(FORK, path) == ["2", "3 3 True"]


FORK_WITHIN = """
import gc, os, sys, warnings
import agent_store
warnings.simplefilter("ignore")
store = agent_store.open(sys.argv[1])
log = store.log("s", "w")
log.append_many([b"x"] * 100)
entries = log.entries()
next(entries)
with store.transaction():
    log.append(b"y")
    child = os.fork()
    if child == 0:
        try:
            log.append(b"z")
        except agent_store.errors.ForkedStore:
            sys.exit(0)  # As any program ends: the block is left, and all is torn down.
        sys.exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert log.append(b"z").seq == 102
print(len(list(entries)), log.verify().seq, store.verify().holds)
store.close()
"""


def test_a_child_forked_within_a_transaction_leaves_it_to_the_parent(path: Path) -> None:
    assert run(FORK_WITHIN, path) == ["99 102 True"]
    with agent_store.open(path) as store:
        assert store.position() == 102
