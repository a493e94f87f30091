"""A store that is read from: what it holds at one moment, in commit order, while others go on writing."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from agent_store.errors import ChainBroken
from agent_store.reading import LARGEST_PAGE

if TYPE_CHECKING:
    from agent_store._core import Entry, Head
    from agent_store.backends.backend import Backend


class Source:
    """The store as of the position that it has now; what is committed later is not looked at."""

    def __init__(self, backend: "Backend[Any, Any]") -> None:
        self.backend = backend
        # In this order: a generation is at least as new as the entries, and gives no value again that they may contain.
        self.position = backend.position()
        self.generations = dict(backend.generations())

    def heads(self) -> "list[Head]":
        """As they are now, which may be later."""
        return self.backend.heads()

    def entry(self, stream: str, writer: str, seq: int) -> "Entry | None":
        """One entry; None where there is none."""
        page = self.backend.read(self.backend.pages(stream, writer, start=seq, stop=seq + 1), 1)
        return page[0] if page else None

    def pages(self, after: int) -> "Iterator[list[Entry]]":
        """The entries above a position, in lists of any length."""
        return pages(self.backend, after, self.position)


def pages(backend: "Backend[Any, Any]", after: int, upto: int) -> "Iterator[list[Entry]]":
    """The entries from above one position to another, which is there, in lists of any length."""
    reading = backend.pages(after=after)
    while after < upto:
        page = backend.read(reading, min(LARGEST_PAGE, upto - after))
        if not page:
            raise ChainBroken(None, None, None, f"there is no entry at position {after + 1}")
        after += len(page)
        yield page
        del page  # the next one takes its memory
