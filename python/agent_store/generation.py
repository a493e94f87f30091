"""Named counters that only rise."""

from typing import TYPE_CHECKING

from agent_store._core import check_name, check_writable
from agent_store.follow import Newest
from agent_store.reading import LARGEST
from agent_store.transaction import Binding
from agent_store.waiting import wait_for_rise

if TYPE_CHECKING:
    from agent_store.backends.waiter import Waiter

RESERVED = "_agent_store."


class Generation:
    """A counter from 0 to 2^63 - 1, shared by all threads and processes that open the store.

    Each change is one atomic write; past the largest value OverflowError, and nothing is changed.
    """

    def __init__(self, binding: Binding, key: str) -> None:
        check_name("key", key)
        self._binding = binding
        self._key = key
        self._writable = False

    @property
    def key(self) -> str:
        """The counter's name."""
        return self._key

    def current(self) -> int:
        """The value; 0 for a counter that was never moved."""
        return self._binding.backend.advance(self._key, "current", 0, self._binding.reading())

    def bump(self) -> int:
        """One more; the new value."""
        return self._change("bump", 0)

    def set(self, value: int) -> int:
        """Exactly `value`; NonMonotonicGeneration where that is below the current one."""
        return self._change("set", _number("value", value, 0))

    def advance_to(self, value: int) -> int:
        """At least `value`; the value now, which may be higher."""
        return self._change("advance", _number("value", value, 0))

    def reserve(self, n: int) -> range:
        """`n` values that nobody else gets; ValueError for n < 1."""
        last = self._change("reserve", _number("n", n, 1))
        return range(last - n + 1, last + 1)

    def wait(self, after: int | None = None, timeout: float | None = None) -> int:
        """Sleep until the counter is above `after` (None: above what it is now); its value, also at the timeout.

        `timeout` is in seconds, as of `store.doorbell.wait`, and so are the errors.
        """
        backend, newest = self._binding.backend, Newest(self._binding)

        def current() -> int:
            value = backend.advance(self._key, "current", 0, None)
            newest.position()  # StoreReplaced: of another history the value says nothing, however high.
            return value

        def sleep(waiter: "Waiter", seen: int, timeout: float | None) -> int | None:
            return current() if waiter.wait(seen, timeout) else None

        return wait_for_rise(self._binding, "wait()", current, sleep, after, timeout)

    def _change(self, how: str, n: int) -> int:
        if not self._writable:
            check_writable("key", self._key)
            if self._key.startswith(RESERVED):
                raise ValueError(f"key {self._key!r}: names that begin with {RESERVED!r} are the store's own")
            self._writable = True
        return self._binding.backend.advance(self._key, how, n, self._binding.writing())

    def __repr__(self) -> str:
        return f"Generation({self._key!r})"


def _number(what: str, value: int, least: int) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{what} must be an int, not {type(value).__name__}")
    if value < least:
        raise ValueError(f"{what} must be {least} or more, not {value}")
    if value > LARGEST:
        raise OverflowError(f"{what} may be at most 2^63 - 1, not {value}")
    return value
