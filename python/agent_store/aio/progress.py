"""`progress(done, total)` of a call that runs in a thread, called on the loop's own."""

import asyncio
import threading
from collections.abc import Callable

from agent_store.aio.settling import wait_on


class Relay:
    """Called in the thread of the call; has `progress` called on the loop, and raises what that does, as it would."""

    def __init__(self, progress: Callable[[int, int], object] | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._progress = progress
        self._error: BaseException | None = None
        self._told = threading.Event()

    def __call__(self, done: int, total: int) -> None:
        """Return once `progress` has."""
        if self._progress is not None and not self._loop.is_closed():
            self._told.clear()
            self._loop.call_soon_threadsafe(self._tell, done, total)
            wait_on(self._loop, self._told.wait)
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """End the call when it tells next, which it does 20 times a second."""
        self._error = self._error or asyncio.CancelledError()
        self._told.set()

    def _tell(self, done: int, total: int) -> None:
        try:
            if self._progress is not None and self._error is None:
                self._progress(done, total)
        except BaseException as error:
            self._error = error
            if not isinstance(error, Exception):
                raise  # Ctrl-C, and SystemExit, are for the loop too.
        finally:
            self._told.set()
