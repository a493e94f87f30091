"""Waiting on an event loop for what a thread does."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


def nothing() -> None:
    """For who has nothing to do on a cancellation."""


async def settle(call: "Future[Result]", on_cancel: Callable[[], object] = nothing, *, firm: bool = False) -> Result:
    """What the call returns or raises.

    A cancellation takes back a call that has not begun, unless it is `firm`. One that runs is told, by `on_cancel`, and
    has come to its end when CancelledError leaves, also where one cancellation follows the other.
    """
    cancelled: asyncio.CancelledError | None = None
    while not call.done():
        try:
            await ended(call)
        except asyncio.CancelledError as error:
            if not firm and call.cancel():
                raise
            cancelled = cancelled or error
            on_cancel()
    if cancelled is not None:
        raise cancelled from call.exception()
    return call.result()


async def ended(call: "Future[Any]") -> None:
    """Until it has; a cancellation leaves at once."""
    loop = asyncio.get_running_loop()
    waiting = loop.create_future()
    call.add_done_callback(lambda _: wake(loop, waiting))
    await waiting


def wake(loop: asyncio.AbstractEventLoop, waiting: "asyncio.Future[None]") -> None:
    """Let who awaits it go on; from any thread."""
    with contextlib.suppress(RuntimeError):  # The loop is closed, and nobody awaits any more.
        loop.call_soon_threadsafe(let_go, waiting)


def let_go(waiting: "asyncio.Future[None]") -> None:
    """The same, on the loop's own thread."""
    if not waiting.done():
        waiting.set_result(None)


def is_over(loop: asyncio.AbstractEventLoop) -> bool:
    """True where it will run nothing more: a thread must not wait for it then."""
    return loop.is_closed() or not threading.main_thread().is_alive()


def apart(call: Callable[[], Result]) -> "Future[Result]":
    """A call in a thread of its own, which waits for no other."""
    thread = ThreadPoolExecutor(1, "agent-store")
    try:
        return thread.submit(call)
    finally:
        thread.shutdown(wait=False)
