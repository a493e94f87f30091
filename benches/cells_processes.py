"""Eight processes on one file, a row a commit, against the same with Python's sqlite3: how fast, and how slow."""

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Literal

import agent_store
from agent_store.errors import StoreError
from by_hand import HASH, INSERT, ByHand
from cells import STREAM, Cell, payload, remove, writer
from pairs import Pair, Side, Work, timed

PROCESSES = 8
WORST_AT_MOST = 0.1
"""Seconds that the slowest append may take, or else a fifth of what it takes by hand."""


@dataclass
class Ran:
    """What the processes said of the runs so far."""

    worst: float = 0.0
    errors: int = 0
    seconds: list[float] = field(default_factory=list)


class Crew:
    """Processes that are told a file, open it, wait, append to it, and wait for the next."""

    def __init__(self, how: Literal["ours", "by hand"]) -> None:
        self.ran = Ran()
        self._processes = [
            subprocess.Popen(
                [sys.executable, __file__, how, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for number in range(PROCESSES)
        ]

    def _tell(self, line: str) -> None:
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(line + "\n")
            process.stdin.flush()

    def _hear(self) -> list[str]:
        lines = []
        for process in self._processes:
            assert process.stdout is not None
            lines.append(process.stdout.readline())
            assert lines[-1], "a process ended by itself"
        return lines

    @contextmanager
    def side(self, path: Path, rows: int) -> Iterator[Work]:
        self._tell(json.dumps([str(path), rows // PROCESSES]))
        self._hear()

        def work() -> None:
            self._tell("go")
            for line in self._hear():
                worst, errors = json.loads(line)
                self.ran.worst = max(self.ran.worst, worst)
                self.ran.errors += errors

        yield work
        self._hear()
        remove(path)

    def close(self) -> None:
        for process in self._processes:
            process.communicate("", timeout=60)


@contextmanager
def crews(folder: Path, rows: int) -> Iterator[tuple[Side, Side, Ran, Ran]]:
    with ExitStack() as stack:
        ours, by_hand = Crew("ours"), Crew("by hand")
        stack.callback(ours.close)
        stack.callback(by_hand.close)

        def our_side() -> AbstractContextManager[Work]:
            agent_store.open(folder / "ours.db").close()
            return ours.side(folder / "ours.db", rows)

        def floor() -> AbstractContextManager[Work]:
            ByHand(folder / "floor.db").close()
            return by_hand.side(folder / "floor.db", rows)

        yield our_side, floor, ours.ran, by_hand.ran


@contextmanager
def one_by_one(folder: Path, rows: int) -> Iterator[Pair]:
    with crews(folder, rows) as (ours, floor, ran, _):
        yield Pair(ours, floor)
        assert ran.errors == 0


def worst_append(folder: Path, rows: int) -> tuple[Ran, Ran]:
    """Ours, and by hand."""
    with crews(folder, rows) as (ours, floor, our_run, by_hand):
        our_run.seconds.append(timed(ours))
        by_hand.seconds.append(timed(floor))
    return our_run, by_hand


CELLS = (Cell("8 processes append one by one, normal", 1.2, one_by_one, rows=80_000, few=8_000, rounds=3),)


Appending = tuple[Callable[[bytes], object], Callable[[], None]]
"""How to append, and how to close."""


def by_us(path: str, name: str) -> Appending:
    store = agent_store.open(path, durability="normal", timeout=60)
    return store.log(STREAM, name).append, store.close


def by_them(path: str, name: str) -> Appending:
    db = sqlite3.connect(path, isolation_level=None, timeout=60)
    db.execute("PRAGMA synchronous = normal")
    seqs = count(1)

    def append(payload: bytes) -> None:
        db.execute("BEGIN IMMEDIATE")
        db.execute(INSERT, (STREAM, name, next(seqs), HASH, HASH, payload))
        db.execute("COMMIT")

    return append, db.close


def main(how: str, number: int) -> None:
    for line in sys.stdin:
        path, each = json.loads(line)
        payloads = [payload(seq) for seq in range(each)]
        append, close = (by_us if how == "ours" else by_them)(path, writer(number))
        print("ready", flush=True)
        sys.stdin.readline()
        worst, errors = 0.0, 0
        for one in payloads:
            began = time.perf_counter()
            try:
                append(one)
            except (StoreError, sqlite3.Error):
                errors += 1
            worst = max(worst, time.perf_counter() - began)
        print(json.dumps([worst, errors]), flush=True)
        close()
        print("closed", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
