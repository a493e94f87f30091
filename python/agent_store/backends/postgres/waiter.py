"""One who waits at a store on a server."""

import _thread
import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING

from agent_store.backends.postgres.alarm import Alarm
from agent_store.errors import BackendError, StoreClosed, StoreError

if TYPE_CHECKING:
    from agent_store._core import Entry
    from agent_store.backends.common.reading import Reading
    from agent_store.backends.postgres.bell import Bell
    from agent_store.backends.postgres.own import Own

SLICE = 0.1  # seconds; a signal need not end the sleep of the thread that its handler runs in


class Waiter:
    """Woken through a gate that is closed unless somebody rang: opening it takes no lock, so handlers may."""

    def __init__(self, store: "Own", bell: "Bell") -> None:
        self._store = store
        self._bell = bell
        self._pid = os.getpid()
        self._gate = _thread.allocate_lock()
        self._gate.acquire()
        self._alarm: Alarm | None = None
        # A handler of a signal may come by in the midst of what is done with the descriptor in the same thread.
        self._alarms = threading.RLock()
        self._failure: StoreError | None = None
        self._stopped = False
        bell.enter(self)

    @property
    def waits(self) -> bool:
        """False where nobody will ask it any more."""
        return not (self._stopped or self._store.closed)

    def look(self) -> int:
        """How often it rang."""
        self._check()
        return self._bell.count

    def _check(self) -> None:
        self._store.check_open()
        if self._failure is not None:
            raise self._failure

    def wait(self, seen: int, timeout: float | None) -> bool:
        """False after the timeout, or once stopped."""
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            if self._stopped:
                return False
            self._check()
            if self._bell.count != seen:
                return True
            left = SLICE if until is None else min(SLICE, until - time.monotonic())
            if left <= 0:
                return False
            self._gate.acquire(timeout=left)

    def read(self, pages: "Reading", limit: int, seen: int, timeout: float | None) -> "list[Entry] | None":
        """`wait`, and then the next page."""
        return self._store.read(pages, limit) if self.wait(seen, timeout) else None

    def glance(self, pages: "Reading", limit: int) -> "list[Entry] | None":  # noqa: ARG002 - as the Protocol has it
        """A server answers when it does."""
        return None

    def fileno(self) -> int:
        """Readable at first, as it may have rung before."""
        with self._alarms:
            if self._alarm is None:
                if self._stopped:
                    raise StoreClosed("the waiter was stopped")
                try:
                    self._alarm = Alarm()
                except OSError as error:
                    raise BackendError(f"no descriptor for an event loop can be made ({error})") from error
                self._alarm.set()
            return self._alarm.fileno()

    def wake(self) -> None:
        """For it to look."""
        with contextlib.suppress(RuntimeError):  # It is open already.
            self._gate.release()
        if self._alarm is not None:
            with self._alarms:
                if self._alarm is not None:
                    self._alarm.set()

    def fail(self, error: StoreError) -> None:
        """There is nothing more to come."""
        self._failure = error
        self.wake()

    def stop(self) -> None:
        """Any number of times."""
        if self._stopped:
            return
        self._stopped = True
        with self._alarms:
            alarm, self._alarm = self._alarm, None
            if alarm is not None:
                alarm.close()
        if self._pid == os.getpid():
            self.wake()
            self._bell.left()

    def __del__(self) -> None:
        if not getattr(self, "_stopped", True):
            self.stop()
