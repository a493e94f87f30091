"""Sleeping on an event loop until something rises."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from agent_store.waiting import Rise, check_can_wait

if TYPE_CHECKING:
    from agent_store.aio.calls import Calls


async def wait_for_rise(
    calls: "Calls", call: str, read: Callable[[int | None], Awaitable[int]], after: int | None, timeout: float | None
) -> int:
    """As `agent_store.waiting.wait_for_rise`. `read` is told what the bell showed, but for the first time."""
    rise = Rise(after, timeout)
    calls.here(check_can_wait, calls.binding, call)
    bell = calls.bell()
    await bell.enter()
    try:
        first = True
        while True:
            seen = bell.look()  # Before the database is asked: a commit after that ends the sleep.
            now = await read(None if first else seen)
            if rise.is_over(now):
                return now
            first = False
            await bell.sleep(bell.loop.create_future(), seen, rise.left)
    finally:
        bell.leave()
