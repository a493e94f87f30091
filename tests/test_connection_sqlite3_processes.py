"""Callers' connections in several processes, and stores opened by path beside them."""

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import agent_store
from forking import say
from processes import run, script

OPEN = """
import sqlite3, sys
import agent_store
print("ready", flush=True)
sys.stdin.readline()
connection = sqlite3.connect(sys.argv[1], timeout=30, isolation_level={isolation!r})
store = agent_store.open(connection)
for number in range(5):
    store.log("s", sys.argv[2]).append(b"%d" % number)
    connection.commit()
print(store.verify().holds)
"""
SEES = """
import json, sqlite3, sys
import agent_store
connection = sqlite3.connect(sys.argv[1], timeout=0.1)
store = agent_store.open(connection)
for line in sys.stdin:
    payloads = [entry.payload.decode() for entry in store.entries()]
    print(json.dumps([*payloads, store.generation("g").current()]), flush=True)
"""
NATIVE = """
import sys
import agent_store
print("ready", flush=True)
sys.stdin.readline()
with agent_store.open(sys.argv[1], timeout=60) as store:
    log = store.log("s", "shared")
    for number in range(int(sys.argv[2])):
        log.append(b"native")
        store.generation("g").bump()
        with store.transaction():
            store.append_many([("s", "own", b"x"), ("s", "shared", b"native")])
    print(store.verify().holds)
"""


def together(processes: list["subprocess.Popen[str]"]) -> list[str]:
    """They begin at one moment; the last line of each."""
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        ends = [process.communicate(timeout=100)[0].strip() for process in processes]
        assert [process.returncode for process in processes] == [0] * len(processes)
        return ends
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.fixture
def other(path: Path) -> Iterator["subprocess.Popen[str]"]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        agent_store.open(connection)
    with script(SEES, path) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("isolation", [None, "DEFERRED"])
def test_many_make_the_store_at_the_same_moment(path: Path, isolation: str | None) -> None:
    code = OPEN.format(isolation=isolation)
    processes = [script(code, path, f"w{number}") for number in range(8)]
    assert together(processes) == ["True"] * 8
    with closing(sqlite3.connect(path)) as connection:
        verdict = agent_store.open(connection).verify()
        assert (verdict.entries, verdict.logs, verdict.holds) == (40, 8, True)


def test_another_process_sees_it_when_the_caller_has_committed(path: Path, other: "subprocess.Popen[str]") -> None:
    with closing(sqlite3.connect(path)) as connection:
        store = agent_store.open(connection)
        store.log("s", "w").append(b"one")
        store.generation("g").set(3)
        assert json.loads(say(other, "")) == [0]
        connection.rollback()
        store.log("s", "w").append(b"two")
        assert json.loads(say(other, "")) == [0]
        connection.commit()
        assert json.loads(say(other, "")) == ["two", 0]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        store = agent_store.open(connection)
        store.log("s", "w").append(b"three")
        assert json.loads(say(other, "")) == ["two", "three", 0]


@pytest.mark.timeout(240)
def test_a_store_opened_by_its_path_works_beside_it(path: Path) -> None:
    """In another process: neither's appends are lost, and each sees the other's heads."""
    agent_store.open(path).close()
    beside = script(NATIVE, path, 100)
    code = NATIVE.replace("agent_store.open(sys.argv[1], timeout=60) as store:", "contextlib.nullcontext() as _:")
    code = code.replace("import sys\n", "import contextlib, sqlite3, sys\n").replace(
        "    log =",
        "    store = agent_store.open(sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None))\n    log =",
    )
    assert together([beside, script(code.replace('"own"', '"lent"'), path, 100)]) == ["True", "True"]
    with agent_store.open(path) as store:
        verdict = store.verify()
        assert (verdict.entries, verdict.holds) == (600, True)
        assert {head.writer: head.seq for head in store.heads()} == {"shared": 400, "own": 100, "lent": 100}
        assert store.generation("g").current() == 200


KILLED = """
import os, signal, sqlite3, sys
import agent_store
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
log = agent_store.open(connection).log("s", "w")
for number in range(3):
    print(log.append(b"%d" % number).seq, flush=True)
connection.execute("BEGIN")
log.append_many([b"lost"] * 5_000)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_returned_survives_a_kill_and_what_was_not_committed_does_not(path: Path) -> None:
    with script(KILLED, path) as process:
        output, _ = process.communicate(timeout=60)
    assert output.split() == ["1", "2", "3"]
    with agent_store.open(path) as store:
        assert (store.position(), store.verify().holds) == (3, True)


def test_it_imports_no_native_library_on_that_file(path: Path) -> None:
    """The file is open once for each connection of the caller's, and never by us."""
    code = """
import os, sqlite3, sys
import agent_store
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("CREATE TABLE t (a)")
def opened():
    links = (os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd"))
    return sum(os.path.realpath(link) == os.path.realpath(sys.argv[1]) for link in links if os.path.exists(link))
before = opened()
store = agent_store.open(connection)
store.log("s", "w").append_many([b"x"] * 5000)
assert store.verify()
print(before, opened())
"""
    assert run(code, path) == ["1 1"]
