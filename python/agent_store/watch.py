"""Following a store: what is there, and then what comes."""

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from agent_store.follow import Follower
from agent_store.transaction import Binding

if TYPE_CHECKING:
    from collections import deque

    from agent_store._core import Entry


class Watch:
    """An iterator over entries as they are committed. For one thread; `close` is for any, and for handlers of signals."""

    def __init__(self, binding: Binding, follower: Follower, timeout: float | None) -> None:
        self._binding = binding
        self._follower = follower
        self._timeout = timeout
        self._waiter = binding.backend.waiter()
        self._closed = False
        self._page: deque[Entry]

    @property
    def position(self) -> int:
        """How far it has looked: to go on later, watch from here. Entries that were not taken yet are not counted."""
        raise NotImplementedError

    def close(self) -> None:
        """End the iteration, now or where it sleeps."""
        self._closed = True
        self._waiter.stop()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> "Entry":
        time.monotonic()
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
