"""Those who wait at a store, as a backend gives them, and processes that write for them."""

import os
import select
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import agent_store
from agent_store.backends.waiter import Waiter
from agent_store.errors import StoreError
from processes import script

PATIENCE = 30.0
UNHEARD = 0.05
"""Seconds that no ring takes, as a rule; who is not rung for learns of it after 75 to 250 ms."""

WRITER = """
import sys, time
import agent_store
store = agent_store.open(sys.argv[1], durability="normal", timeout=30)
log = store.log("other", "process")
print("ready", flush=True)
for line in sys.stdin:
    for _ in range(int(line)):
        log.append(b"x")
    print(time.monotonic_ns(), flush=True)
"""
"""Appends as many entries as it is told, and says when it had."""

BY_SQLITE3 = """
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], timeout=30)
db.execute("CREATE TABLE IF NOT EXISTS theirs (x)")
db.commit()
print("ready", flush=True)
for line in sys.stdin:
    db.execute("INSERT INTO theirs VALUES (1)")
    db.commit()
    print(time.monotonic_ns(), flush=True)
"""
"""The same by a program that knows of no bell."""


def waiter_of(store: agent_store.Store) -> Waiter:
    return store._binding.backend.waiter()


def bell_of(path: Path) -> Path:
    return path.with_name(path.name + "-bell")


def settled(waiter: Waiter) -> int:
    """What it sees when nothing has come for longer than anything takes to be noticed."""
    while True:
        seen = waiter.look()
        if not waiter.wait(seen, 0.4):
            return seen


def number_in(bell: Path) -> int:
    """How often it was rung."""
    return int.from_bytes(bell.read_bytes()[8:12], "little")


@contextmanager
def another(path: Path, code: str = WRITER) -> Iterator["Another"]:
    with script(code, path) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield Another(process)
        finally:
            process.kill()


class Another:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def write(self, count: int = 1) -> None:
        """It is not waited for."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()

    def written(self) -> int:
        """When it had written, in nanoseconds of a clock that all have in common."""
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def noticed(self, waiter: Waiter, seen: int | None = None) -> float:
        """Seconds from when it has written until the waiter knows."""
        seen = settled(waiter) if seen is None else seen
        self.write()
        assert waiter.wait(seen, PATIENCE)
        now = time.monotonic_ns()
        return (now - self.written()) / 1e9


def ended(wait: Callable[[], object], meanwhile: Callable[[], object]) -> tuple[object, float]:
    """What became of a wait in another thread, and how long that took after `meanwhile` was called."""
    came: list[tuple[object, float]] = []

    def sleep() -> None:
        try:
            result: object = wait()
        except StoreError as error:
            result = type(error)
        came.append((result, time.monotonic()))

    thread = threading.Thread(target=sleep)
    thread.start()
    time.sleep(0.2)
    assert thread.is_alive()
    begun = time.monotonic()
    meanwhile()
    thread.join(PATIENCE)
    return came[0][0], came[0][1] - begun


def readable(descriptor: int, seconds: float = PATIENCE) -> bool:
    return bool(select.select([descriptor], [], [], seconds)[0])


def drain(descriptor: int) -> None:
    while readable(descriptor, 0):
        os.read(descriptor, 4096)


def eventually(true: Callable[[], bool]) -> bool:
    until = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True
