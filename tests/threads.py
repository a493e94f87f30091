"""Many threads on one store, and what must hold of it afterwards."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

import crate
from agent_store import Entry, Store

THREADS = 16
PATIENCE = 60.0
"""Seconds that a test waits for threads to come to their end: far more than it takes."""
A_MOMENT = 0.3
"""Seconds in which threads that have begun come to where they must wait."""
ASLEEP = 0.1
"""Seconds in which one who has nothing to read falls asleep; a test is less sharp where it takes longer, not wrong."""
Result = TypeVar("Result")
Call = Callable[[Store], object]
Others = Callable[[Store], AbstractContextManager[None]]
"""Holds the write lock of a store."""


class Threads(Generic[Result]):
    """`work(0)`, `work(1)` …, each in a thread of its own; all have begun when this is made."""

    def __init__(self, work: Callable[[int], Result], threads: int = THREADS) -> None:
        self._work = work
        self._barrier = threading.Barrier(threads + 1)
        self._pool = ThreadPoolExecutor(threads)
        self._futures = [self._pool.submit(self._begin, number) for number in range(threads)]
        self._barrier.wait(PATIENCE)

    def _begin(self, number: int) -> Result:
        self._barrier.wait(PATIENCE)
        return self._work(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def results(self) -> list[Result]:
        return [future.result(PATIENCE) for future in self._futures]

    def outcomes(self) -> list[Result | BaseException]:
        """What each returned or raised."""
        return [future.exception(PATIENCE) or future.result() for future in self._futures]


def together(work: Callable[[int], Result], threads: int = THREADS) -> list[Result]:
    """What `work(0)`, `work(1)` … return, each in a thread of its own, begun at the same moment."""
    with Threads(work, threads) as begun:
        return begun.results()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another SQLite library holds the write lock of the file."""
    with crate.Session("python", path) as session:
        assert "error" not in session.ask("BEGIN IMMEDIATE")
        yield
        session.ask("ROLLBACK")


@contextmanager
def turn_taken(store: Store) -> Iterator[None]:
    """Another thread is in a transaction of the store."""
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with store.transaction():
            held.set()
            assert done.wait(PATIENCE)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        try:
            assert held.wait(PATIENCE)
            yield
        finally:
            done.set()
        holding.result(PATIENCE)


def at_once(store: Store, others: Others, calls: list[Call]) -> list[object]:
    """What each call returned or raised, each in a thread of its own, begun while others hold the write lock."""
    holding = others(store)
    with holding:
        threads: Threads[object] = Threads(lambda number: calls[number](store), len(calls))
        if not isinstance(holding, nullcontext):
            time.sleep(A_MOMENT)
    with threads:
        return threads.outcomes()


def check(store: Store, count: int) -> list[Entry]:
    """All entries, once it is clear that they are `count` in an unbroken order."""
    entries = list(store.entries())
    assert [entry.position for entry in entries] == list(range(1, count + 1))
    seqs = defaultdict(list)
    for entry in entries:
        seqs[entry.stream, entry.writer].append(entry.seq)
    for found in seqs.values():
        assert found == list(range(1, len(found) + 1))
    verdict = store.verify()
    assert verdict.holds, verdict.breaks
    assert (verdict.entries, verdict.entries_hold, verdict.logs) == (count, count, len(seqs))
    return entries
