"""What is committed between two steps of who waits: the bell is looked at before the database is read.

In memory nobody looks at the database now and then: who missed a ring would sleep on.
"""

import asyncio
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import agent_store
from agent_store import CommitEvent, Store
from agent_store.errors import StoreReplaced
from processes import run
from test_waking_database import BACK

SOON = 3.0
"""Seconds after which who waits gives up, and looks once more; who was woken is there long before."""


@contextmanager
def in_time() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < SOON / 2


class Between:
    """A backend on which something is committed right after the next read, or after that of a counter."""

    def __init__(self, store: Store) -> None:
        self._backend = store._binding.backend
        self._commit: Callable[[], object] | None = None
        self._after: tuple[str, ...] = ("read", "position")
        self._store = store
        store._binding.backend = self

    def arm(self, counter: str | None = None, after: tuple[str, ...] = ("read", "position")) -> None:
        if counter is None:
            self._after = after
            self._commit = lambda: self._store.log("s", "w").append(b"between")
        else:
            self._after = ("advance",)
            self._commit = self._store.generation(counter).bump

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._backend, name)
        if name not in self._after or self._commit is None:
            return found
        commit, self._commit = self._commit, None

        def call(*args: Any, **kwargs: Any) -> Any:
            result = found(*args, **kwargs)
            commit()
            return result

        return call


def by_watch(store: Store, between: Between) -> object:
    with store.watch(timeout=SOON) as watch:
        between.arm()
        return [next(watch).position]


def by_wait(store: Store, between: Between) -> object:
    between.arm()
    return [store.doorbell.wait(0, timeout=SOON)]


def by_subscription(store: Store, between: Between) -> object:
    seen: list[int] = []
    told = threading.Event()
    between.arm()

    def tell(event: CommitEvent) -> None:
        seen.append(event.position)
        told.set()

    with store.doorbell.subscribe(tell, after=0):
        told.wait(SOON)
    return seen


@pytest.mark.parametrize("way", [by_watch, by_wait, by_subscription])
def test_what_is_committed_after_a_read_ends_the_sleep(way: Callable[[Store, Between], object]) -> None:
    with agent_store.open(":memory:") as store, in_time():
        assert way(store, Between(store)) == [1]


def test_a_counter_that_rises_after_it_was_read() -> None:
    with agent_store.open(":memory:") as store, in_time():
        Between(store).arm("g")
        assert store.generation("g").wait(0, timeout=SOON) == 1


@pytest.mark.parametrize("way", ["watch", "wait"])
def test_on_an_event_loop(way: str) -> None:
    async def main() -> int:
        async with agent_store.open_async(":memory:") as store:
            between = Between(store._store)
            if way == "wait":
                between.arm()
                return await store.doorbell.wait(0, SOON)
            async with store.watch(after=0, timeout=SOON) as watch:
                between.arm(after=("read",))
                return (await anext(watch)).position

    with in_time():
        assert asyncio.run(main()) == 1


def test_any_who_waits_is_told_that_another_history_is_there(path: Path) -> None:
    """Who sleeps, and who has an event loop wait for him, though neither reads."""
    older = path.with_name("older.db")
    with agent_store.open(path) as store:
        store.log("s", "w").append(b"x")
        store.backup(older)
        store.log("s", "w").append(b"y")
        waiter, listening = (store._binding.backend.waiter() for _ in range(2))
        number = listening.fileno()
        run(BACK, older, path)
        with pytest.raises(StoreReplaced, match="holds another history"):
            list(iter(lambda: waiter.wait(waiter.look(), 10), False))
        assert select.select([number], [], [], 10)[0]
        os.read(number, 4096)
        with pytest.raises(StoreReplaced):
            listening.look()
        waiter.stop()
        listening.stop()
        anew = store._binding.backend.waiter()
        seen = anew.look()
        store.log("s", "w").append(b"z")
        assert anew.wait(seen, 10)
        anew.stop()


def test_an_event_loop_is_told_that_the_file_was_replaced(path: Path) -> None:
    """Nobody rings then."""
    with agent_store.open(path) as store:
        waiter = store._binding.backend.waiter()
        number = waiter.fileno()
        os.read(number, 4096)
        path.unlink()
        assert select.select([number], [], [], 10)[0]
        with pytest.raises(StoreReplaced):
            waiter.look()
        waiter.stop()
