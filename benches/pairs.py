"""Measuring two ways of doing the same, in turn, so that whatever else the machine does hits both."""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

Work = Callable[[], object]
Side = Callable[[], AbstractContextManager[Work]]
"""Makes ready, gives what is to be timed, and clears away."""


@dataclass(frozen=True)
class Pair:
    ours: Side
    floor: Side


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
        times.floor.append(timed(pair.floor))
        times.ours.append(timed(pair.ours))
    return times


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
