"""Processes on one file: each gets its turn within the timeout; none is kept by one that was killed or stopped."""

import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import agent_store
import crate
from agent_store.errors import BusyError
from processes import script
from writers import Writer, check_written

SLOWEST = 1.0
"""Seconds that no call may take though others are killed; on a machine that does much else."""
PATIENCE = 60.0


@pytest.fixture
def path(path: Path) -> Path:
    agent_store.open(path).close()
    return path


@pytest.mark.parametrize(("durability", "each"), [("full", 100), ("normal", 2_000)])
def test_eight_processes_append_row_by_row(path: Path, durability: str, each: int) -> None:
    with ExitStack() as stack:
        writers = [
            stack.enter_context(Writer(path, f"w{number}", each=each, durability=durability)) for number in range(8)
        ]
        for writer in writers:
            writer.begin()
        for writer in writers:
            writer.end()
    check_written(path, writers)


def test_writers_killed_again_and_again_stall_nobody(path: Path) -> None:
    chance = random.Random(4)
    with ExitStack() as stack:
        others = [stack.enter_context(Writer(path, f"other{number}", threads=2)) for number in range(3)]
        victims = []
        for other in others:
            other.begin()
        for number in range(20):
            victims.append(stack.enter_context(Writer(path, f"victim{number}", threads=3)))
            victims[-1].begin()
            victims[-1].wait_for(10)
            time.sleep(chance.uniform(0, 0.02))
            victims[-1].kill()
        for other in others:
            other.wait_for(20)
            other.stop()
    check_written(path, [*others, *victims])
    assert max(other.worst for other in others) < SLOWEST


HOLDER = """
import sys
import agent_store
with agent_store.open(sys.argv[1]) as store:
    try:
        with store.transaction():
            store.log("s", "holder").append(b"x")
            print("inside", flush=True)
            sys.stdin.readline()
    except BaseException as error:
        print(repr(error))
"""


@pytest.mark.parametrize("then", ["goes on", "is killed"])
def test_a_process_stopped_in_a_transaction_keeps_others_busy_and_no_longer(path: Path, then: str) -> None:
    with (
        script(HOLDER, path) as holder,
        agent_store.open(path, timeout=0.3) as one,
        agent_store.open(path, timeout=PATIENCE) as patient,
        ThreadPoolExecutor(1) as pool,
    ):
        assert holder.stdout is not None
        assert holder.stdout.readline() == "inside\n"
        holder.send_signal(signal.SIGSTOP)
        waiting = pool.submit(patient.log("s", "patient").append, b"x")
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(BusyError) as busy:
                one.log("s", "w").append(b"x")
            assert 0.3 <= busy.value.waited <= time.monotonic() - began < 0.3 + SLOWEST
            assert one.position() == 0
        assert not waiting.done()
        released = time.monotonic()
        if then == "is killed":
            holder.kill()
        else:
            holder.send_signal(signal.SIGCONT)
            holder.communicate("\n", timeout=PATIENCE)
            assert holder.returncode == 0
        kept = 1 if then == "goes on" else 0
        assert waiting.result(PATIENCE).position == kept + 1
        assert one.log("s", "w").append(b"x").position == kept + 2
        assert time.monotonic() - released < SLOWEST
        assert one.verify().holds
        assert (one.log("s", "holder").head() is not None) == (kept == 1)


def test_a_process_stopped_while_it_waits_keeps_nobody(path: Path) -> None:
    """It has come first, and cannot take the turn that is given to it."""
    with (
        ExitStack() as stack,
        agent_store.open(path, timeout=PATIENCE) as holder,
        agent_store.open(path, timeout=PATIENCE) as store,
    ):
        block = holder.transaction()
        with block:
            first = stack.enter_context(Writer(path, "first", threads=2, timeout=PATIENCE))
            first.begin()
            time.sleep(0.3)
            first.pause()
            behind = [stack.enter_context(Writer(path, f"behind{number}")) for number in range(2)]
            for writer in behind:
                writer.begin()
            time.sleep(0.2)
        # Once they may wait for it, and must know better from then on.
        for writer in behind:
            writer.wait_for(30)
        began = time.monotonic()
        for _ in range(10):
            for writer in behind:
                writer.wait_for(10)
            store.generation("of the store").bump()
        assert time.monotonic() - began < 3 * SLOWEST
        first.resume()
        first.wait_for(30)
        for writer in (first, *behind):
            writer.stop()
    check_written(path, [first, *behind])


FOREIGN = """
import sqlite3, sys, threading
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
db.execute("PRAGMA synchronous = NORMAL")
db.execute(f"CREATE TABLE IF NOT EXISTS {sys.argv[2]} (n)")
enough = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), enough.set())).start()
print("open", flush=True)
count = 0
while not enough.is_set():
    db.execute("BEGIN IMMEDIATE")
    db.execute(f"INSERT INTO {sys.argv[2]} VALUES (?)", (count,))
    db.execute("COMMIT")
    count += 1
print(count)
"""
"""Knows of no queue, and never pauses between two transactions."""


@contextmanager
def foreign(path: Path, *names: str) -> Iterator[dict[str, int]]:
    """Programs with Python's sqlite3, each writing to a table of its own; how much each wrote, when they have ended."""
    written: dict[str, int] = {}
    with ExitStack() as stack:
        processes = {name: stack.enter_context(script(FOREIGN, path, name)) for name in names}
        for process in processes.values():
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
        yield written
        for name, process in processes.items():
            output, _ = process.communicate("", timeout=PATIENCE)
            assert process.returncode == 0
            written[name] = int(output)


def test_writers_that_know_of_no_queue(path: Path) -> None:
    with ExitStack() as stack:
        writers = [stack.enter_context(Writer(path, f"w{number}", threads=2)) for number in range(2)]
        with foreign(path, "a", "b") as written:
            for writer in writers:
                writer.begin()
            for writer in writers:
                writer.wait_for(100)
            time.sleep(1)
        for writer in writers:
            writer.stop()
    check_written(path, writers)
    with agent_store.open(path) as store:
        for name, count in written.items():
            assert count > 0
            assert store.query(f"SELECT count(*), max(n) FROM {name}") == [(count, count - 1)]


def test_the_crate_beside_several_of_ours(path: Path) -> None:
    with ExitStack() as stack:
        loops = [stack.enter_context(crate.Loop(path, "s", f"crate{number}")) for number in range(2)]
        writers = [stack.enter_context(Writer(path, f"w{number}", threads=2)) for number in range(2)]
        for writer in writers:
            writer.begin()
        for loop in loops:
            loop.wait_for(50)
        for writer in writers:
            writer.wait_for(50)
            writer.stop()
    for loop in loops:
        assert loop.refused == []
        assert [(row.seq, row.content_hash, row.payload) for row in crate.entries(path, *loop.name)] == loop.written
    check_written(path, writers)
