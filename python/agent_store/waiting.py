"""Sleeping until something rises: how long, and that what is waited for can come at all."""

import math
import time
from collections.abc import Callable

from agent_store.errors import TransactionConflict
from agent_store.transaction import Binding

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
    if not math.isfinite(timeout) or timeout < 0:
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


def wait_for_rise(
    binding: Binding, call: str, read: Callable[[], int], after: int | None, timeout: float | None
) -> int:
    """What `read` gives, once that is above `after` (None: what it gives first) or the timeout over."""
    after, timeout = checked_after(after), checked_timeout(timeout)
    check_can_wait(binding, call)
    waiter = binding.backend.waiter()
    try:
        deadline = Deadline(timeout)
        while True:
            seen = waiter.look()  # Before the database is asked: a commit after that ends the wait.
            now = read()
            after = now if after is None else after
            left = deadline.left()
            if now > after or (left is not None and left <= 0):
                return now
            waiter.wait(seen, left)
    finally:
        waiter.stop()
