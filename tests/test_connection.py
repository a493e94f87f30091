"""What a connection is set to, seen by what it does: syncs, hostile schemas, a host's tables; and how it begins."""

import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

import agent_store
import crate
from agent_store.errors import BackendError
from processes import run
from upgrading import Opener

COUNTER = """
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <unistd.h>
static int count;
int fdatasync(int fd) { count++; return syscall(SYS_fdatasync, fd); }
int fsync(int fd) { count++; return syscall(SYS_fsync, fd); }
int counted(void) { int now = count; count = 0; return now; }
"""
SYNCS = """
import ctypes, sys
import agent_store
counted = ctypes.CDLL(None).counted
with agent_store.open(sys.argv[1], durability=sys.argv[2]) as store:
    log = store.log("s", "w")
    def block():
        with store.transaction():
            log.append(b"x")
            log.append(b"y")
    for write in (lambda: log.append(b"x"), lambda: log.append_many([b"x"] * 9), store.generation("g").bump, block,
            lambda: store.execute("CREATE TABLE IF NOT EXISTS t (a)")):
        write()  # The first frames of a write-ahead log cost syncs of their own.
        counted()
        write()
        print(counted())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the loader is told otherwise elsewhere, and the calls are others")
@pytest.mark.parametrize(("durability", "syncs"), [("full", 1), ("normal", 0)])
def test_what_returned_was_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: str, syncs: int) -> None:
    """Counted where the system is asked for it."""
    source, library = tmp_path / "counter.c", tmp_path / "counter.so"
    source.write_text(COUNTER)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))
    counts = run(SYNCS, tmp_path / "app.db", durability)
    # Nothing changes the second time that the table is made.
    assert [int(count) for count in counts] == [*[syncs] * 4, 0]


def test_a_schema_calls_nothing_that_may_do_harm(path: Path) -> None:
    agent_store.open(path).close()
    evil = "CREATE VIEW evil AS SELECT * FROM pragma_user_version"
    crate.sql(path, evil, "CREATE VIRTUAL TABLE words USING fts5 (a)")
    for read_only in (False, True):
        with agent_store.open(path, read_only=read_only) as store:
            with pytest.raises(BackendError, match="unsafe use"):
                store.query("SELECT * FROM evil")
            assert store.verify().holds
    with agent_store.open(path) as store, pytest.raises(BackendError, match="may not be modified"):
        store.execute("DELETE FROM words_data")


def test_a_hosts_foreign_keys_are_as_off_as_they_were(path: Path) -> None:
    with agent_store.open(path) as store:
        store.execute("CREATE TABLE parent (a PRIMARY KEY)")
        store.execute("CREATE TABLE child (a REFERENCES parent ON DELETE CASCADE)")
        for table in ("parent", "child"):
            store.execute(f"INSERT INTO {table} VALUES (1)")
        store.execute("DELETE FROM parent")
        assert store.query("SELECT * FROM child") == [(1,)]


def test_a_store_that_another_makes_meanwhile_is_opened(path: Path) -> None:
    tables = (files(agent_store) / "sql" / "sqlite" / "tables.sql").read_text()
    with crate.Session("python", path) as session, Opener(path, held=True) as opener:
        session.ask("PRAGMA journal_mode = WAL")
        session.ask("BEGIN IMMEDIATE")
        opener.next("ready")
        opener.go_on()
        with pytest.raises(TimeoutError):
            opener.next("opened", "error", within=0.3)
        for statement in tables.split(";")[:-1]:
            assert "error" not in session.ask(statement)
        assert "error" not in session.ask("COMMIT")
        assert "opened" in opener.next("opened", "error")
