"""A store that is read from: what it holds at one moment, in commit order, while others go on writing."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from agent_store.errors import ChainBroken
from agent_store.reading import LARGEST_PAGE

if TYPE_CHECKING:
    from agent_store._core import Entry, Head
    from agent_store.backends.backend import Backend
    from agent_store.transaction import Binding


class Source:
    """The store as of the position that it has now; what is committed later is not looked at."""

    def __init__(self, binding: "Binding") -> None:
        # Only now: whoever imports the package pays for what it uses.
        from agent_store.evidence.shelf import CHECKPOINT, Shelf

        self.backend: Backend[Any, Any] = binding.backend
        self.shelf = Shelf(binding)
        # In this order: a generation is at least as new as the entries, and gives no value again that they may contain.
        self.position = self.backend.position()
        self.generations = dict(self.backend.generations())
        checkpoints = self.shelf.notes(CHECKPOINT, self.shelf.origin() or "", reverse=True)
        self.sealed = next((found.number for found in checkpoints if found.number <= self.position), 0)
        """The size of its newest checkpoint."""

    def heads(self) -> "list[Head]":
        """As they are now, which may be later."""
        return self.backend.heads()

    def entry(self, stream: str, writer: str, seq: int) -> "Entry | None":
        """One entry; None where there is none."""
        page = self.backend.read(self.backend.pages(stream, writer, start=seq, stop=seq + 1), 1)
        return page[0] if page else None

    def record(self, entry: "Entry") -> str | None:
        """What was signed of the erasure of an entry."""
        found = self.shelf.erasure(entry.position)
        return None if found is None else found.note

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
