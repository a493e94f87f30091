"""Appending from an iterable of any length: drawn in chunks, written whole or in batches."""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

from agent_store.transaction import Binding

ROWS = 1_024
SIZE = 8 << 20  # bytes of payload

Item = TypeVar("Item")
Result = TypeVar("Result")
Draw = Callable[[int, int, int], tuple[list[Item], bool]]
Write = Callable[[list[Item], Any], Result]


def append_all(binding: Binding, draw: Draw[Item], write: Write[Item, Result], batch: int | None) -> Result | None:
    """Write all that `draw(first, rows, size)` gives; the last `write`'s result, None where there was nothing."""
    if batch is None:
        return _whole(binding, draw, write, 0, sys.maxsize)[0]
    if batch < 1:
        raise ValueError(f"batch must be 1 or more, not {batch}")
    if binding.writing() is not None:
        raise ValueError("batch= commits, and inside transaction() only its end does: leave batch= out")
    if not binding.backend.commits:
        raise ValueError("batch= commits, and here a transaction of the connection's owner does: leave batch= out")
    result: Result | None = None
    first, ended = 0, False
    while not ended:
        last, count, ended = _whole(binding, draw, write, first, batch)
        result = last if count else result
        first += count
    return result


def _whole(
    binding: Binding, draw: Draw[Item], write: Write[Item, Result], first: int, most: int
) -> tuple[Result | None, int, bool]:
    """Write at most `most` items in one transaction: the last result, how many, and whether the iterable ended."""

    def chunk(drawn: int) -> tuple[list[Item], bool]:
        # In memory there is one connection: what runs while it is lent could not even read. Memory holds all anyway.
        rows, size = (most, sys.maxsize) if binding.backend.exclusive else (min(ROWS, most - drawn), SIZE)
        return binding.draw(lambda: draw(first + drawn, rows, size))

    outer = binding.writing()
    items, ended = chunk(0)
    count = len(items)
    if count <= ROWS and (ended or count >= most):
        return (write(items, outer) if items else None), count, ended
    # No context manager: an interrupt could fall between its lines, and the write lock would be kept.
    tx = binding.backend.begin(outer)
    try:
        result: Result | None = None
        while items:
            for start in range(0, len(items), ROWS):  # An interrupt waits for no more than these.
                result = write(items[start : start + ROWS], tx)
            if ended or count >= most:
                break
            items, ended = chunk(count)
            count += len(items)
        binding.backend.commit(tx)
    except BaseException:
        binding.backend.rollback(tx)  # Also where an interrupt fell before the first line of commit().
        raise
    return result, count, ended
