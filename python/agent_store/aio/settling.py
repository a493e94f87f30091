"""Waiting on an event loop for what a thread does."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from agent_store.errors import BackendError

Result = TypeVar("Result")
NAP = 0.1
"""Seconds after which a thread that waits for a loop looks whether that runs."""
STANDSTILL = 1.0
"""Seconds after which it gives up, where the loop does not."""


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


def wait_on(loop: asyncio.AbstractEventLoop, ready: Callable[[float], bool]) -> bool:
    """In a thread: True once `ready(seconds)` is; False where the loop is closed, or has not run for a while.

    Whoever left his loop, and his program's end, are not to wait for what the loop would do.
    """
    naps = 0
    while not ready(NAP):
        naps = 0 if loop.is_running() else naps + 1
        if loop.is_closed() or naps * NAP >= STANDSTILL:
            return False
    return True


class _Item(Generic[Result]):
    """A call on its way to a thread."""

    __slots__ = ("call", "future")

    def __init__(self, call: Callable[[], Result]) -> None:
        self.call = call
        self.future: Future[Result] = Future()

    def __call__(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self.call()
        except BaseException as error:  # noqa: BLE001 - for who awaits it
            self.future.set_exception(error)
            del self  # which the error would keep, by its traceback, and it the error
        else:
            self.future.set_result(result)


def submit(threads: ThreadPoolExecutor, call: Callable[[], Result]) -> "Future[Result]":
    """A call on its way. BackendError where no thread can be had: it is not on its way then."""
    item = _Item(call)
    try:
        threads.submit(item)
    except RuntimeError as error:  # Python's own: no more threads, or the end. It may be in their queue all the same.
        if item.future.cancel():
            raise BackendError(f"the store's calls run in threads, and none could be had: {error}") from error
    return item.future


def apart(call: Callable[[], Result]) -> "Future[Result]":
    """A call in a thread of its own, which waits for no other."""
    thread = ThreadPoolExecutor(1, "agent-store")
    try:
        return submit(thread, call)
    finally:
        thread.shutdown(wait=False)
