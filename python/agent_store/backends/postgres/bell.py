"""The bell of a store on a server: who waits in this process, and the thread that hears of other processes."""

import atexit
import logging
import os
import threading
import time
import weakref
from typing import TYPE_CHECKING

from agent_store.backends.postgres.listener import Listener, channel
from agent_store.errors import BackendError

if TYPE_CHECKING:
    from agent_store.backends.postgres.address import Address
    from agent_store.backends.postgres.statements import Statements
    from agent_store.backends.postgres.waiter import Waiter
    from agent_store.errors import StoreError

_log = logging.getLogger("agent_store")
APART = 0.002  # seconds between two rings that each go along with what they are rung for


class Bell:
    """One for all stores of a process that were opened by the same URL. It makes nothing before it is needed.

    Its lock is held for a few lines only, and never while a server is asked. The handler of a signal may close a store
    in the midst of them, in the same thread.
    """

    def __init__(self, address: "Address", statements: "Statements", oid: int) -> None:
        self.address, self.statements, self.oid = address, statements, oid
        self.shown = address.shown
        self.channel = channel(oid)
        self.count = 0
        self._lock = threading.RLock()
        self._waiters: weakref.WeakSet[Waiter] = weakref.WeakSet()
        self._listener: Listener | None = None
        self._stores = 0
        self._heard = False
        self._mute = False  # and it was told
        self._rung = 0.0

    def join(self) -> None:
        """One store more."""
        with self._lock:
            self._stores += 1

    def leave(self) -> None:
        """One store is closed; after the last one what was rung is still sent, and no connection is left."""
        self.wake()
        with self._lock:
            self._stores -= 1
            listener = None
            if self._stores <= 0:
                listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()

    def enter(self, waiter: "Waiter") -> None:
        """One who waits; from here on somebody listens."""
        with self._lock:
            self._waiters.add(waiter)
            listener = self._listening()
        listener.alarm.set()

    def left(self) -> None:
        """One who waits has been stopped. It takes no lock."""
        listener = self._listener
        if listener is not None:
            listener.alarm.set()

    def ring(self, *, heard: bool, rung: bool = False) -> None:
        """After a commit; `heard` as the writer found under the store's lock, `rung` where that went along with it."""
        self._heard = heard
        if self._waiters:
            self.wake()
        if heard and not rung:
            self._notify()

    def goes_along(self) -> bool:
        """True where a ring is to travel behind the next entry, which saves it a way to the server and back.

        Not so where they follow close upon each other: then one by the bell's own connection is for many.
        """
        if not self._heard:
            return False
        now = time.monotonic()
        before, self._rung = self._rung, now
        return now > before + APART

    def wake(self) -> None:
        """Those who wait in this process."""
        with self._lock:
            self.count += 1
            waiters = list(self._waiters)
        for waiter in waiters:
            waiter.wake()

    def fail(self, error: "StoreError") -> None:
        """Those who wait now are told, and wait no more."""
        with self._lock:
            waiters = list(self._waiters)
            self._waiters.clear()
        for waiter in waiters:
            waiter.fail(error)

    def is_waited_at(self) -> bool:
        """True while somebody does."""
        with self._lock:
            for waiter in [waiter for waiter in self._waiters if not waiter.waits]:
                self._waiters.discard(waiter)
            return len(self._waiters) > 0

    def _notify(self) -> None:
        try:
            with self._lock:
                listener = self._listening()
                listener.wanted.yet = True  # Under the lock, which the thread takes to end.
        except BackendError as error:  # What was committed is committed, and they look by themselves.
            if not self._mute:
                _log.warning("%s: who waits elsewhere is not told, and sees it a little later (%s)", self.shown, error)
            self._mute = True
            return
        self._mute = False
        listener.notify()

    def _listening(self) -> Listener:
        """Under the lock. BackendError where the system has no thread for it, or no descriptor."""
        if self._listener is None:
            try:
                listener = Listener(self)
                listener.start()
            except (OSError, RuntimeError) as error:  # The latter is Python's own, for threads.
                raise BackendError(
                    f"waiting takes a thread and a descriptor, and none could be had: {error}"
                ) from error
            self._listener = listener
        return self._listener

    def ended(self, listener: Listener) -> bool:
        """The thread wants to end; False where it is needed after all."""
        with self._lock:
            if listener.wanted.yet or (not listener.closing and any(waiter.waits for waiter in self._waiters)):
                return False
            if self._listener is listener:
                self._listener = None
            return True


# By process: a child knows nothing of its parent's.
_bells: dict[int, "weakref.WeakValueDictionary[tuple[str, str, int], Bell]"] = {}
_locks: dict[int, threading.Lock] = {}


def bell_of(address: "Address", statements: "Statements", oid: int) -> Bell:
    """The one of this store, with this store counted in."""
    pid = os.getpid()
    with _locks.setdefault(pid, threading.Lock()):
        bells = _bells.setdefault(pid, weakref.WeakValueDictionary())
        key = (address.conninfo, statements.schema, oid)
        bell = bells.get(key)
        if bell is None:
            bell = bells[key] = Bell(address, statements, oid)
        bell.join()
        return bell


@atexit.register
def _end() -> None:
    """Nothing of it runs while the interpreter is taken down, and what was rung is sent."""
    for listener in [bell._listener for bell in _bells.get(os.getpid(), {}).values()]:  # noqa: SLF001
        if listener is not None:
            listener.close()
