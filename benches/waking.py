"""From a commit in one process to whoever waits in another: how long, with a doorbell and without one."""

import asyncio
import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

import agent_store
from agent_store import Store, _core
from by_hand import HASH, INSERT, ByHand
from cells import STREAM, payload, writer

PAUSE = 0.005
"""Seconds between two commits: whoever waits is asleep by then."""
POLL = 0.001
"""Seconds between two looks of who polls."""
DEADLINE = 30.0
CHANNEL = "by_hand"
SERVER_INSERT = "INSERT INTO by_hand VALUES (DEFAULT, %s, %s, %s, %s, %s, %s)"

Seen = list[tuple[int, int]]
"""Positions that were noticed, each with when, in nanoseconds of a clock that all processes have in common."""


class Latencies(NamedTuple):
    """Seconds, in order of size."""

    seconds: list[float]

    def at(self, part: float) -> float:
        return self.seconds[min(int(len(self.seconds) * part), len(self.seconds) - 1)]


def latencies(seen: Seen, committed: Seen) -> Latencies:
    """Each commit with the first look that noticed it, or a later one."""
    looks = iter(seen)
    position, when = next(looks)
    seconds = []
    for number, moment in committed:
        while position < number:
            position, when = next(looks)
        seconds.append((when - moment) / 1e9)
    return Latencies(sorted(seconds))


@contextmanager
def committing(how: str, target: str, count: int) -> Iterator[Callable[[], Seen]]:
    """A process that commits so many, once it is asked; the call waits for its end and gives the moments."""
    command = [sys.executable, __file__, how, target, str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("go\n")
        process.stdin.flush()

        def end() -> Seen:
            out, _ = process.communicate(timeout=DEADLINE)
            return [(position, moment) for position, moment in json.loads(out)]

        yield end


def listen(how: str, target: str, count: int, notice: Callable[[int, int], Seen]) -> Latencies:
    """`notice` is given the position to begin after and the one to end at."""
    with committing(how, target, count) as end:
        # The first one, by which all are ready.
        seen = notice(1, count + 1)
        return latencies(seen, end())


# How one notices.


def by_wait(store: Store) -> Callable[[int, int], Seen]:
    def notice(position: int, last: int) -> Seen:
        seen = []
        while position < last:
            position = store.doorbell.wait(position, timeout=DEADLINE)
            seen.append((position, time.monotonic_ns()))
        return seen

    return notice


def by_watch(store: Store) -> Callable[[int, int], Seen]:
    def notice(position: int, last: int) -> Seen:
        seen = []
        with store.watch(after=position, timeout=DEADLINE) as watch:
            for entry in watch:
                seen.append((entry.position, time.monotonic_ns()))
                if entry.position == last:
                    break
        return seen

    return notice


def by_async_watch(path: Path) -> Callable[[int, int], Seen]:
    async def notice(position: int, last: int) -> Seen:
        seen = []
        async with agent_store.open_async(path) as store, store.watch(after=position, timeout=DEADLINE) as watch:
            async for entry in watch:
                seen.append((entry.position, time.monotonic_ns()))
                if entry.position == last:
                    break
        return seen

    return lambda position, last: asyncio.run(notice(position, last))


def by_poll(db: sqlite3.Connection, read: str) -> Callable[[int, int], Seen]:
    """What one writes by hand: `read` gives the newest position last, in its first column."""

    def notice(position: int, last: int) -> Seen:
        seen = []
        version = -1
        while position < last:
            (now,) = db.execute("PRAGMA data_version").fetchone()
            if now == version:
                time.sleep(POLL)
                continue
            version = now
            for row in db.execute(read, [position]).fetchall():
                position = row[0]
                seen.append((position, time.monotonic_ns()))
        return seen

    return notice


NEWEST = "SELECT max(rowid) FROM _agent_store_log WHERE rowid > ? HAVING max(rowid) IS NOT NULL"
ROWS = "SELECT rowid, * FROM _agent_store_log WHERE rowid > ? ORDER BY rowid"


def by_listen(db: psycopg.Connection[Any]) -> Callable[[int, int], Seen]:
    def notice(position: int, last: int) -> Seen:
        seen: Seen = []
        db.execute(f"LISTEN {CHANNEL}")
        while position < last:
            for row in db.execute("SELECT * FROM by_hand WHERE id > %s ORDER BY id", [position]).fetchall():
                position = row[0]
                seen.append((position, time.monotonic_ns()))
            if position < last:
                for _ in db.notifies(timeout=DEADLINE, stop_after=1):
                    pass
        return seen

    return notice


# How it is committed. Each gives the position after a commit, and the moment from which it counts.


def our_commits(target: str) -> Callable[[int], tuple[int, int]]:
    """The moment is after COMMIT and before the ring."""
    store = agent_store.open(target, durability="normal")
    log = store.log(STREAM, writer(0))

    def commit(number: int) -> tuple[int, int]:
        _core._options(rings=False)
        position = log.append(payload(number)).position
        moment = time.monotonic_ns()
        _core._options(rings=True)
        store.doorbell.ring()
        return position, moment

    return commit


def their_commits(target: str) -> Callable[[int], tuple[int, int]]:
    hand = ByHand(Path(target))

    def commit(number: int) -> tuple[int, int]:
        hand.db.execute(INSERT, (STREAM, writer(0), number, HASH, HASH, payload(number)))
        return number, time.monotonic_ns()

    return commit


def our_server_commits(target: str) -> Callable[[int], tuple[int, int]]:
    """The moment is before the call: a notification can arrive before its answer does."""
    store = agent_store.open(target, durability="normal")
    log = store.log(STREAM, writer(0))

    def commit(number: int) -> tuple[int, int]:
        moment = time.monotonic_ns()
        return log.append(payload(number)).position, moment

    return commit


def their_server_commits(target: str) -> Callable[[int], tuple[int, int]]:
    db = psycopg.connect(target, autocommit=True)

    def commit(number: int) -> tuple[int, int]:
        moment = time.monotonic_ns()
        with db.transaction():
            db.execute(SERVER_INSERT, (STREAM, writer(0), number, HASH, HASH, payload(number)))
            db.execute(f"NOTIFY {CHANNEL}")
        return number, moment

    return commit


COMMITS = {
    "ours": our_commits,
    "by hand": their_commits,
    "our server": our_server_commits,
    "server by hand": their_server_commits,
}


def wait(url: str) -> None:
    """For each commit, until standard input ends."""
    with agent_store.open(url) as store, store.watch(timeout=60) as watch:

        def close_when_told() -> None:
            sys.stdin.read()
            watch.close()

        threading.Thread(target=close_when_told).start()
        store.doorbell.wait(timeout=0.1)
        print("waiting", flush=True)
        for _ in watch:
            pass


def main(how: str, target: str, count: int) -> None:
    commit = COMMITS[how](target)
    commit(1)
    print("ready", flush=True)
    sys.stdin.readline()
    moments = []
    for number in range(2, count + 2):
        time.sleep(PAUSE)
        moments.append(commit(number))
    print(json.dumps(moments))


if __name__ == "__main__":
    if sys.argv[1] == "wait":
        wait(sys.argv[2])
    else:
        main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
