"""A Follower whose steps and sleeps are awaited."""

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

from agent_store.aio.bell import Bell
from agent_store.aio.settling import wake
from agent_store.errors import StoreClosed
from agent_store.follow import Follower
from agent_store.waiting import check_can_wait, checked_after

if TYPE_CHECKING:
    from agent_store._core import Entry
    from agent_store.aio.calls import Calls


class Following:
    """`take` until it gives None; `step`; and where that is False, `sleep`."""

    def __init__(self, calls: "Calls", call: str, selected: dict[str, Any]) -> None:
        self._bell: Bell | None = None
        checked_after(selected["after"])
        calls.binding.backend.check_open()
        calls.here(check_can_wait, calls.binding, call)
        self._calls = calls
        self._selected = selected
        self._follower: Follower | None = None
        self._closed = False
        self._seen = -1
        self._sleeper: asyncio.Future[None] | None = None

    @property
    def position(self) -> int:
        """How far it has come."""
        if self._follower is not None:
            return self._follower.position
        after: int | None = self._selected["after"]
        return after or 0

    def check(self, call: str) -> None:
        """TransactionConflict where this task itself keeps away what it would wait for."""
        self._calls.here(check_can_wait, self._calls.binding, call)

    async def begin(self) -> None:
        """What is committed after this is not missed. Any number of times."""
        if self._bell is None:
            bell = self._calls.bell()
            await bell.enter()
            if self._closed:
                bell.leave()
                raise StoreClosed("it was closed")
            self._bell = bell
        if self._bell.loop is not asyncio.get_running_loop():
            raise ValueError("it began on another event loop than the one that runs: each loop needs one of its own")
        if self._follower is None:
            self._follower = await self._calls.read(partial(Follower, self._calls.binding, **self._selected))

    def take(self) -> "Entry | None":
        """The next of the entries that `step` found; None: step again."""
        return None if self._follower is None else self._follower.take()

    async def step(self) -> bool:
        """Read on. False: nothing more was there after this call had begun."""
        bell, follower = self._begun()
        self._seen = bell.look()  # Before the database is asked: a commit after that ends the sleep.
        return await bell.step(follower)

    async def sleep(self, longest: float | None) -> None:
        """Until there may be more, or for so many seconds, or until it is closed."""
        bell, _ = self._begun()
        self._sleeper = bell.loop.create_future()
        await bell.sleep(self._sleeper, self._seen, longest)

    def _begun(self) -> tuple[Bell, Follower]:
        if self._bell is None or self._follower is None:
            raise StoreClosed("it was closed")
        return self._bell, self._follower

    def is_closed(self) -> bool:
        """True from `close` on."""
        return self._closed

    def close(self) -> None:
        """End a sleep, and go on no more. Any number of times."""
        self._closed = True
        bell, self._bell = self._bell, None
        if bell is None:
            return
        with contextlib.suppress(RuntimeError):  # The loop is closed.
            bell.loop.call_soon_threadsafe(bell.leave)
        if self._sleeper is not None:
            wake(bell.loop, self._sleeper)

    def __del__(self) -> None:
        self.close()
