"""Coroutines in tests, on asyncio's own loop and on uvloop's."""

import asyncio
import importlib.util
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import pytest

import agent_store
from agent_store import AsyncStore, AsyncWatch
from stores import File, Place, Schema
from threads import PATIENCE

Result = TypeVar("Result")
LOOPS = ("asyncio", *(("uvloop",) if importlib.util.find_spec("uvloop") else ()))
Run = Callable[[Coroutine[Any, Any, Any]], Any]


MOMENT = 0.05
"""Seconds in which a task comes to where it sleeps; should it take longer, a test has looked at less."""
ON_ONE = {"memory": "asyncio", "postgres": LOOPS[-1]}
"""A file is tested on every loop. How one waits on a loop has little to do with what database it is for."""


def without_twins(items: list[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Those that are to be run, and those of kinds that are tested on another loop."""
    chosen: list[pytest.Item] = []
    twins: list[pytest.Item] = []
    for item in items:
        params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        loop, place = params.get("run"), str(params.get("place"))
        (twins if loop and ON_ONE.get(place, loop) != loop else chosen).append(item)
    return chosen, twins


def run_on(loop: str, work: Coroutine[Any, Any, Result]) -> Result:
    """What a coroutine returns. No task outlives it."""

    async def main() -> Result:
        async with asyncio.timeout(PATIENCE):
            return await work

    with asyncio.Runner(loop_factory=factory(loop)) as runner:
        return runner.run(main())


def factory(loop: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if loop == "asyncio":
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop


def opening(place: Place, **options: Any) -> Any:
    """`open_async` where the store is."""
    if isinstance(place, Schema):
        return agent_store.open_async(place.url, **options)
    assert isinstance(place, File)
    return agent_store.open_async(":memory:" if place.kind == "memory" else place.path, **options)


async def opened(target: Any, **options: Any) -> AsyncStore:
    return await agent_store.open_async(target, **options)


async def begun(work: Coroutine[Any, Any, Result]) -> "asyncio.Task[Result]":
    """A task that has come to where it waits for a thread."""
    task = asyncio.create_task(work)
    await asyncio.sleep(0)
    return task


async def outcome(task: Awaitable[Any]) -> Any:
    """What it returned or raised."""
    return (await asyncio.gather(task, return_exceptions=True))[0]


async def all_of(store: AsyncStore) -> list[bytes]:
    """The payloads, once it is clear that the store holds."""
    verdict = await store.verify()
    assert verdict.holds, verdict.breaks
    return [entry.payload async for entry in store.entries()]


async def take(watch: AsyncWatch, count: int) -> list[bytes]:
    async with asyncio.timeout(PATIENCE):
        return [(await anext(watch)).payload for _ in range(count)]


async def asleep(work: Awaitable[Result]) -> "asyncio.Future[Result]":
    """A task that sleeps by now."""
    task = asyncio.ensure_future(work)
    await asyncio.sleep(MOMENT)
    assert not task.done()
    return task
