"""A copy in a file of its own: the store as it was at one moment, verified, and whole or not there at all."""

import os
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path

import pytest

import agent_store
from agent_store import Store
from agent_store.errors import BusyError, StoreClosed, TransactionConflict
from cli import until
from copies import fill, names
from processes import script
from test_interrupt import interrupted

DATA = Path(__file__).parent / "data"
pytestmark = pytest.mark.differs("of native SQLite")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """In a folder of its own."""
    (tmp_path / "copies").mkdir()
    return tmp_path / "copies" / "copy.db"


def test_a_copy_is_the_store_as_it_was(store: Store, copy: Path) -> None:
    store.append_many(("s", f"w{n % 3}", b"%d" % n) for n in range(1_000))
    store.generation("report").set(7)
    store.execute("CREATE TABLE notes (text)")
    store.execute("INSERT INTO notes VALUES ('mine')")
    entries, heads, verdict = list(store.entries()), store.heads(), store.verify()
    assert store.backup(copy) == verdict
    assert names(copy) == ["copy.db"]
    store.log("s", "w0").append(b"later")
    with agent_store.open(copy) as other:
        assert other.info()["id"] == store.info()["id"]
        assert (list(other.entries()), other.heads()) == (entries, heads)
        assert other.generation("report").current() == 7
        assert other.query("SELECT * FROM notes") == [("mine",)]
        assert other.verify() == verdict
        assert other.log("s", "w1").append(b"of its own", expected=heads[1]).position == 1_001
        assert other.query("PRAGMA integrity_check") == [("ok",)]
    assert store.position() == 1_001
    assert store.verify().holds


def test_a_store_with_nothing_in_it(store: Store, copy: Path) -> None:
    verdict = store.backup(copy)
    assert verdict.holds
    assert verdict.entries == 0
    with agent_store.open(copy) as other:
        assert other.log("s", "w").append(b"x").position == 1


def test_a_copy_lies_still(store: Store, copy: Path) -> None:
    """No file has to be made beside it to read it."""
    store.log("s", "w").append(b"x")
    store.backup(copy)
    before = copy.read_bytes()
    with agent_store.open(copy, read_only=True) as other:
        assert other.position() == 1
        assert names(copy) == ["copy.db"]
    assert (names(copy), copy.read_bytes()) == (["copy.db"], before)


def test_progress(store: Store, copy: Path) -> None:
    pages = fill(store)
    told: list[tuple[int, int]] = []

    def tell(done: int, total: int) -> None:
        told.append((done, total))
        assert store.position() == 60

    store.backup(copy, progress=tell)
    assert {total for _, total in told} == {2 * pages}
    assert told == sorted(told)
    assert told[-1] == (2 * pages, 2 * pages)
    if not store._binding.backend.exclusive:
        assert told[0] == (1_024, 2 * pages)


def test_it_is_of_one_moment_whatever_is_written_meanwhile(path: Path, copy: Path) -> None:
    with agent_store.open(path) as store, agent_store.open(path) as other:
        pages = fill(store)
        before = list(store.entries())
        copying = 0

        def write(done: int, _: int) -> None:
            nonlocal copying
            copying += done < pages
            for writer in (store, other):
                writer.log("s", "meanwhile").append(os.urandom(50_000))

        assert store.backup(copy, progress=write).entries == 60
        assert copying > 0
        with agent_store.open(copy) as copied:
            assert list(copied.entries()) == before
        # Nothing holds the state from before any more.
        assert len({store.position() for _ in range(9)} | {other.position()}) == 1
        assert store.position() > 62
        assert store.verify().holds


APPEND = """
import sys
import agent_store
with agent_store.open(sys.argv[1], durability="normal", timeout=60) as store:
    log = store.log("s", "process")
    print(log.append(b"first").seq, flush=True)
    import select
    while not select.select([sys.stdin], [], [], 0)[0]:
        log.append(bytes(2_000))
        store.generation("g").bump()
    print(log.head().seq)
"""


def test_while_threads_and_a_process_append(path: Path, copy: Path) -> None:
    stop = threading.Event()
    appended: list[int] = []

    def append(store: Store, writer: str) -> None:
        log = store.log("s", writer)
        for number in count(1):
            log.append(b"%d" % number * 500)
            if stop.is_set():
                appended.append(number)
                return

    with agent_store.open(path, durability="normal", timeout=60) as store:
        fill(store)
        threads = [threading.Thread(target=append, args=(store, f"w{n}")) for n in range(4)]
        with script(APPEND, path) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "1\n"
            for thread in threads:
                thread.start()
            try:
                for n in range(4):
                    before = store.position()
                    target = copy.with_name(f"copy{n}.db")
                    verdict = store.backup(target)
                    assert verdict.holds
                    assert before <= verdict.entries <= store.position()
            finally:
                stop.set()
                for thread in threads:
                    thread.join()
            output, _ = process.communicate("\n", timeout=60)
            assert int(output) > 1
        everything = {entry.position: entry for entry in store.entries()}
        assert store.position() == 60 + sum(appended) + int(output)
    newest = 0
    for n in range(4):
        with agent_store.open(copy.with_name(f"copy{n}.db"), read_only=True) as other:
            entries = list(other.entries())
        assert [entry.position for entry in entries] == list(range(1, len(entries) + 1))
        assert entries == [everything[entry.position] for entry in entries]
        assert newest <= len(entries)
        newest = len(entries)
    assert newest > 60
    assert names(copy) == [f"copy{n}.db" for n in range(4)]


def test_not_inside_a_transaction(store: Store, copy: Path) -> None:
    with store.transaction():
        store.log("s", "w").append(b"x")
        with pytest.raises(TransactionConflict, match=r"backup\(\) inside a transaction.*leave the block"):
            store.backup(copy)
    assert names(copy) == []
    assert store.position() == 1


@contextmanager
def uncommitted(store: Store) -> Iterator[threading.Event]:
    """A transaction of another thread, which commits when it is told to, or at the end."""
    begun, done = threading.Event(), threading.Event()

    def write() -> None:
        with store.transaction():
            store.log("s", "w").append(b"y")
            begun.set()
            done.wait(60)

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            assert begun.wait(60)
            yield done
        finally:
            done.set()
        writing.result(60)


def test_what_another_thread_has_not_committed_is_not_in_it(store: Store, copy: Path) -> None:
    store.log("s", "w").append(b"x")
    with uncommitted(store) as done:
        if store._binding.backend.exclusive:
            done.set()  # In memory there is one connection, and the backup waits for it.
            assert store.backup(copy).entries == 2
        else:
            assert store.backup(copy).entries == 1


def test_in_memory_it_waits_no_longer_than_the_timeout(copy: Path) -> None:
    with agent_store.open(":memory:", timeout=0.2) as store:
        with uncommitted(store), pytest.raises(BusyError):
            store.backup(copy)
        assert names(copy) == []
        assert store.backup(copy).holds


def test_after_close(store: Store, copy: Path) -> None:
    store.close()
    with pytest.raises(StoreClosed):
        store.backup(copy)
    assert names(copy) == []


def is_closed(store: Store) -> bool:
    try:
        store.log("s", "w")
    except StoreClosed:
        return True
    return False


def test_closing_ends_it(path: Path, copy: Path) -> None:
    with agent_store.open(path) as store:
        fill(store)
        closing = threading.Thread(target=store.close)

        def close(*_: int) -> None:
            if closing.ident is None:
                closing.start()
            until(lambda: is_closed(store))

        with pytest.raises(StoreClosed):
            store.backup(copy, progress=close)
        closing.join(60)
    assert names(copy) == []


@pytest.mark.parametrize("when", ["copied", "verified"])
def test_an_exception_in_progress_ends_it_and_nothing_is_left(store: Store, copy: Path, when: str) -> None:
    pages = fill(store)

    def stop(done: int, _: int) -> None:
        if when == "copied" or done > pages:
            raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            store.backup(copy, progress=stop)
        assert names(copy) == []
    # The connections that it used see what is written now.
    assert store.log("s", "w").append(b"x").position == 61
    assert {store.position() for _ in range(9)} == {61}
    assert store.backup(copy).entries == 61


def test_the_core_looks_at_signals(store: Store, copy: Path) -> None:
    fill(store)
    interrupted(partial(store._binding.backend.backup, str(copy)))
    assert names(copy) == []
    assert store.backup(copy).holds


def test_a_read_only_store(path: Path, copy: Path) -> None:
    with agent_store.open(path) as store:
        entry = store.log("s", "w").append(b"x")
    before = path.read_bytes()
    with agent_store.open(path, read_only=True) as store:
        assert store.backup(copy).holds
    assert path.read_bytes() == before
    with agent_store.open(copy) as other:
        assert list(other.entries()) == [entry]


def test_a_file_of_the_crates_stays_one(path: Path, copy: Path) -> None:
    shutil.copy(DATA / "crate-0.1.2.db", path)
    with agent_store.open(path, read_only=True) as store:
        entries, verdict = list(store.entries()), store.backup(copy)
    assert (verdict.holds, verdict.entries) == (True, 120)
    with agent_store.open(copy, read_only=True) as other:
        assert other.info()["layout"] == "crate"
        assert list(other.entries()) == entries
    with agent_store.open(copy) as other:
        assert other.info()["layout"] == "compact"
        assert list(other.entries()) == entries
