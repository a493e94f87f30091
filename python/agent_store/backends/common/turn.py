"""One connection, and many threads that may use it: who has a transaction of the store open on it goes first."""

import threading
from collections.abc import Callable
from time import monotonic

from agent_store.errors import BusyError

NAP = 0.05  # seconds between two looks, should a waiting thread not be woken


class Turn:
    """`lock` is held for a call, and a transaction holds the turn over many."""

    def __init__(self, patience: Callable[[], float]) -> None:
        # Entered by `with`, which leaves no gap for an interrupt: what is written in Python would.
        self.lock = threading.RLock()
        self._free = threading.Condition(self.lock)
        self._patience = patience
        self._taken: dict[object, int] = {}  # by a transaction, of this thread

    def _is_others(self) -> bool:
        me = threading.get_ident()
        return any(thread != me for thread in self._taken.values())

    def wait(self) -> None:
        """Until no other thread has a transaction open; the lock is held. BusyError after the connection's timeout."""
        if not self._taken or not self._is_others():
            return
        begun = monotonic()
        until = begun + self._patience()
        while self._is_others():
            left = until - monotonic()
            if left <= 0:
                raise BusyError(
                    "a transaction that another thread has open on the same connection",
                    monotonic() - begun,
                    "a connection for each thread lets both go on",
                )
            self._free.wait(min(left, NAP))

    def take(self, token: object) -> None:
        """A transaction begins; the lock is held."""
        self._taken[token] = threading.get_ident()

    def give(self, token: object) -> None:
        """It ends, any number of times; the lock is held."""
        self._taken.pop(token, None)
        self._free.notify_all()
