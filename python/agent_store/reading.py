"""Iterating over entries, page by page."""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from agent_store.transaction import Binding

if TYPE_CHECKING:
    from agent_store._core import Entry

LARGEST = 2**63 - 1  # what databases count to: of a position, a seq and a generation
FIRST_PAGE = 20  # entries: whoever wants the newest few pays for few
LARGEST_PAGE = 512  # below the 700 new objects at which Python's collector begins to look through them


class Entries:
    """An iterator over entries. `pages` gives them in the lists that they are read in: to be used instead of it."""

    def __init__(self, pages: "Iterator[list[Entry]]") -> None:
        self.pages = pages
        self._entries = chain.from_iterable(pages)

    def __iter__(self) -> "Iterator[Entry]":
        return self._entries  # which costs nothing of Python's for each

    def __next__(self) -> "Entry":
        return next(self._entries)


def iterate(binding: Binding, pages: Any) -> Entries:
    """Each page is read when its first entry is asked for, in the transaction that is open then."""
    return Entries(_read(binding, pages))


def _read(binding: Binding, pages: Any) -> "Iterator[list[Entry]]":
    size = FIRST_PAGE
    while page := binding.backend.read(pages, size, binding.reading()):
        yield page
        del page  # the next one takes its memory
        size = min(size * 4, LARGEST_PAGE)
