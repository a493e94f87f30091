"""The doorbell of a store."""

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from agent_store.transaction import Binding

if TYPE_CHECKING:
    from agent_store._core import CommitEvent


class Subscription:
    """A callback that is told of commits until this is closed."""

    def close(self) -> None:
        """No callback begins after this returns; one that runs is waited for, unless it is the one that closes."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Doorbell:
    """Wakes whoever waits when something is committed: by this process, another, or (PostgreSQL) another machine."""

    def __init__(self, binding: Binding) -> None:
        self._binding = binding

    def wait(self, after: int | None = None, timeout: float | None = None) -> int:
        """Sleep until the store has a position above `after`; the newest, which at the timeout is what it was.

        `after=None` is the newest now. `timeout` is in seconds; None waits as long as it takes.
        """
        raise NotImplementedError

    def subscribe(self, callback: "Callable[[CommitEvent], object]", *, after: int | None = None) -> Subscription:
        """Have `callback` told of each entry committed from now on, or from `after` on, in commit order."""
        raise NotImplementedError

    def ring(self) -> None:
        """Wake whoever waits: after a commit on a connection of one's own, which nobody else sees."""
        self._binding.backend.ring()
