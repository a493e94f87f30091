"""One connection, and many threads that may use it: who has a transaction of the store open on it goes first."""

import threading
from collections.abc import Callable
from time import monotonic

from agent_store.errors import BusyError


class Turn:
    """`lock` is held for a call, and a transaction holds the turn over many."""

    def __init__(self, patience: Callable[[], float]) -> None:
        # Entered by `with`, which leaves no gap for an interrupt: what is written in Python would.
        self.lock = threading.RLock()
        self._free = threading.Condition(self.lock)
        self._patience = patience
        self._owner: int | None = None
        self._depth = 0

    def wait(self) -> None:
        """Until no other thread has a transaction open; the lock is held. BusyError after the connection's timeout."""
        if self._owner in {None, threading.get_ident()}:
            return
        begun = monotonic()
        until = begun + self._patience()
        while self._owner not in {None, threading.get_ident()}:
            if not self._free.wait(until - monotonic()) and monotonic() >= until:
                raise BusyError(
                    "a transaction that another thread has open on the same connection",
                    monotonic() - begun,
                    "a connection for each thread lets both go on",
                )

    def take(self) -> None:
        """A transaction begins; the lock is held."""
        self._owner = threading.get_ident()
        self._depth += 1

    def give(self) -> None:
        """It ends; the lock is held."""
        self._depth -= 1
        if self._depth == 0:
            self._owner = None
            self._free.notify_all()
