"""A disk that is full, or will not sync, under a caller's sqlite3.Connection."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import agent_store
from agent_store.errors import BackendError
from processes import run

FAILING = """
#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>
static int failing;
void fail(int how) { failing = how; }
static int sync_by(long call, int fd) {
    if (failing) { errno = EIO; return -1; }
    return syscall(call, fd);
}
int fdatasync(int fd) { return sync_by(SYS_fdatasync, fd); }
int fsync(int fd) { return sync_by(SYS_fsync, fd); }
"""
UNKNOWN = """
import ctypes, sqlite3, sys
import agent_store
from agent_store.errors import OutcomeUnknown
fail = ctypes.CDLL(None).fail
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("PRAGMA synchronous = FULL")
store = agent_store.open(connection)
log = store.log("s", "w")

def block():
    with store.transaction():
        log.append(b"in a block")
        try:
            with store.transaction():
                store.log("s", "taken back").append(b"x")
                raise ZeroDivisionError
        except ZeroDivisionError:
            store.log("s", "v").append(b"in a block too")

def joined():
    connection.execute("BEGIN")
    log.append(b"the caller's to commit")
    try:
        connection.execute("COMMIT")
    except sqlite3.OperationalError:
        raise OutcomeUnknown("the caller's") from None

writes = [lambda: log.append(b"one"), lambda: log.append_many([b"x"] * 3000), block,
    lambda: store.append_many([("s", f"w{n % 1500}", b"x") for n in range(3000)]), joined]
for write in writes:
    log.append(b"acknowledged")
    before = store.position()
    fail(1)
    try:
        write()
        print("no error")
    except OutcomeUnknown as unknown:
        print(len(unknown.entries), unknown.count, sorted({head.writer for head in unknown.entries})[-1:])
        for head in unknown.entries:
            found = store.log(head.stream, head.writer).entry(head.seq)
            assert found is None or found.content_hash == head.content_hash
    fail(0)
    assert not connection.in_transaction
    assert store.position() >= before
    assert log.append(b"goes on").seq > 1
    assert store.verify().holds
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the loader is told otherwise elsewhere")
def test_a_sync_that_fails_leaves_the_outcome_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, library = tmp_path / "failing.c", tmp_path / "failing.so"
    source.write_text(FAILING)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))
    assert run(UNKNOWN, tmp_path / "app.db") == [
        "1 1 ['w']",
        "1 1 ['w']",
        "2 2 ['w']",
        "1000 1500 ['w999']",
        "0 0 []",
    ]


@pytest.mark.parametrize("begun", [False, True])
def test_a_full_disk(path: Path, begun: bool) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        store = agent_store.open(connection)
        log = store.log("s", "w")
        log.append(b"kept")
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 3}")
        for write in (
            lambda: log.append(bytes(100_000)),
            lambda: log.append_many([bytes(1_000)] * 100),
            lambda: store.append_many(("s", f"w{number}", bytes(10_000)) for number in range(9)),
        ):
            if begun:
                connection.execute("BEGIN")
                log.append(b"the caller's")
            with pytest.raises(BackendError, match="full.*whole transaction" if begun else "full"):
                write()
            assert not connection.in_transaction  # SQLite's own doing.
            assert store.position() == 1
        connection.execute("PRAGMA max_page_count = 1000000")
        assert log.append(bytes(100_000)).seq == 2
        assert store.verify().holds
