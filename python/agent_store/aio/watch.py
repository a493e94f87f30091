"""Following a store by `async for`."""

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from agent_store.aio.following import Following
from agent_store.errors import StoreError
from agent_store.waiting import Deadline

if TYPE_CHECKING:
    from agent_store._core import Entry
    from agent_store.aio.calls import Calls


class AsyncWatch:
    """An asynchronous iterator over entries as they are committed. `AsyncStore.watch` makes it.

    It begins when it is entered, or first asked for an entry. One task at a time iterates, and no thread waits. After
    an error or a cancellation it goes on where it was.
    """

    def __init__(self, calls: "Calls", timeout: float | None, selected: dict[str, Any]) -> None:
        self._following = Following(calls, "watch()", selected)
        self._timeout = timeout
        self._under_way = False

    @property
    def position(self) -> int:
        """How far it has come: `store.watch(after=watch.position)`, with the same names, goes on from here.

        The position of the last entry that was taken; later, where only such came that the names do not select, theirs.
        Before it begins with `after=None`: 0.
        """
        return self._following.position

    async def close(self) -> None:
        """End the iteration, also where it sleeps. Entries that were not taken yet are left. Any number of times."""
        self._following.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> "Entry":
        if self._following.is_closed():
            raise StopAsyncIteration
        entry = self._following.take()
        return await self._sleep() if entry is None else entry

    async def _sleep(self) -> "Entry":
        if self._under_way:
            raise ValueError("anext() on this watch is under way already: each task needs a watch of its own")
        self._under_way = True
        try:
            await self._following.begin()
            self._following.check("anext() of a watch")
            deadline = Deadline(self._timeout)
            while not self._following.is_closed():
                more = await self._following.step()
                if self._following.is_closed():
                    break
                entry = self._following.take()
                if entry is not None:
                    return entry
                left = deadline.left()
                if left is not None and left <= 0:
                    await self.close()
                elif not more:
                    await self._following.sleep(left)
        except StoreError:
            if not self._following.is_closed():
                raise
        finally:
            self._under_way = False
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        if not self._following.is_closed():
            await self._following.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
