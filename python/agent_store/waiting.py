"""Sleeping until something rises: how long, and that what is waited for can come at all."""

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from agent_store.errors import TransactionConflict
from agent_store.transaction import Binding

if TYPE_CHECKING:
    from agent_store.backends.waiter import Waiter

LONGEST = 3600.0
"""Seconds of one sleep, which every clock can hold; who has more time sleeps again."""


class Deadline:
    """So many seconds from when this is made; None: for ever."""

    def __init__(self, timeout: float | None) -> None:
        self._end = None if timeout is None else time.monotonic() + timeout

    def left(self) -> float | None:
        """What a waiter may be told; 0 or less when it is over."""
        return None if self._end is None else min(self._end - time.monotonic(), LONGEST)


def checked_timeout(timeout: float | None) -> float | None:
    """TypeError or ValueError for what is no time to wait for."""
    if timeout is None:
        return None
    if not isinstance(timeout, int | float):
        raise TypeError(f"timeout must be a number of seconds, or None to wait for ever, not {type(timeout).__name__}")
    try:
        possible = math.isfinite(timeout) and timeout >= 0
    except OverflowError:  # An int that is more than any float.
        possible = False
    if not possible:
        raise ValueError(f"timeout must be a finite number of seconds, 0 or more, not {timeout}; None waits for ever")
    return timeout


def checked_after(after: int | None) -> int | None:
    """TypeError or ValueError for what is no position, nor the value of a counter."""
    if after is not None and not isinstance(after, int):
        raise TypeError(f"after must be an int, or None for what is newest now, not {type(after).__name__}")
    if after is not None and after < 0:
        raise ValueError(f"after must be 0 or more, not {after}")
    return after


def check_can_wait(binding: Binding, call: str) -> None:
    """TransactionConflict where this thread itself keeps away what it would wait for."""
    if binding.reading() is not None:
        raise TransactionConflict(
            f"{call} inside a transaction of its own store: before that ends others commit nothing, and "
            "what is written in it is not committed either; leave the block first"
        )
    if binding.is_drawing():
        raise TransactionConflict(
            f"{call} from inside the iterable of append_many of its own store, whose write lock keeps all others from "
            "committing"
        )


class Rise:
    """Waiting until a number is above another. TypeError and ValueError for what cannot be waited for."""

    def __init__(self, after: int | None, timeout: float | None) -> None:
        self._after = checked_after(after)
        self._deadline = Deadline(checked_timeout(timeout))
        self.left: float | None = None
        """Seconds to sleep for, after `is_over` gave False."""

    def is_over(self, now: int) -> bool:
        """True where the number, which is `now`, has risen, or the time is over."""
        if self._after is None:
            self._after = now
        if now > self._after:
            return True
        self.left = self._deadline.left()
        return self.left is not None and self.left <= 0


def wait_for_rise(
    binding: Binding,
    call: str,
    read: Callable[[], int],
    sleep: "Callable[[Waiter, int, float | None], int | None]",
    after: int | None,
    timeout: float | None,
) -> int:
    """What `read` gives, once that is above `after` (None: what it gives first) or the timeout over.

    `sleep` is `Waiter.wait`, and gives what `read` would after it, or None where there was no ring.
    """
    rise = Rise(after, timeout)
    check_can_wait(binding, call)
    waiter = binding.backend.waiter()
    try:
        while True:
            seen = waiter.look()  # Before the database is asked: a commit after that ends the wait.
            now = read()
            if rise.is_over(now):
                return now
            risen = sleep(waiter, seen, rise.left)
            if risen is not None and rise.is_over(risen):
                return risen
    finally:
        waiter.stop()
