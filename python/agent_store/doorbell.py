"""The doorbell of a store."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from agent_store.follow import Newest, follow
from agent_store.subscription import Subscription
from agent_store.transaction import Binding
from agent_store.waiting import wait_for_rise

if TYPE_CHECKING:
    from agent_store._core import CommitEvent

COROUTINE = 0x80
"""Python's own mark of what `async def` makes (inspect.CO_COROUTINE)."""


class Doorbell:
    """Wakes whoever waits when something is committed: by this process, another, or (PostgreSQL) another machine."""

    def __init__(self, binding: Binding) -> None:
        self._binding = binding

    def wait(self, after: int | None = None, timeout: float | None = None) -> int:
        """Sleep until the store has a position above `after`; the newest, which at the timeout is what it was.

        `after=None` is the newest now. `timeout` is in seconds; 0 looks and does not sleep, None sleeps as long as it
        takes. Ctrl-C is heard within 100 ms.

        Raises StoreClosed where the store is closed meanwhile, StoreReplaced, ForkedStore; TransactionConflict inside
        `transaction()`, BackendError on a caller's connection.
        """
        newest = Newest(self._binding)
        return wait_for_rise(self._binding, "wait()", newest.position, newest.wait, after, timeout)

    def subscribe(self, callback: "Callable[[CommitEvent], object]", *, after: int | None = None) -> Subscription:
        """Have `callback(CommitEvent)` called for each entry committed from now on, or after position `after`.

        In commit order, none left out, whoever committed it. It runs in a thread of the subscription's own: a slow one
        holds up nobody else. What it raises is logged ("agent_store"), and the next event comes. A database that cannot
        be read is tried again; StoreClosed, StoreReplaced and what else cannot be read end it: `Subscription.error`.

        Raises TransactionConflict inside `transaction()`, BackendError on a caller's connection.
        """
        if not callable(callback):
            raise TypeError(f"callback must be a function of one CommitEvent, not {type(callback).__name__}")
        if getattr(getattr(callback, "__code__", None), "co_flags", 0) & COROUTINE:
            raise TypeError("callback is an `async def`, which nobody would await here: a store of open_async() does")
        return Subscription(callback, *follow(self._binding, "subscribe()", after=after))

    def ring(self) -> None:
        """Wake whoever waits: after a commit on a connection of one's own, which nobody else sees.

        Other commits ring by themselves. One that does not is noticed in a quarter of a second, on a
        server in one.
        """
        self._binding.backend.ring()
