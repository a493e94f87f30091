"""Telling how far a long call is, not too often."""

from collections.abc import Callable
from time import monotonic

Progress = Callable[[int, int], object]
EVERY = 0.05  # seconds between two calls


class Ticker:
    """Calls `progress(done, total)` about 20 times a second."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._next = 0.0

    def tell(self, done: int) -> None:
        """So much is done, which may be more than there was to do at the beginning."""
        if self._progress is not None and (now := monotonic()) >= self._next:
            self._next = now + EVERY
            self._progress(min(done, self._total), self._total)

    def end(self) -> None:
        """All is done."""
        if self._progress is not None:
            self._progress(self._total, self._total)
