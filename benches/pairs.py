"""Measuring two ways of doing the same, in turn, so that whatever else the machine does hits both."""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

Work = Callable[[], object]
Side = Callable[[], AbstractContextManager[Work]]
"""Makes ready, gives what is to be timed, and clears away."""
SYNCS = 32
FREE_SYNC = 50e-6
"""Seconds below which a sync does nothing, as in memory: what is measured with it then means nothing."""


@dataclass(frozen=True)
class Pair:
    """`part`: the floor does a part of the rows only, one in so many, and its seconds count so many times."""

    ours: Side
    floor: Side
    part: int = 1

    def time_floor(self) -> float:
        return timed(self.floor) * self.part


@dataclass
class Times:
    """Seconds of each round."""

    ours: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """How many times as long the floor takes: of the medians."""
        return statistics.median(self.floor) / statistics.median(self.ours)

    @property
    def best(self) -> float:
        """The same of the fastest rounds, which others disturbed least."""
        return min(self.floor) / min(self.ours)

    @property
    def spread(self) -> tuple[float, float]:
        ratios = [floor / ours for floor, ours in zip(self.floor, self.ours, strict=True)]
        return min(ratios), max(ratios)


def timed(side: Side) -> float:
    with side() as work:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began


def measure(pair: Pair, rounds: int) -> Times:
    times = Times()
    for _ in range(rounds):
        times.floor.append(pair.time_floor())
        times.ours.append(timed(pair.ours))
    return times


def sync_time(folder: Path) -> float:
    """Seconds of an fdatasync of 4 KiB that are on the disk already: the median of some."""
    seconds: list[float] = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        page = bytes(4096)
        file.write(page * SYNCS)
        os.fsync(file.fileno())
        for number in range(SYNCS):
            os.pwrite(file.fileno(), page, len(page) * number)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


@contextmanager
def on_cores(count: int | None) -> Iterator[None]:
    """Run on so many cores only; None: on all."""
    all_cores = os.sched_getaffinity(0)
    if count is not None:
        os.sched_setaffinity(0, sorted(all_cores)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_cores)
