"""Following a store: what is there, and then what comes."""

from types import TracebackType
from typing import TYPE_CHECKING, Self

from agent_store.errors import StoreError
from agent_store.follow import Follower
from agent_store.transaction import Binding
from agent_store.waiting import Deadline, check_can_wait

if TYPE_CHECKING:
    from agent_store._core import Entry
    from agent_store.backends.waiter import Waiter


class Watch:
    """An iterator over entries as they are committed, which sleeps until one is. `Store.watch` makes it.

    One thread at a time iterates; `close` is for any, and for handlers of signals. After an error `next` tries again
    from where it is, and so does another watch from `position`.
    """

    def __init__(self, binding: Binding, waiter: "Waiter", follower: Follower, timeout: float | None) -> None:
        self._binding = binding
        self._waiter = waiter
        self._follower = follower
        self._timeout = timeout
        self._closed = False
        self._under_way = False

    @property
    def position(self) -> int:
        """How far it has come: `store.watch(after=watch.position)`, with the same names, goes on from here.

        The position of the last entry that was taken; later, where only such came that the names do not select, theirs.
        """
        return self._follower.position

    def close(self) -> None:
        """End the iteration, also where it sleeps. Entries that were not taken yet are left. Any number of times."""
        self._closed = True
        self._waiter.stop()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> "Entry":
        entry = None if self._closed else self._follower.take()
        return self._await() if entry is None else entry

    def _is_closed(self) -> bool:
        return self._closed

    def _await(self) -> "Entry":
        if self._closed:
            raise StopIteration
        if self._under_way:
            raise ValueError("next() on this watch is under way already: each thread and each handler needs its own")
        self._under_way = True
        try:
            check_can_wait(self._binding, "next() of a watch")
            deadline = Deadline(self._timeout)
            while not self._is_closed():
                seen = self._waiter.look()  # Before the database is asked: a commit after that ends the sleep.
                self._follower.step()
                entry = None if self._is_closed() else self._follower.take()
                if entry is not None:
                    return entry
                left = deadline.left()
                if left is not None and left <= 0:
                    self.close()
                elif self._follower.wait(self._waiter, seen, left) and not self._is_closed():
                    entry = self._follower.take()
                    if entry is not None:
                        return entry
        except StoreError:
            if not self._closed:
                raise
        finally:
            self._under_way = False
        raise StopIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
