"""Where somebody has got to in a store, and what comes next: the one logic of watching, which knows nothing of sleeping."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from agent_store.reading import LARGEST_PAGE
from agent_store.transaction import Binding

if TYPE_CHECKING:
    from agent_store._core import Entry


class Follower:
    """Entries in commit order, without a gap and none twice, from a position on.

    `position` is how far it has looked: whatever it selects at or below was returned by `step`.
    """

    def __init__(
        self,
        binding: Binding,
        stream: str | Sequence[str] | None,
        writer: str | None,
        exclude_writer: str | None,
        after: int,
    ) -> None:
        self.position = after
        self._binding = binding
        self._select = {"stream": stream, "writer": writer, "exclude_writer": exclude_writer}
        self._known: tuple[int, bytes] | None = None
        self._pages: Any = None

    def step(self) -> "list[Entry]":
        """The next page; empty where nothing more is there now. StoreReplaced where what was seen is there no more."""
        backend = self._binding.backend
        if self._pages is None:
            self._pages = backend.pages(**self._select, after=self.position, known=self._known)
        page = backend.read(self._pages, LARGEST_PAGE, None)
        if page:
            self.position = page[-1].position
            return page
        newest = self._pages.newest
        if newest is not None and newest[0] > 0:
            self._known = newest
            self.position = max(self.position, newest[0])
        self._pages = None
        return []
