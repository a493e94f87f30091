"""Saying how far a move is."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from agent_store.ticker import Progress, Ticker

if TYPE_CHECKING:
    from agent_store._core import Entry


class Told:
    """Calls `progress(done, total)` about 20 times a second, with entries: those moved, then those verified."""

    def __init__(self, progress: Progress | None, moved: int, verified: int = 0) -> None:
        self._progress = progress
        self._moved = moved
        self._ticker = Ticker(progress, moved + verified)
        self._done = 0

    def counting(self, pages: "Iterator[list[Entry]]") -> "Iterator[list[Entry]]":
        """The pages; each is counted when the next one is asked for."""
        for page in pages:
            entries = len(page)
            yield page
            del page  # the next one takes its memory
            self._done += entries
            self._ticker.tell(self._done)

    def verifying(self) -> Progress | None:
        """What a verification is to call."""
        progress, moved = self._progress, self._moved
        if progress is None:
            return None
        return lambda done, total: progress(moved + done, moved + total)
