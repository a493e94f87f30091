"""Programs that know of no bell write the file: who waits notices within about a quarter of a second."""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import agent_store
import crate
from processes import script
from watchers import LATE

PLAIN = """
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
print("open", flush=True)
for line in sys.stdin:
    db.execute(line)
    print(time.monotonic_ns(), flush=True)
"""
"""Rings no bell."""


@pytest.mark.parametrize("polls", [False, True], ids=["bell", "poll"])
def test_a_writer_that_rings_nobody_is_noticed(path: Path, polls: bool) -> None:
    if polls:
        path.with_name("app.db-bell").mkdir()
    with agent_store.open(path) as store, script(PLAIN, path) as process, ThreadPoolExecutor(1) as pool:
        first = store.log("s", "w").append(b"x")
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        late = []
        with store.watch(timeout=30) as watch:
            for n in range(8):
                coming = pool.submit(next, watch)
                time.sleep(0.02)  # It sleeps by now.
                process.stdin.write(
                    "INSERT INTO _agent_store_log (stream, writer, seq, prev_hash, content_hash, payload) "
                    f"SELECT stream, writer, seq + 1, content_hash, randomblob(32), '{n}' FROM _agent_store_log "
                    f"WHERE seq = {first.seq + n}\n".replace(f"'{n}'", f"CAST('{n}' AS BLOB)")
                )
                process.stdin.flush()
                told = int(process.stdout.readline())
                assert coming.result().payload == b"%d" % n
                late.append((time.monotonic_ns() - told) / 1e9)
        process.communicate(timeout=60)
        assert store.doorbell.wait(timeout=0.3) == 9
    assert max(late) < LATE
    assert statistics.median(late) < (0.1 if polls else 0.35)


def test_the_crate_is_noticed(path: Path) -> None:
    with agent_store.open(path) as store, store.watch(timeout=30) as watch:
        for n in range(3):
            [(seq, found)] = crate.append(path, "s", "crate", [b"%d" % n])
            began = time.monotonic()
            entry = next(watch)
            assert (entry.seq, entry.content_hash, entry.payload) == (seq, found, b"%d" % n)
            assert time.monotonic() - began < LATE
        with crate.Loop(path, "s", "loop") as loop:
            loop.wait_for(200)
        written = len(loop.written)
        seen = [next(watch) for _ in range(written)]
        assert [(entry.seq, entry.content_hash, entry.payload) for entry in seen] == loop.written


def test_who_watches_a_file_of_the_crates_sees_what_the_crate_appends(path: Path) -> None:
    """Opened to be read it keeps its layout."""
    crate.append(path, "s", "w", [b"1"])
    with agent_store.open(path, read_only=True) as store, store.watch(after=0, timeout=30) as watch:
        assert next(watch).payload == b"1"
        for n in range(3):
            crate.append(path, "s", "w", [b"%d" % n])
            assert next(watch).payload == b"%d" % n
        assert store.info()["layout"] == "crate"


def test_an_upgrade_under_those_who_wait(path: Path) -> None:
    crate.append(path, "s", "w", [b"1", b"2"])
    with agent_store.open(path, read_only=True) as store, store.watch(after=0, timeout=30) as watch:
        assert [next(watch).position for _ in range(2)] == [1, 2]
        with agent_store.open(path) as writer:
            writer.log("s", "w").append(b"3")
            assert next(watch).payload == b"3"
            crate.append(path, "s", "w", [b"4"])
            assert next(watch).payload == b"4"


def test_the_sqlite3_shell_is_noticed(path: Path) -> None:
    """Or what Python has of it: one statement, and it is gone."""
    with agent_store.open(path) as store:
        store.execute("CREATE TABLE notes (text)")
        waiter = store._binding.backend.waiter()
        waiter.wait(waiter.look(), 0.4)
        for _ in range(3):
            seen = waiter.look()
            crate.sql(path, "INSERT INTO notes VALUES ('x')")
            assert waiter.wait(seen, LATE)
        waiter.stop()


def test_who_begins_to_wait_takes_no_wake_from_who_waits_already(path: Path) -> None:
    """All of a process share the look at the database; what one of them finds is for all."""
    with agent_store.open(path) as store:
        store.execute("CREATE TABLE notes (text)")
        waiter = store._binding.backend.waiter()
        waiter.wait(waiter.look(), 0.4)
        for _ in range(5):
            seen = waiter.look()
            crate.sql(path, "INSERT INTO notes VALUES ('x')")
            with agent_store.open(path) as other:
                other.doorbell.wait(timeout=0)
            assert waiter.wait(seen, LATE)
        waiter.stop()
