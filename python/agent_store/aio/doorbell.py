"""The doorbell of a store, awaited."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from agent_store.aio.following import Following
from agent_store.aio.opened import Opening
from agent_store.aio.subscription import AsyncSubscription
from agent_store.aio.waiting import wait_for_rise

if TYPE_CHECKING:
    from agent_store._core import CommitEvent
    from agent_store.aio.calls import Calls


class AsyncDoorbell:
    """`Doorbell`, awaited: wakes whoever waits when something is committed, by anybody. No thread waits."""

    def __init__(self, calls: "Calls") -> None:
        self._calls = calls

    async def wait(self, after: int | None = None, timeout: float | None = None) -> int:
        """Sleep until the store has a position above `after`; the newest, which at the timeout is what it was.

        As `Doorbell.wait`. The tasks of a loop share one look at the position after each commit.
        """
        calls = self._calls

        async def position(seen: int | None) -> int:
            if seen is None:
                return await calls.read(calls.binding.backend.position)
            return await calls.bell().newest(seen)

        return await wait_for_rise(calls, "wait()", position, after, timeout)

    def subscribe(
        self, callback: "Callable[[CommitEvent], object]", *, after: int | None = None
    ) -> Opening[AsyncSubscription]:
        """Have `callback(CommitEvent)` called for each entry that is committed, or after position `after`.

        To be awaited, or entered: `async with store.doorbell.subscribe(callback):`. What is committed after that, or
        above `after`, is told, in commit order, by a task of its own: where `callback` gives an awaitable, that is
        awaited before the next. Errors are as for `Doorbell.subscribe`.
        """
        if not callable(callback):
            raise TypeError(f"callback must be a function of one CommitEvent, not {type(callback).__name__}")
        following = Following(self._calls, "subscribe()", {"after": after})
        return Opening(partial(self._begin, callback, following))

    async def _begin(self, callback: "Callable[[CommitEvent], object]", following: Following) -> AsyncSubscription:
        await following.begin()
        return AsyncSubscription(self._calls, callback, following)

    async def ring(self) -> None:
        """Wake whoever waits. Commits of this store ring by themselves."""
        await self._calls.read(self._calls.binding.backend.ring)
