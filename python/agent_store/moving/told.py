"""Saying how far a move is."""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_store._core import Entry

Progress = Callable[[int, int], object]
EVERY = 0.05  # seconds


class Told:
    """Calls `progress(done, total)` about 20 times a second, with entries: those moved, then those verified."""

    def __init__(self, progress: Progress | None, moved: int, verified: int = 0) -> None:
        self._progress = progress
        self._moved = moved
        self._total = moved + verified
        self._done = 0
        self._next = 0.0

    def counting(self, pages: "Iterator[list[Entry]]") -> "Iterator[list[Entry]]":
        """The pages; each is counted when the next one is asked for."""
        for page in pages:
            entries = len(page)
            yield page
            del page  # the next one takes its memory
            self._count(entries)

    def verifying(self) -> Progress | None:
        """What a verification is to call."""
        progress, moved = self._progress, self._moved
        if progress is None:
            return None
        return lambda done, total: progress(moved + done, moved + total)

    def _count(self, entries: int) -> None:
        self._done += entries
        if self._progress is not None and (now := time.monotonic()) >= self._next:
            self._next = now + EVERY
            self._progress(self._done, self._total)
