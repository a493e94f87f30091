"""When it rings: after each commit that appended or counted, and not before; never for what was rolled back."""

import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

import agent_store
import ringing
from agent_store import Store
from forking import say
from ringing import RINGS, SILENT
from threads import Threads, together

PROMPT = 0.08
"""Seconds within which a ring is heard, mostly; what nobody rings for is found after 0.15 s on average."""
Do = Callable[[str], object]


@contextmanager
def another_process(path: Path) -> Iterator[Do]:
    """Does what it is told, by the names of `ringing`."""
    command = [sys.executable, ringing.__file__, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"

        def do(name: str) -> None:
            assert say(process, name) == "done"

        yield do
        process.communicate(timeout=60)


@contextmanager
def ringing_in(where: str, path: Path) -> Iterator[tuple[Store, Do]]:
    """A store in which somebody waits, and what does as it is told."""
    with agent_store.open(":memory:" if where == "memory" else path) as waiting:
        ringing.prepare(waiting)
        if where == "another process":
            waiting.doorbell.wait(timeout=0.01)
            with another_process(path) as do:
                yield waiting, do
        elif where == "another store":
            with agent_store.open(path) as other:
                yield waiting, lambda name: {**RINGS, **SILENT}[name](other)
        else:
            yield waiting, lambda name: {**RINGS, **SILENT}[name](waiting)


WHERE = ["the same store", "another store", "another process", "memory"]


@pytest.mark.parametrize("where", WHERE)
def test_what_rings(path: Path, where: str) -> None:
    """It has rung when the call returns."""
    with ringing_in(where, path) as (waiting, do):
        waiter = waiting._binding.backend.waiter()
        for name in RINGS:
            for _ in range(3):
                seen = waiter.look()
                do(name)
                assert waiter.look() != seen, name
                assert waiter.wait(seen, 0)
        waiter.stop()


@pytest.mark.parametrize("where", WHERE)
def test_what_does_not_ring(path: Path, where: str) -> None:
    with ringing_in(where, path) as (waiting, do):
        waiter = waiting._binding.backend.waiter()
        waiter.wait(waiter.look(), 0.4)  # It has noticed by now what was written before.
        seen = waiter.look()
        for name in SILENT:
            do(name)
            assert waiter.look() == seen, name
        assert not waiter.wait(seen, 0.4)
        waiter.stop()


@pytest.mark.parametrize("where", WHERE)
def test_who_sleeps_is_woken(path: Path, where: str) -> None:
    with ringing_in(where, path) as (waiting, do), ThreadPoolExecutor(1) as pool:
        waiter = waiting._binding.backend.waiter()

        def sleep(seen: int) -> float:
            assert waiter.wait(seen, 10)
            return time.monotonic()

        late = []
        for _ in range(15):
            woken = pool.submit(sleep, waiter.look())
            time.sleep(0.02)
            began = time.monotonic()
            do("append")
            late.append(woken.result() - began)
        waiter.stop()
    assert statistics.median(late) < PROMPT


def test_each_batch_rings_for_itself(path: Path) -> None:
    """Who waits sees the first batch while the iterable has not gone on to the next."""
    with agent_store.open(path) as store, ThreadPoolExecutor(1) as pool:
        found = []

        def payloads() -> Iterator[bytes]:
            waiting = pool.submit(store.doorbell.wait, 0, 10)
            for n in range(1, 13):
                yield b"x"
                if n % 4 == 0:
                    found.append(waiting.result())
                    waiting = pool.submit(store.doorbell.wait, n, 10 if n < 12 else 0)

        store.log("s", "w").append_many(payloads(), batch=4)
    assert found == [4, 8, 12]


def test_a_transaction_rings_at_its_end(path: Path) -> None:
    with agent_store.open(path) as store, agent_store.open(path) as waiting:
        waiter = waiting._binding.backend.waiter()
        waiter.wait(waiter.look(), 0.4)
        seen = waiter.look()
        with store.transaction():
            for _ in range(100):
                store.log("s", "w").append(b"x")
            assert not waiter.wait(seen, 0.3)
        assert waiter.wait(seen, 10)
        assert waiting.position() == 100
        waiter.stop()


@pytest.mark.parametrize("durability", ["full", "normal"])
@pytest.mark.parametrize("memory", [False, True], ids=["file", "memory"])
def test_what_was_rung_for_can_be_read(path: Path, durability: str, memory: bool) -> None:
    """Who is woken too early reads what was there before, and then sleeps until somebody else rings."""
    target = ":memory:" if memory else path
    with agent_store.open(target, durability=durability) as store:  # type: ignore[arg-type]
        log = store.log("s", "w")
        waiter = store._binding.backend.waiter()
        early = 0

        def append(_: int) -> None:
            for _ in range(100):
                time.sleep(0.003)
                log.append(b"x")

        with Threads(append, 1) as threads:
            position = 0
            while position < 100:
                seen = waiter.look()
                found = store.position()
                early += found == position
                position = found
                if position < 100:
                    assert waiter.wait(seen, 30)
            threads.results()
        waiter.stop()
    # The look at the database, four times a second, may find what a ring has told already.
    assert early <= 15


def test_every_commit_of_many_threads_is_heard(path: Path) -> None:
    """They share commits: each of these rings, and nobody who waits sleeps over one."""
    each, threads = 150, 8
    with agent_store.open(path) as store, agent_store.open(path) as other:
        total = each * threads

        def wait(store: Store) -> list[int]:
            found: list[int] = []
            while not found or found[-1] < total:
                found.append(store.doorbell.wait(found[-1] if found else 0, timeout=30))
            return found

        def work(number: int) -> list[int]:
            if number < threads:
                log = store.log("s", str(number))
                return [log.append(b"x").position for _ in range(each)]
            return wait(store if number % 2 else other)

        written = together(work, threads + 4)
    assert sorted(position for found in written[:threads] for position in found) == list(range(1, total + 1))
    for found in written[threads:]:
        assert found == sorted(set(found))
        assert found[-1] == total


def test_rings_without_need_hurt_nobody(path: Path) -> None:
    with agent_store.open(path) as store, store.watch(timeout=0.5) as watch:
        enough = threading.Event()

        def ring(_: int) -> None:
            while not enough.is_set():
                store.doorbell.ring()
                time.sleep(0.001)

        with Threads(ring, 2) as threads:
            began = time.monotonic()
            assert list(watch) == []
            assert store.doorbell.wait(timeout=0.2) == 0
            enough.set()
            assert 0.6 < time.monotonic() - began < 5
            threads.results()
