"""A caller's sqlite3.Connection that is closed, of another thread, shared by threads, or forked."""

import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import agent_store
from agent_store.errors import BackendError, ForkedStore, StoreClosed, StoreError
from processes import run


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def test_a_closed_connection(connection: sqlite3.Connection) -> None:
    store = agent_store.open(connection)
    entries = store.entries()
    connection.close()
    for call in (store.position, lambda: store.log("s", "w"), entries.__next__, store.verify, store.info):
        with pytest.raises(StoreClosed, match="connection"):
            call()
    store.close()
    with pytest.raises(StoreClosed):
        agent_store.open(connection)


def test_a_thread_that_may_not_use_the_connection(connection: sqlite3.Connection) -> None:
    store = agent_store.open(connection)
    caught: list[BaseException] = []

    def other() -> None:
        for call in (store.position, store.log("s", "w").head, lambda: store.append_many([("s", "w", b"x")])):
            try:
                call()
            except StoreError as error:
                caught.append(error)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert [type(error) for error in caught] == [BackendError] * 3
    assert all("check_same_thread=False" in str(error) for error in caught)
    assert store.log("s", "w").append(b"x").position == 1


def test_threads_on_one_connection_take_turns(path: Path) -> None:
    """Nobody gets into the block of another, and nobody's entries get lost."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=60)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        store = agent_store.open(connection)
        failed: list[BaseException] = []

        def work(name: str) -> None:
            log = store.log("s", name)
            try:
                for _ in range(20):
                    log.append(b"one")
                    with store.transaction():
                        before = store.position()
                        log.append(b"two")
                        log.append(b"three")
                        assert store.position() == before + 2
                    log.append_many([b"x"] * 3)
                    assert len(list(log.entries())) % 6 == 0
            except BaseException as error:  # noqa: BLE001
                failed.append(error)

        threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert store.verify().entries == 4 * 20 * 6
        assert store.verify().holds


def test_a_block_of_another_thread_is_waited_for(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.2)) as connection:
        store = agent_store.open(connection)
        with store.transaction():
            store.log("s", "w").append(b"x")
            caught: list[BaseException] = []

            def other() -> None:
                try:
                    store.position()
                except StoreError as error:
                    caught.append(error)

            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
        assert [type(error).__name__ for error in caught] == ["BusyError"]
        assert "connection" in str(caught[0])


FORK = """
import os, sqlite3, sys, warnings
import agent_store
from agent_store.errors import ForkedStore
warnings.simplefilter("ignore")
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
store = agent_store.open(connection)
log = store.log("s", "w")
def refused():
    for call in (store.position, lambda: log.append(b"x"), lambda: store.log("s", "w"), store.verify, store.info,
            store.transaction().__enter__, store.entries().__next__):
        try:
            call()
        except ForkedStore:
            continue
        return 1
    return 0
with store.transaction():
    log.append(b"1")
    pid = os.fork()
    if pid == 0:
        os._exit(refused())
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    log.append(b"2")
print(store.position(), store.verify().holds)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no fork there")
def test_a_forked_child_is_refused(path: Path) -> None:
    assert run(FORK, path) == ["2 True"]
    assert issubclass(ForkedStore, StoreError)
