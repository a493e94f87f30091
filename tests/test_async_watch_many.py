"""Following a store on an event loop: what it costs, of a thousand tasks and of one, and whose loop it is."""

import asyncio
import gc
import threading
from concurrent.futures import Future
from typing import Any

import pytest

from agent_store import AsyncStore, AsyncWatch
from agent_store.aio.bell import Bell
from agent_store.follow import Follower
from stores import Place
from tasks import MOMENT, Run, asleep, begun, opening, take
from threads import PATIENCE

pytestmark = pytest.mark.differs("lent")
TASKS = 1_000


def test_a_thousand_tasks_cost_no_thread_each(place: Place, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """And share one look at the position."""
    looks = 0
    newest = Bell._look

    def counted(self: Bell) -> "Future[int]":
        nonlocal looks
        looks += 1
        return newest(self)

    async def main() -> None:
        async with opening(place, timeout=60) as store:
            before = threading.active_count()
            waits = [asyncio.create_task(store.doorbell.wait(0)) for _ in range(TASKS)]
            watches = [store.watch(after=0, stream=f"s{number % 10}") for number in range(TASKS)]
            entries = [asyncio.create_task(anext(watch)) for watch in watches]
            await asyncio.sleep(0)
            (bell,) = store._calls._bells.values()
            async with asyncio.timeout(PATIENCE):
                while len(bell._sleepers) < 2 * TASKS:  # noqa: ASYNC110 - on what no event tells
                    await asyncio.sleep(0.01)
            assert threading.active_count() - before <= 16
            monkeypatch.setattr(Bell, "_look", counted)
            await store.append_many([(f"s{number}", "w", b"x") for number in range(10)])
            async with asyncio.timeout(PATIENCE):
                assert set(await asyncio.gather(*waits)) == {10}
                assert [entry.stream for entry in await asyncio.gather(*entries)] == [
                    f"s{n % 10}" for n in range(TASKS)
                ]
            assert 0 < looks < 20

    run(main())


def test_one_that_is_dropped_leaves_nothing_behind(place: Place, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_store.aio.bell.LINGER", 0.0)

    async def main() -> None:
        async with opening(place) as store:
            await store.log("s", "w").append_many([b"x"] * 3)
            for _ in range(3):
                async for _ in store.watch(after=0):
                    break
                assert await store.doorbell.wait(0) == 3
            gc.collect()
            await asyncio.sleep(0.05)
            (bell,) = store._calls._bells.values()
            assert (bell._entered, bell._waiter, bell._sleepers) == (0, None, {})

    run(main())


def test_a_loop_that_has_no_descriptors_to_watch(place: Place) -> None:
    """As on Windows: one thread listens, for all tasks."""

    class Loop(asyncio.SelectorEventLoop):
        def add_reader(self, fd: object, callback: object, *args: object) -> None:
            if fd is not self._ssock:  # type: ignore[attr-defined]
                raise NotImplementedError

    async def main() -> None:
        async with opening(place) as store, store.watch(after=0) as watch:
            waiting = await asleep(take(watch, 1))
            waits = [await begun(store.doorbell.wait(0)) for _ in range(20)]
            await store.log("s", "w").append(b"x")
            assert await waiting == [b"x"]
            assert await asyncio.gather(*waits) == [1] * 20
            waiting = await asleep(take(watch, 1))
            await store.log("s", "w").append(b"y")
            assert await waiting == [b"y"]

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(main())


def test_it_is_of_one_loop(place: Place, run: Run) -> None:
    """The store is of any."""

    async def first() -> tuple[AsyncStore, AsyncWatch]:
        store = await opening(place)
        watch = store.watch(after=0)
        await store.log("s", "w").append(b"x")
        assert await take(watch, 1) == [b"x"]
        return store, watch

    async def second(store: AsyncStore, watch: AsyncWatch) -> None:
        with pytest.raises(ValueError, match="another event loop"):
            await anext(watch)
        await watch.close()
        waiting = await asleep(store.doorbell.wait())
        await store.log("s", "w").append(b"y")
        assert await waiting == 2
        await store.close()

    run(second(*run(first())))


@pytest.mark.differs("of SQLite")
def test_a_loop_is_not_held_up_by_a_transaction_of_its_own(place: Place, run: Run) -> None:
    """In memory a read waits for it."""

    async def main() -> None:
        async with opening(place, timeout=PATIENCE) as store, store.watch(after=0) as watch:
            waiting = await asleep(take(watch, 1))
            async with store.transaction():
                await store.log("s", "w").append(b"x")
                await store.doorbell.ring()
                async with asyncio.timeout(PATIENCE / 2):
                    await asyncio.sleep(MOMENT)
                    await store.log("s", "w").append(b"y")
            assert await waiting == [b"x"]

    run(main())


@pytest.mark.differs("of SQLite")
def test_what_is_far_is_read_in_threads(place: Place, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    here: list[bool | None] = []
    glance = Follower.glance

    def noted(self: Follower, waiter: Any) -> bool | None:
        here.append(glance(self, waiter))
        return here[-1]

    monkeypatch.setattr(Follower, "glance", noted)

    async def main() -> None:
        async with opening(place) as store, store.watch(after=0) as watch:
            waiting = await asleep(take(watch, 500))
            here.clear()
            await store.log("s", "w").append_many([b"x"] * 500)
            assert await waiting == [b"x"] * 500
            assert True not in here
            if place.kind == "file":
                waiting = await asleep(take(watch, 1))
                here.clear()
                await store.log("s", "w").append(b"y")
                assert await waiting == [b"y"]
                assert True in here

    run(main())
