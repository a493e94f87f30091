"""All tasks of one event loop that wait at one store, behind one descriptor."""

import asyncio
import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from agent_store.aio.settling import ended, let_go
from agent_store.errors import BackendError, StoreError
from agent_store.follow import Newest

if TYPE_CHECKING:
    from agent_store.aio.calls import Calls
    from agent_store.backends.waiter import Waiter
    from agent_store.follow import Follower

Result = TypeVar("Result")
LINGER = 1.0
"""Seconds after which it stops listening, once nobody waits."""
LONG, AVOIDED = 0.005, 1.0
"""Seconds that a read on the loop's own thread may take, and for how long there is none after one that took more."""


class Bell:
    """What `Waiter` is for a thread, for the tasks of a loop: `look`, read, and where nothing is new `sleep`.

    On the loop's thread only. Each who waits is counted, from `enter` to `leave`.
    """

    def __init__(self, calls: "Calls", loop: asyncio.AbstractEventLoop) -> None:
        self._calls = calls
        self.loop = loop
        self._waiter: Waiter | None = None
        self._fd = -1
        self._reading = False
        self._end_listening: Callable[[], object] | None = None
        self._entered = 0
        self._rest: asyncio.TimerHandle | None = None
        self._sleepers: dict[asyncio.Future[None], int] = {}
        self._newest: tuple[int, Future[int]] | None = None
        self._avoided_until = 0.0

    async def enter(self) -> None:
        """What is committed after this returns ends a sleep. BackendError where nobody can wait."""
        self._entered += 1
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        try:
            while self._waiter is None:
                self._take(await self._calls.read(self._make))
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """Once for each `enter`."""
        self._entered -= 1
        if self._entered > 0 or self._waiter is None:
            return
        if self.loop.is_closed():
            self.shut()
        else:  # Not at once: who waits again and again leaves each time.
            self._rest = self.loop.call_later(LINGER, self.shut)

    def _make(self) -> "tuple[Waiter, int] | None":
        """In a thread, as it may make a file and begin to listen."""
        if self._waiter is not None:
            return None
        waiter = self._calls.binding.backend.waiter()
        try:
            return waiter, waiter.fileno()
        except BackendError:  # The system has no such descriptors: a thread will listen.
            return waiter, -1

    def _take(self, made: "tuple[Waiter, int] | None") -> None:
        if made is None:
            return
        if self._waiter is None:
            self._waiter, self._fd = made
        else:  # Another task was quicker.
            made[0].stop()

    def shut(self) -> None:
        """Listen no more, and wake all: to be told that the store is closed, where it is."""
        waiter, self._waiter = self._waiter, None
        self._newest = None
        if waiter is not None:
            self._stop_reading()
            waiter.stop()
            if self._end_listening is not None:
                self._end_listening()
                self._end_listening = None
        self._wake()

    def look(self) -> int:
        """As `Waiter.look`, with its errors."""
        if self._waiter is None:
            self._calls.binding.backend.check_open()
            return -1
        return self._waiter.look()

    async def sleep(self, sleeper: "asyncio.Future[None]", seen: int, longest: float | None) -> None:
        """Until `look` is no longer `seen`, or for so many seconds, or until the sleeper is let go."""
        if self._waiter is None or self._waiter.look() != seen:
            return
        self._read()  # It is readable after what is rung from here on.
        timer = None if longest is None else self.loop.call_later(longest, let_go, sleeper)
        self._sleepers[sleeper] = seen
        try:
            await sleeper
        finally:
            self._sleepers.pop(sleeper, None)
            if timer is not None:
                timer.cancel()

    def _read(self) -> None:
        if self._reading or self._waiter is None:
            return
        self._reading = True
        if self._fd >= 0:
            with contextlib.suppress(NotImplementedError):  # Such a loop is one of Windows'.
                self.loop.add_reader(self._fd, self._rung)
                return
            self._fd = -1
        # As a daemon it keeps no program from its end. It is ended before Python would stop it amid what is not Python.
        thread = threading.Thread(target=self._listen, args=[self._waiter], name="agent-store bell", daemon=True)
        thread.start()
        self._end_listening = weakref.finalize(self, _end, self._waiter, thread)

    def _stop_reading(self) -> None:
        if self._reading and self._fd >= 0 and not self.loop.is_closed():
            self.loop.remove_reader(self._fd)
        self._reading = False

    def _rung(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._fd, 4096)
        if not self._sleepers:
            self._stop_reading()  # They look before they sleep: until then it need not be heard.
        self._wake()

    def _wake(self) -> None:
        try:
            now = self.look()
        except StoreError:
            now = -1  # Each is told when it looks.
        for sleeper, seen in self._sleepers.items():
            if seen != now:
                let_go(sleeper)

    def _listen(self, waiter: "Waiter") -> None:
        """In a thread, for all of the loop's tasks."""
        with contextlib.suppress(RuntimeError):  # The loop is closed.
            try:
                seen = waiter.look()
                self.loop.call_soon_threadsafe(self._wake)
                while waiter.wait(seen, None):
                    seen = waiter.look()  # Before they are woken: what is rung after it ends the next wait.
                    self.loop.call_soon_threadsafe(self._wake)
            except StoreError:
                self.loop.call_soon_threadsafe(self._wake)

    # Reading. To have a thread do it takes longer than all else between a commit and the entry in hand.

    def _here(self, glance: "Callable[[Waiter], Result | None]") -> Result | None:
        """What can be read on the loop's own thread; None where a thread is to."""
        begun = time.monotonic()
        if self._waiter is None or begun < self._avoided_until:
            return None
        try:
            return glance(self._waiter)
        finally:
            now = time.monotonic()
            if now - begun > LONG:
                self._avoided_until = now + AVOIDED

    async def newest(self, seen: int) -> int:
        """The newest position, as it was after `look` gave `seen`: one look for all tasks."""
        if self._newest is None or self._newest[0] != seen:
            self._newest = seen, self._look()
        _, call = looked = self._newest
        if not call.done():
            await ended(call)  # Whoever is cancelled leaves it to the others.
        if call.exception() is not None and self._newest is looked:
            self._newest = None  # The next one asks anew.
        return call.result()

    def _look(self) -> "Future[int]":
        position = self._here(Newest(self._calls.binding).glance)
        if position is None:
            return self._calls.reading(self._calls.binding.backend.position)
        here: Future[int] = Future()
        here.set_result(position)
        return here

    async def step(self, follower: "Follower") -> bool:
        """`Follower.step`."""
        more = self._here(follower.glance)
        return await self._calls.read(follower.step) if more is None else more


def _end(waiter: "Waiter", thread: threading.Thread) -> None:
    waiter.stop()
    thread.join()
