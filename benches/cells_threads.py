"""Cells of many threads on one store, against threads that share one connection by hand; and what one thread pays."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from agent_store import Store, _core
from agent_store.store import Durability
from by_hand import HASH, INSERT, TABLE, Row
from cells import STREAM, Cell, new_store, of_one, one_by_one, payload, remove, writer
from pairs import Pair, Work

PART = 8
"""Of the rows by threads the floor does one in so many: it would take minutes."""


class Team:
    """Threads that wait to begin, each with a writer of its own."""

    def __init__(self, threads: int, work: Callable[[int], None]) -> None:
        self._begin = threading.Barrier(threads + 1)
        self._work = work
        self._threads = [threading.Thread(target=self._run, args=[number]) for number in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int) -> None:
        self._begin.wait()
        self._work(number)

    def run(self) -> None:
        self._begin.wait()
        for thread in self._threads:
            thread.join()


@contextmanager
def shared_by_hand(path: Path, synchronous: str) -> Iterator[Callable[[list[Row]], None]]:
    """Insert rows, each in a transaction of its own, through the one connection that all threads share."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode = wal")
    db.execute(f"PRAGMA synchronous = {synchronous}")
    db.execute(TABLE)
    lock = threading.Lock()

    def insert(rows: list[Row]) -> None:
        for row in rows:
            with lock:
                db.execute("BEGIN IMMEDIATE")
                db.execute(INSERT, row)
                db.execute("COMMIT")

    yield insert
    db.close()
    remove(path)


def by_threads(threads: int, durability: Durability) -> Callable[[Path, int], AbstractContextManager[Pair]]:
    @contextmanager
    def pair(folder: Path, rows: int) -> Iterator[Pair]:
        each = rows // threads
        payloads = [payload(number) for number in range(each)]

        def append(store: Store, number: int) -> None:
            log = store.log(STREAM, writer(number))
            for one in payloads:
                log.append(one)

        @contextmanager
        def ours() -> Iterator[Work]:
            with new_store(folder / "ours.db", durability, timeout=600) as store:
                yield Team(threads, lambda number: append(store, number)).run

        @contextmanager
        def floor() -> Iterator[Work]:
            made: list[list[Row]] = [
                [
                    (STREAM, writer(number), seq + 1, HASH if seq else None, HASH, payloads[seq])
                    for seq in range(each // PART)
                ]
                for number in range(threads)
            ]
            with shared_by_hand(folder / "floor.db", durability) as insert:
                yield Team(threads, lambda number: insert(made[number])).run

        yield Pair(ours, floor, PART)

    return pair


@contextmanager
def queue_switched_off() -> Iterator[None]:
    before = _core._options(queue=False)
    try:
        yield
    finally:
        _core._options(**before)


def beside_no_queue(durability: Durability) -> Callable[[Path, int], AbstractContextManager[Pair]]:
    """One thread, for which there is nobody to queue with; against the same without the queue."""

    @contextmanager
    def pair(folder: Path, rows: int) -> Iterator[Pair]:
        plain = of_one(rows)

        @contextmanager
        def ours() -> Iterator[Work]:
            with new_store(folder / "ours.db", durability) as store:
                yield one_by_one(store, plain)

        @contextmanager
        def floor() -> Iterator[Work]:
            with queue_switched_off(), ours() as work:
                yield work

        yield Pair(ours, floor)

    return pair


CELLS = (
    Cell("32 threads append one by one, full", 8.0, by_threads(32, "full"), rows=32 * 320, few=32 * 48, durable=True),
    Cell(
        "128 threads append one by one, full", 12.0, by_threads(128, "full"), rows=128 * 80, few=128 * 16, durable=True
    ),
    Cell("one thread, against no queue, normal", 0.97, beside_no_queue("normal"), rows=20_000),
    # The queue costs little beside a sync, and syncs differ by more than that: a matter of many rounds.
    Cell(
        "one thread, against no queue, full",
        0.97,
        beside_no_queue("full"),
        rows=1_000,
        rounds=21,
        durable=True,
        few=0,
    ),
)
