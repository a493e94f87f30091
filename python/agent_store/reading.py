"""Iterating over entries, page by page."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from agent_store.transaction import Binding

if TYPE_CHECKING:
    from agent_store._core import Entry

LARGEST = 2**63 - 1  # what databases count to: of a position, a seq and a generation
FIRST_PAGE = 20  # entries: whoever wants the newest few pays for few
LARGEST_PAGE = 512  # below the 700 new objects at which Python's collector begins to look through them


def iterate(binding: Binding, pages: Any) -> Iterator["Entry"]:
    """Each page is read when its first entry is asked for, in the transaction that is open then."""
    size = FIRST_PAGE
    while page := binding.backend.read(pages, size, binding.reading()):
        yield from page
        del page  # the next one takes its memory
        size = min(size * 4, LARGEST_PAGE)
