"""A clean store is never accused, whatever other processes or the caller's own SQL do beside its verification."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import agent_store
from agent_store import Store
from processes import script
from verdicts import intact

pytestmark = pytest.mark.timeout(60)

NEW_LOGS = """
import os, sys
import agent_store
os.sched_setaffinity(0, list(os.sched_getaffinity(0))[-1:])
with agent_store.open(sys.argv[1], durability="normal") as store:
    number = 0
    while True:
        number += 1
        store.log("s", f"{number}").append(b"x")
        if number == 1:
            print("begun", flush=True)
"""
# What readers meet while a process carries over what a killed one left: a header of the WAL's index that is not whole,
# and the locks of who mends it.
RECOVERING = """
import fcntl, mmap, os, sys, time
os.sched_setaffinity(0, list(os.sched_getaffinity(0))[-1:])
HEADER, WRITER, RECOVERY = 8, 120, 122
with open(sys.argv[1] + "-shm", "r+b") as file:
    index = mmap.mmap(file.fileno(), RECOVERY)
    print("begun", flush=True)
    while True:
        for lock in WRITER, RECOVERY:
            fcntl.lockf(file, fcntl.LOCK_EX, 1, lock)
        index[HEADER] ^= 1
        time.sleep(0.001)
        index[HEADER] ^= 1
        for lock in RECOVERY, WRITER:
            fcntl.lockf(file, fcntl.LOCK_UN, 1, lock)
        time.sleep(0.001)
"""


@contextmanager
def beside(code: str, path: Path) -> Iterator[None]:
    with script(code, path) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "begun\n"
            yield
        finally:
            process.kill()


@pytest.fixture
def one_core() -> Iterator[None]:
    """Another than that of the process beside it, where there are several."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, list(cores)[:1])
    yield
    os.sched_setaffinity(0, cores)


def test_new_logs(path: Path) -> None:
    with agent_store.open(path) as store, beside(NEW_LOGS, path):
        for _ in range(200):
            verdict = store.verify()
            assert verdict.holds, verdict.breaks


@pytest.mark.usefixtures("one_core")
def test_recovery(path: Path) -> None:
    """More logs than a verification remembers the last entries of: it looks up what came before each entry."""
    logs = 17_000
    with agent_store.open(path, durability="normal") as store:
        store.append_many([("s", f"w{number % logs}", b"x") for number in range(2 * logs)])
        with beside(RECOVERING, path):
            assert store.verify() == intact(2 * logs, logs)


@pytest.mark.differs("of native SQLite")
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT agent_store_block(1, 2, 3, x'00', x'00')",
        "SELECT agent_store_block(position, log, seq, payload, payload) FROM _agent_store_entries GROUP BY log",
        "SELECT agent_store_index(id, id, id), agent_store_index(1, 2, id) FROM _agent_store_logs",
    ],
)
def test_own_sql_that_calls_the_functions_of_a_verification(store: Store, sql: str) -> None:
    store.append_many([("s", f"w{number % 2}", b"x") for number in range(100)])
    with store.transaction():
        store.query(sql)
        assert store.verify() == intact(100, 2)
    store.query(sql)
    assert store.verify() == intact(100, 2)
    assert store.log("s", "w0").verify()
