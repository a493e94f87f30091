"""Turns are given in the order of coming: no thread starves, and those that wait together are written together."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import agent_store
from agent_store import Store, _core
from agent_store.errors import StoreError
from processes import run
from threads import THREADS, Call, at_once, locked, together

CROWD = 32
SECONDS = 1.5
TRIES = 4
"""So often may others have kept the machine busy: of what is fair one is seen to be so."""
STARVED = 20
"""Times the median of the threads' worst calls, which the worst of none may be."""
SHARE = 0.5
"""Of the calls that the median thread came to, which each must come to."""


def append(store: Store, number: int) -> None:
    store.log("s", str(number)).append(b"x" * 100)


def transaction(store: Store, number: int) -> None:
    with store.transaction():
        store.log("s", str(number)).append(b"x" * 100)


def mixed(store: Store, number: int) -> None:
    """One thread in four waits for turns that it has for itself."""
    if number % 4:
        append(store, number)
    elif number % 8:
        transaction(store, number)
    else:
        store.append_many([("s", str(number), b"x" * 100)] * 5)


def turns(store: Store, call: Callable[[Store, int], None]) -> list[tuple[float, int]]:
    """Seconds of each thread's slowest call, and how many calls it came to."""
    until = time.monotonic() + SECONDS

    def work(number: int) -> tuple[float, int]:
        worst, count = 0.0, 0
        while (began := time.monotonic()) < until:
            call(store, number)
            worst = max(worst, time.monotonic() - began)
            count += 1
        return worst, count

    return together(work, CROWD)


@pytest.mark.parametrize("durability", ["full", "normal"])
@pytest.mark.parametrize("call", [append, transaction, mixed])
def test_no_thread_starves(path: Path, call: Callable[[Store, int], None], durability: str) -> None:
    seen = []
    for tries in range(TRIES):
        file = path.with_name(f"{tries}.db")
        with agent_store.open(file, durability=durability, timeout=60) as store:  # type: ignore[arg-type]
            worst, count = zip(*turns(store, call), strict=True)
        seen.append((max(worst) / statistics.median(worst), min(count) / statistics.median(count)))
        if seen[-1][0] <= STARVED and seen[-1][1] >= SHARE:
            return
    pytest.fail(f"the slowest call of a thread, and the fewest, in terms of the median thread: {seen}")


COMMITS = """
import sys
with open(sys.argv[1] + "-wal", "rb") as file:
    wal = file.read()
page, salts, count = int.from_bytes(wal[8:12], "big"), wal[16:24], 0
for start in range(32, len(wal), 24 + page):
    if wal[start + 8 : start + 16] != salts:
        break
    count += wal[start + 4 : start + 8] != bytes(4)
print(salts.hex(), count)
"""
"""How many commits the WAL holds: https://www.sqlite.org/fileformat2.html#walformat has its bytes."""


def commits(path: Path) -> tuple[str, int]:
    [line] = run(COMMITS, path)
    salts, count = line.split()
    return salts, int(count)


@pytest.mark.parametrize("kind", ["append", "bump"])
def test_what_waited_together_is_one_commit(path: Path, kind: str) -> None:
    call: Call = (lambda store: append(store, 0)) if kind == "append" else (lambda store: store.generation("g").bump())

    def needed(store: Store) -> int:
        salts, before = commits(path)
        told = at_once(store, lambda _: locked(path), [call] * THREADS)
        assert not [error for error in told if isinstance(error, StoreError)]
        same, after = commits(path)
        assert same == salts, "the WAL began anew in between"
        return after - before

    with agent_store.open(path, timeout=60) as store:
        assert needed(store) <= 2  # Who had the lock already when the others came may be written alone.
        before = _core._options(queue=False)
        try:
            assert needed(store) == THREADS
        finally:
            _core._options(**before)
