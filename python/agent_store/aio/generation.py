"""A counter, awaited."""

from typing import TYPE_CHECKING

from agent_store.aio.waiting import wait_for_rise
from agent_store.generation import Generation

if TYPE_CHECKING:
    from agent_store.aio.calls import Calls


class AsyncGeneration:
    """`Generation`, awaited: a named counter from 0 to 2^63 - 1, each change of which is atomic and durable."""

    def __init__(self, calls: "Calls", generation: Generation) -> None:
        self._calls = calls
        self._generation = generation

    @property
    def key(self) -> str:
        """The counter's name."""
        return self._generation.key

    async def current(self) -> int:
        """The value; 0 for a counter that was never moved."""
        return await self._calls.read(self._generation.current)

    async def bump(self) -> int:
        """One more; the new value."""
        return await self._calls.write(self._generation.bump)

    async def set(self, value: int) -> int:
        """Exactly `value`; NonMonotonicGeneration where that is below the current one."""
        return await self._calls.write(self._generation.set, value)

    async def advance_to(self, value: int) -> int:
        """At least `value`; the value now, which may be higher."""
        return await self._calls.write(self._generation.advance_to, value)

    async def reserve(self, n: int) -> range:
        """`n` values that nobody else gets; ValueError for n < 1."""
        return await self._calls.write(self._generation.reserve, n)

    async def wait(self, after: int | None = None, timeout: float | None = None) -> int:
        """Sleep until the counter is above `after` (None: above what it is now); its value, also at the timeout.

        As `Generation.wait`. No thread waits.
        """
        read = lambda _: self._calls.read(self._generation.current)  # noqa: E731 - one line says it
        return await wait_for_rise(self._calls, "wait()", read, after, timeout)

    def __repr__(self) -> str:
        return f"Async{self._generation!r}"
