"""How long single appends take at worst while something large goes on in the same file, and how long the WAL gets."""

import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import agent_store
from agent_store import Store
from cells import BATCH, STREAM, filled, of_one, payload, writer

PAUSE = 0.001
"""Seconds between two appends: there are about so many as a busy program makes, and they do not crowd out the other."""
LONG = 5.0
"""Seconds for which they are measured, where what they are beside does not say how long."""


@dataclass(frozen=True)
class Slowest:
    """Seconds of appends, and bytes of the WAL."""

    worst: float
    median: float
    wal: int


def appends(store: Store, path: Path, go_on: Callable[[], bool]) -> Slowest:
    log, wal = store.log(STREAM, "beside"), Path(f"{path}-wal")
    seconds: list[float] = []
    longest = 0
    while go_on():
        began = time.perf_counter()
        log.append(payload(len(seconds)))
        seconds.append(time.perf_counter() - began)
        longest = max(longest, wal.stat().st_size)
        time.sleep(PAUSE)
    return Slowest(max(seconds), statistics.median(seconds), longest)


def alone(path: Path, rows: int) -> Slowest:
    until = time.monotonic() + LONG
    with agent_store.open(path, durability="normal") as store:
        return appends(store, path, lambda: time.monotonic() < until)


def beside_a_thread(path: Path, work: Callable[[Store], object]) -> Slowest:
    with agent_store.open(path, durability="normal", timeout=60) as store:
        other = threading.Thread(target=work, args=[store])
        other.start()
        found = appends(store, path, other.is_alive)
        other.join()
    return found


def verification(path: Path, rows: int) -> Slowest:
    until = time.monotonic() + LONG

    def again_and_again(store: Store) -> None:
        while time.monotonic() < until:
            store.verify().raise_if_broken()

    return beside_a_thread(path, again_and_again)


def bulk(store: Store, rows: int) -> None:
    store.log(STREAM, writer(1)).append_many(map(payload, range(rows)), batch=BATCH)


def import_by_a_thread(path: Path, rows: int) -> Slowest:
    return beside_a_thread(path, lambda store: bulk(store, rows))


def import_by_a_process(path: Path, rows: int) -> Slowest:
    with (
        subprocess.Popen([sys.executable, __file__, str(path), str(rows)], stdout=subprocess.PIPE, text=True) as other,
        agent_store.open(path, durability="normal", timeout=60) as store,
    ):
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        found = appends(store, path, lambda: other.poll() is None)
        assert other.returncode == 0
    return found


BESIDE = {
    "nothing else": alone,
    "verifications of 1,000,000 rows": verification,
    "an import of 1,000,000 rows by a thread": import_by_a_thread,
    "an import of 1,000,000 rows by a process": import_by_a_process,
}


@contextmanager
def a_copy(folder: Path, rows: int) -> Iterator[Path]:
    """Of the store that the cells of one chain read."""
    with filled(folder, of_one(rows)):
        pass
    path = folder / "beside.db"
    shutil.copyfile(folder / "ours.db", path)
    yield path
    path.unlink()


if __name__ == "__main__":
    with agent_store.open(sys.argv[1], durability="normal", timeout=60) as opened:
        print("open", flush=True)
        bulk(opened, int(sys.argv[2]))
