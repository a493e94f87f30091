"""`async for entry in store.entries():`"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from agent_store._core import Entry
    from agent_store.aio.calls import Calls
    from agent_store.reading import Entries


class AsyncEntries:
    """An iterator over entries, read page by page in a thread. For one task at a time."""

    def __init__(self, calls: "Calls", entries: "Entries") -> None:
        self._calls = calls
        self._pages = entries.pages
        self._page: Iterator[Entry] = iter(())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> "Entry":
        entry = next(self._page, None)
        while entry is None:
            page = await self._calls.read(next, self._pages, None)
            if page is None:
                raise StopAsyncIteration
            self._page = iter(page)
            entry = next(self._page, None)
        return entry
