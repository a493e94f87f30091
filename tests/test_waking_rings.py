"""When it rings: after each commit that appended or counted, and not before; never for what was rolled back."""

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

import agent_store
from agent_store import Store
from agent_store.errors import NonMonotonicGeneration
from threads import Threads, together

PROMPT = 0.1
"""Seconds within which a ring is heard, mostly; what nobody rings for is found after 0.125 s on average."""

RINGS: dict[str, Callable[[Store, int], object]] = {
    "append": lambda store, n: store.log("s", "w").append(b"x"),
    "append_many": lambda store, n: store.log("s", "w").append_many([b"x"] * 20),
    "append_many of the store": lambda store, n: store.append_many([("s", f"w{i}", b"x") for i in range(5)]),
    "append_many with batch": lambda store, n: store.log("s", "w").append_many([b"x"] * 7, batch=3),
    "bump": lambda store, n: store.generation("g").bump(),
    "set": lambda store, n: store.generation("g").set(n + 1),
    "advance_to": lambda store, n: store.generation("g").advance_to(n + 1),
    "reserve": lambda store, n: store.generation("g").reserve(5),
    "transaction": lambda store, n: in_transaction(store),
    "transaction, only a bump": lambda store, n: only_a_bump(store),
    "transaction, inner block kept": lambda store, n: in_transaction(store, inner=True),
    "doorbell.ring": lambda store, n: store.doorbell.ring(),
}


def in_transaction(store: Store, *, inner: bool = False) -> None:
    with store.transaction():
        store.execute("CREATE TABLE IF NOT EXISTS notes (text)")
        store.execute("INSERT INTO notes VALUES ('x')")
        if inner:
            with store.transaction():
                store.log("s", "w").append(b"x")
        else:
            store.log("s", "w").append(b"x")


def only_a_bump(store: Store) -> None:
    with store.transaction():
        store.generation("g").bump()


class Left(Exception):
    """Of the tests' own."""


def rolled_back(store: Store) -> None:
    with suppress(Left), store.transaction():
        store.log("s", "w").append(b"x")
        store.generation("g").bump()
        raise Left


def inner_rolled_back(store: Store) -> None:
    with store.transaction(), suppress(Left), store.transaction():
        store.log("s", "w").append(b"x")
        raise Left


def failing_iterable(store: Store) -> None:
    def payloads() -> Iterator[bytes]:
        yield from [b"x"] * 5_000
        raise Left

    with suppress(Left):
        store.log("s", "w").append_many(payloads())


def refused(store: Store) -> None:
    with suppress(NonMonotonicGeneration):
        store.generation("g").set(0)
    with suppress(agent_store.errors.HeadMoved):
        store.log("s", "w").append(b"x", expected=None)


SILENT: dict[str, Callable[[Store], object]] = {
    "rollback": rolled_back,
    "inner block rolled back": inner_rolled_back,
    "an iterable that fails": failing_iterable,
    "refused": refused,
    "empty transaction": lambda store: store.transaction().__enter__().transaction,
    "reading": lambda store: (list(store.entries()), store.heads(), store.position(), store.info()),
    "verify": lambda store: store.verify().holds,
    "query": lambda store: store.query("SELECT 1"),
    "append_many of nothing": lambda store: store.append_many([]),
}


def empty_transaction(store: Store) -> None:
    with store.transaction():
        store.position()


SILENT["empty transaction"] = empty_transaction


def heard(waiting: Store, call: Callable[[int], object], tries: int = 9) -> float:
    """The median of how long after `call` has begun one who waits is woken, in seconds."""
    waiter = waiting._binding.backend.waiter()

    def wait(seen: int) -> float:
        assert waiter.wait(seen, 10)
        return time.monotonic()

    late = []
    with ThreadPoolExecutor(1) as pool:
        for n in range(tries):
            time.sleep(0.05)
            woken = pool.submit(wait, waiter.look())
            time.sleep(0.02)
            began = time.monotonic()
            call(n)
            late.append(woken.result() - began)
    waiter.stop()
    return statistics.median(late)


@pytest.mark.parametrize("memory", [False, True], ids=["file", "memory"])
@pytest.mark.parametrize("what", RINGS)
def test_rings_in_the_same_store(path: Path, what: str, memory: bool) -> None:
    with agent_store.open(":memory:" if memory else path) as store:
        assert heard(store, lambda n: RINGS[what](store, n)) < PROMPT


@pytest.mark.parametrize("what", RINGS)
def test_rings_in_another_store(path: Path, what: str) -> None:
    """On the same file, as another process would be."""
    with agent_store.open(path) as store, agent_store.open(path) as waiting:
        waiting.doorbell.wait(timeout=0.1)
        time.sleep(0.1)
        assert heard(waiting, lambda n: RINGS[what](store, n)) < PROMPT


@pytest.mark.parametrize("memory", [False, True], ids=["file", "memory"])
@pytest.mark.parametrize("what", SILENT)
def test_does_not_ring(path: Path, what: str, memory: bool) -> None:
    with agent_store.open(":memory:" if memory else path) as store:
        store.log("s", "w").append(b"x")
        store.generation("g").set(3)
        waiter = store._binding.backend.waiter()
        waiter.wait(waiter.look(), 0.4)  # It has noticed by now what was written before.
        seen = waiter.look()
        for _ in range(3):
            SILENT[what](store)
        assert not waiter.wait(seen, 0.6)
        assert waiter.look() == seen
        waiter.stop()


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


def test_a_transaction_rings_once_and_at_its_end(path: Path) -> None:
    with agent_store.open(path) as store, agent_store.open(path) as waiting:
        waiter = waiting._binding.backend.waiter()
        waiter.wait(waiter.look(), 0.4)
        seen = waiter.look()
        with store.transaction():
            for _ in range(100):
                store.log("s", "w").append(b"x")
            assert not waiter.wait(seen, 0.4)
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
    # The quarterly look of who trusts no bell may find what a ring has told already.
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
