"""Many who wait and many who write, some of them killed or stopped: each sees every entry once, and none late."""

import random
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import agent_store
from processes import script
from watchers import LATE, WAYS, Watchers
from writers import Writer, check_written

EACH = 100
"""Entries that each of the four writers appends."""

PACED = f"""
import sys, time
import agent_store
with agent_store.open(sys.argv[1], durability="normal", timeout=30) as store:
    log = store.log("s", sys.argv[2])
    print("open", flush=True)
    sys.stdin.readline()
    for n in range({EACH}):
        if n % 10 == 9:
            entry = log.append_many([b"x"] * 3)
        elif n % 10 == 5:
            with store.transaction():
                store.generation("g").bump()
                entry = log.append(b"x")
        else:
            entry = log.append(b"x")
        print(log.entry(entry.seq).position, time.monotonic_ns(), flush=True)
        time.sleep(0.005)
"""


def read_times(output: str) -> dict[int, int]:
    """When each position was told."""
    lines = [line.split() for line in output.splitlines()]
    return {int(position): int(at) for position, at in lines}


ENTRIES = 4 * (EACH + 2 * EACH // 10)


def test_64_who_wait_in_8_processes_and_4_who_write(path: Path) -> None:
    agent_store.open(path).close()
    told: dict[int, int] = {}
    with ExitStack() as stack:
        waiting = [stack.enter_context(Watchers(path, f"waiting{n}", threads=8)) for n in range(8)]
        writing = [stack.enter_context(script(PACED, path, f"w{n}")) for n in range(4)]
        for process in writing:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
        for one in waiting:
            one.begin()
        for process in writing:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        for process in writing:
            output, _ = process.communicate(timeout=60)
            assert process.returncode == 0
            told |= read_times(output)
        assert len(told) == 4 * EACH
        for one in waiting:
            one.wait_for(ENTRIES)
            one.stop()
    late = sorted(second for one in waiting for second in one.check(ENTRIES, told))
    assert len(late) == 64 * len(told)
    assert late[-1] < LATE


def test_who_waits_is_killed_again_and_again(path: Path) -> None:
    """Nobody else notices: neither who writes nor who waits beside."""
    chance = random.Random(8)
    agent_store.open(path).close()
    with ExitStack() as stack:
        writers = [stack.enter_context(Writer(path, f"w{n}", threads=2)) for n in range(2)]
        staying = [stack.enter_context(Watchers(path, f"stays{n}")).begin() for n in range(2)]
        for writer in writers:
            writer.begin()
        for n in range(5):
            victim = stack.enter_context(Watchers(path, f"victim{n}", threads=6)).begin()
            time.sleep(chance.uniform(0, 0.1))
            victim.kill()
            for seen in victim.seen():
                assert [one.position for one in seen] == list(range(1, len(seen) + 1))
        for writer in writers:
            writer.wait_for(20)
            writer.stop()
            assert writer.worst < 2
        count = check_written(path, writers)
        for one in staying:
            one.wait_for(count)
            one.stop()
            one.check(count)


def test_who_writes_is_killed_again_and_again(path: Path) -> None:
    """At any point, between commit and ring too: what is there is seen."""
    chance = random.Random(9)
    agent_store.open(path).close()
    with ExitStack() as stack:
        waiting = [stack.enter_context(Watchers(path, f"waiting{n}")).begin() for n in range(2)]
        writers = []
        for n in range(12):
            writers.append(stack.enter_context(Writer(path, f"w{n}", threads=2)))
            writers[-1].begin()
            writers[-1].wait_for(3)
            time.sleep(chance.uniform(0, 0.03))
            writers[-1].kill()
        with agent_store.open(path, read_only=True) as store:
            count = store.position()
        began = time.monotonic()
        for one in waiting:
            one.wait_for(count)
        assert time.monotonic() - began < LATE
        for one in waiting:
            one.stop()
            one.check(count)
        assert check_written(path, writers) == count


UNRUNG = """
import os, signal, sys, time
import agent_store
from agent_store import _core
_core._options(rings=False)
store = agent_store.open(sys.argv[1])
print("open", flush=True)
sys.stdin.readline()
position = store.log("s", "w").append(b"x").position
print(position, time.monotonic_ns(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_writer_killed_between_commit_and_ring(path: Path) -> None:
    """What it committed is there, and found though nobody ever rang for it."""
    agent_store.open(path).close()
    told = {}
    with Watchers(path, "waiting", threads=6) as waiting:
        waiting.begin()
        for _ in range(4):
            with script(UNRUNG, path) as writer:
                assert writer.stdout is not None
                assert writer.stdout.readline() == "open\n"
                time.sleep(0.1)
                output, _ = writer.communicate("\n", timeout=60)
                position, at = map(int, output.split())
                told[position] = at
            assert writer.returncode == -signal.SIGKILL
            waiting.wait_for(position)
        waiting.stop()
    late = waiting.check(4, told)
    assert max(late) < LATE
    assert sum(late) / len(late) < 0.5


def test_who_was_stopped_sees_what_came_meanwhile(path: Path) -> None:
    with agent_store.open(path, durability="normal") as store, Watchers(path, "stopped", threads=6) as stopped:
        store.log("s", "w").append(b"x")
        stopped.begin()
        stopped.wait_for(1)
        stopped.process.send_signal(signal.SIGSTOP)
        for _ in range(2_000):
            store.log("s", "w").append(b"x")
        stopped.process.send_signal(signal.SIGCONT)
        stopped.wait_for(2_001)
        stopped.stop()
    stopped.check(2_001)


def test_who_waits_uses_no_processor(path: Path) -> None:
    """Twelve who wait, in each way; polling each millisecond takes 3 % of a processor for each."""
    agent_store.open(path).close()
    with ExitStack() as stack:
        waiting = [stack.enter_context(Watchers(path, way, threads=12, ways=(way,))).begin() for way in WAYS]
        time.sleep(0.7)
        before = [one.used() for one in waiting]
        time.sleep(1.5)
        used = [one.used() - earlier for one, earlier in zip(waiting, before, strict=True)]
        for one in waiting:
            one.stop()
    assert max(used) < 0.15


def test_closing_the_store_under_them_ends_all(path: Path) -> None:
    agent_store.open(path).close()
    with Watchers(path, "waiting", threads=12) as waiting:
        waiting.begin()
        time.sleep(0.3)
        began = time.monotonic()
        waiting.stop()
        assert time.monotonic() - began < LATE
