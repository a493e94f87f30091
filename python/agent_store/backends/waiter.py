"""The contract with one who waits: a part of the one in backend.py."""

from typing import Any, Protocol

from agent_store._core import Entry


class Waiter(Protocol):
    """One who waits at a store, for commits of any thread, process or machine.

    What it tells is a hint, and the database is the truth. Who wants to miss nothing does this, again and again: `seen
    = look()`, read the database, and, where nothing is new there, `wait(seen, …)`. A commit after that look ends the
    wait, however it came about: who does not ring is noticed in a second, on SQLite in a quarter.

    All but `stop` raise StoreClosed once the store is closed, and ForkedStore; `wait` and whatever reads the database
    StoreReplaced where another one, or another state of it, was put in its place, and `look` once that was found out.
    """

    def look(self) -> int:
        """A number that is another one after each ring. It asks no database, and takes a microsecond."""

    def wait(self, seen: int, timeout: float | None) -> bool:
        """Sleep until `look()` is no longer `seen`. False after `timeout` seconds (None: never), or once stopped.

        True says that it is worth reading the database, not that anything is new there. Signals are heard: what a
        handler raises leaves within 100 ms.
        """

    def read(self, pages: Any, limit: int, seen: int, timeout: float | None) -> list[Entry] | None:
        """`wait`, and where that is True what `Backend.read(pages, limit)` gives then; None where it is not.

        It is a verb of its own for a backend that can read sooner than whoever it wakes could ask.
        """

    def glance(self, pages: Any, limit: int) -> list[Entry] | None:
        """What `Backend.read(pages, limit)` gives first, where that takes no longer than an event loop may stand still.

        None where it would wait for others, look through more than 64 positions, or has begun: nothing was read then.
        """

    def fileno(self) -> int:
        """A descriptor for an event loop, made at the first call: readable after a ring, or once `look` would raise.

        `os.read(fd, 4096)` empties it, and does not block. It is closed by `stop`.
        """

    def stop(self) -> None:
        """End the wait under way and all later ones, at once. For any thread, and for handlers of signals."""
