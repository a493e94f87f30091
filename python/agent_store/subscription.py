"""Having a function told of commits, in a thread of its own."""

import atexit
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from agent_store._core import CommitEvent
from agent_store.errors import BackendError, BusyError, StoreClosed
from agent_store.follow import Follower

if TYPE_CHECKING:
    from agent_store._core import Entry
    from agent_store.backends.waiter import Waiter

PAUSES = (0.1, 5.0)
"""Seconds before a database that cannot be read is tried again: at first, and at most."""
LAST = 5.0
"""Seconds that the program's end waits for callbacks that run, all together."""
NAP = 0.05
"""Seconds after which one who pauses sees that it was closed."""
_running: "set[Subscription]" = set()


class Subscription:
    """A callback that is told of commits, until this is closed or the program ends. `Doorbell.subscribe` makes it."""

    def __init__(self, callback: Callable[[CommitEvent], object], waiter: "Waiter", follower: Follower) -> None:
        self._callback = callback
        self._waiter = waiter
        self._follower = follower
        self._closed = False
        self._error: BaseException | None = None
        # As a daemon it keeps no program from its end. Python would stop it anywhere then, also amid what is not
        # Python: so it is ended before that.
        self._thread = threading.Thread(target=self._run, name="agent-store subscription", daemon=True)
        if not _running:
            atexit.unregister(_close_all)
            atexit.register(_close_all)
        _running.add(self)
        try:
            self._thread.start()
        except RuntimeError as error:  # Python's own: there are no more threads, or the program is at its end.
            _running.discard(self)
            waiter.stop()
            raise BackendError(f"a subscription runs in a thread of its own, and none could be had: {error}") from error

    @property
    def position(self) -> int:
        """How far it has come: `subscribe(…, after=subscription.position)` goes on from here.

        The position of the newest event that the callback was called with, or of all there is where that is behind.
        """
        return self._follower.position

    @property
    def error(self) -> BaseException | None:
        """What ended it: StoreClosed, StoreReplaced, or what reading raised; None until then, and after `close`."""
        return self._error

    def close(self) -> None:
        """No callback begins after this returns; one that runs is waited for, unless it is the one that closes.

        For any thread, and for handlers of signals. Any number of times.
        """
        self._end()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _end(self) -> None:
        self._closed = True
        self._waiter.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        try:
            self._serve()
        except BaseException as error:  # noqa: BLE001 - told as it came
            if not self._closed:
                self._error = error
                log_end(self.position, error)
        finally:
            self._waiter.stop()
            _running.discard(self)

    def _serve(self) -> None:
        pause = 0.0
        while not self._is_closed():
            try:
                seen = self._waiter.look()  # Before the database is asked: a commit after that ends the sleep.
                if not self._follower.step():
                    self._follower.wait(self._waiter, seen, None)
                pause = 0.0
            except (BackendError, BusyError) as error:
                pause = longer(pause, self.position, error)
                self._nap(pause)
            while not self._is_closed() and (entry := self._follower.take()) is not None:
                self._tell(entry)

    def _is_closed(self) -> bool:
        return self._closed

    def _nap(self, seconds: float) -> None:
        # Not by what `close` would notify: a handler of a signal may call that amid itself.
        end = time.monotonic() + seconds
        while not self._closed and time.monotonic() < end:
            time.sleep(NAP)

    def _tell(self, entry: "Entry") -> None:
        event = event_of(entry)
        try:
            self._callback(event)
        except BaseException:  # noqa: BLE001 - it is told
            log_raised(event)


def _close_all() -> None:
    until = time.monotonic() + LAST
    running = list(_running)
    for one in running:
        one._end()  # noqa: SLF001
    for one in running:  # A callback may wait for what comes no more.
        one._thread.join(max(0.0, until - time.monotonic()))  # noqa: SLF001


# What subscriptions of threads and of tasks have in common.


def event_of(entry: "Entry") -> CommitEvent:
    """The news of its commit."""
    return CommitEvent(entry.stream, entry.writer, entry.seq, entry.content_hash, entry.position)


def longer(pause: float, position: int, error: Exception) -> float:
    """Seconds to pause now that this could not be read; it was so many before, or 0 where that is new."""
    if not pause:
        _log().warning("a subscription at position %d tries again until it can read: %s", position, error)
    return min(pause * 2 or PAUSES[0], PAUSES[1])


def log_raised(event: CommitEvent) -> None:
    """What is being handled came from the callback."""
    place = {"stream": event.stream, "writer": event.writer, "seq": event.seq, "position": event.position}
    _log().exception(
        "the callback of a subscription raised at stream %r, writer %r, seq %d, position %d; it goes on",
        *place.values(),
        extra=place,
    )


def log_end(position: int, error: BaseException) -> None:
    """It ends, though nobody closed it."""
    if isinstance(error, StoreClosed):
        _log().info("a subscription ended at position %d, as %s", position, error)
    else:
        _log().error("a subscription ended at position %d", position, exc_info=error)


def _log() -> Any:
    import logging  # It takes long to import, and most programs have nothing to tell.

    return logging.getLogger("agent_store")
