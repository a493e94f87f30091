"""Iterating over entries, page by page."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from agent_store._core import check_name
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


def selected(
    stream: str | Sequence[str] | None, writer: str | None, exclude_writer: str | None = None
) -> str | tuple[str, ...] | None:
    """`stream` as a backend takes it. What can be looked for is any str that UTF-8 can hold; TypeError, ValueError."""
    for what, name in (("writer", writer), ("exclude_writer", exclude_writer)):
        if name is not None:
            check_name(what, name)
    if stream is None or isinstance(stream, str | bytes) or not isinstance(stream, Iterable):
        if stream is not None:
            check_name("stream", stream)
        return stream
    streams = tuple(stream)
    for name in streams:
        check_name("stream", name)
    return streams
