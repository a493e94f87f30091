"""Following a store on an event loop: catch-up and then live, no gap, none twice, and no thread for each who waits."""

import asyncio
import gc
import subprocess
import sys
import threading
from collections.abc import Awaitable
from concurrent.futures import Future
from typing import Any, TypeVar

import pytest

import agent_store
from agent_store import AsyncStore, AsyncWatch, Entry
from agent_store.aio.bell import Bell
from agent_store.errors import StoreClosed, TransactionConflict
from stores import Place
from tasks import Run, begun, opening, outcome
from threads import PATIENCE

pytestmark = pytest.mark.differs("lent")
Result = TypeVar("Result")
MOMENT = 0.05
"""Seconds in which a task comes to where it sleeps; should it take longer, a test has looked at less."""
TASKS = 1_000
WRITER = """
import sys, agent_store
with agent_store.open(sys.argv[1], durability="normal", timeout=60) as store:
    log = store.log("others", sys.argv[2])
    for number in range(int(sys.argv[3])):
        log.append(b"%d" % number)
"""


def target(place: Place) -> str:
    return str(place.url if place.kind == "postgres" else place.path)  # type: ignore[attr-defined]


async def take(watch: AsyncWatch, count: int) -> list[bytes]:
    async with asyncio.timeout(PATIENCE):
        return [(await anext(watch)).payload for _ in range(count)]


async def asleep(work: Awaitable[Result]) -> "asyncio.Future[Result]":
    """A task that sleeps by now."""
    task = asyncio.ensure_future(work)
    await asyncio.sleep(MOMENT)
    assert not task.done()
    return task


def test_what_was_there_and_then_what_comes(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place) as store:
            log = store.log("s", "w")
            await log.append_many(b"%d" % number for number in range(600))
            async with store.watch(after=100) as watch:
                assert watch.position == 100
                assert await take(watch, 500) == [b"%d" % number for number in range(100, 600)]
                waiting = await asleep(take(watch, 2))
                await log.append(b"600")
                await store.append_many([("t", "v", b"601")])
                assert await waiting == [b"600", b"601"]
                assert watch.position == 602

    run(main())


def test_it_begins_when_it_is_entered(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place) as store:
            log = store.log("s", "w")
            await log.append(b"before")
            async with store.watch() as watch:
                await log.append(b"1")
                assert await take(watch, 1) == [b"1"]
            waiting = await asleep(anext(store.watch()))
            await log.append(b"2")
            assert (await waiting).payload == b"2"

    run(main())


def test_names(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place) as store:
            watches = {
                "stream": store.watch(stream="s", after=0),
                "streams": store.watch(stream=["s", "u"], after=0),
                "writer": store.watch(writer="w", after=0),
                "others": store.watch(exclude_writer="w", after=0),
            }
            rows = [("s", "w", b"1"), ("s", "v", b"2"), ("t", "w", b"3"), ("u", "v", b"4")]
            waiting = {name: await begun(take(watch, 2)) for name, watch in watches.items()}
            await asyncio.sleep(MOMENT)
            for stream, writer, payload in rows:
                await store.log(stream, writer).append(payload)
            assert await waiting["stream"] == [b"1", b"2"]
            assert await waiting["streams"] == [b"1", b"2"]
            assert await waiting["writer"] == [b"1", b"3"]
            assert await waiting["others"] == [b"2", b"4"]
            assert await take(watches["streams"], 1) == [b"4"]
            for watch in watches.values():
                await watch.close()

    run(main())


@pytest.mark.differs("no second opening")
def test_commits_of_other_processes(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place, timeout=60) as store, store.watch() as watch:
            command = [sys.executable, "-c", WRITER, target(place)]
            writers = [subprocess.Popen([*command, name, "100"]) for name in ("a", "b")]  # noqa: ASYNC220 - at once
            own = store.log("own", "w")
            found: list[Entry] = []
            async with asyncio.timeout(PATIENCE):
                for number in range(50):
                    await own.append(b"%d" % number)
                while len(found) < 250:
                    found.append(await anext(watch))
            assert [writer.wait(PATIENCE) for writer in writers] == [0, 0]
            assert [entry.position for entry in found] == list(range(found[0].position, found[0].position + 250))
            assert found == [entry async for entry in store.entries(after=found[0].position - 1)]

    run(main())


def test_a_timeout_ends_it(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place) as store:
            await store.log("s", "w").append_many([b"1", b"2"])
            assert [entry.payload async for entry in store.watch(after=0, timeout=0)] == [b"1", b"2"]
            assert [entry.payload async for entry in store.watch(after=1, timeout=0.05)] == [b"2"]
            watch = store.watch(timeout=0.05)
            assert [entry async for entry in watch] == []
            with pytest.raises(StopAsyncIteration):
                await anext(watch)

    run(main())


def test_closing_it_ends_the_loop_of_another_task(place: Place, run: Run) -> None:
    async def follow(watch: AsyncWatch) -> int:
        return len([entry async for entry in watch])

    async def main() -> None:
        async with opening(place) as store:
            watch = store.watch(after=0)
            await store.log("s", "w").append(b"x")
            waiting = await asleep(follow(watch))
            await watch.close()
            assert await waiting == 1
            await watch.close()

    run(main())


def test_closing_the_store_is_told(place: Place, run: Run) -> None:
    async def main() -> None:
        store = await opening(place)
        watch = store.watch()
        waiting = [
            await begun(anext(watch)),
            await begun(store.doorbell.wait()),
            await begun(store.generation("g").wait()),
        ]
        await asyncio.sleep(MOMENT)
        await store.close()
        for task in waiting:
            assert isinstance(await outcome(task), StoreClosed)
        assert isinstance(await outcome(anext(watch)), StoreClosed)
        await watch.close()

    run(main())


def test_a_cancellation_takes_no_entry_away(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place, timeout=30) as store, store.watch(after=0) as watch:
            log = store.log("s", "w")
            found: list[bytes] = []
            for number in range(60):
                task = asyncio.create_task(anext(watch))
                for _ in range(number % 6):
                    await asyncio.sleep(0)
                if number % 2:
                    await log.append(b"%d" % number)
                await asyncio.sleep(0.0005 * (number % 5))
                task.cancel()
                result = await outcome(task)
                if not isinstance(result, BaseException):
                    found.append(result.payload)
            while len(found) < 30:
                found += await take(watch, 1)
            assert found == [b"%d" % number for number in range(60) if number % 2]

    run(main())


def test_two_tasks_on_one_are_refused(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place) as store, store.watch() as watch:
            waiting = await asleep(anext(watch))
            with pytest.raises(ValueError, match="under way"):
                await anext(watch)
            waiting.cancel()
            assert isinstance(await outcome(waiting), asyncio.CancelledError)

    run(main())


def test_not_inside_a_transaction(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place) as store:
            watch = store.watch(after=0)
            await store.log("s", "w").append_many([b"1", b"2"])
            assert await take(watch, 1) == [b"1"]
            async with store.transaction():
                assert await take(watch, 1) == [b"2"]
                for refused in (anext(watch), store.doorbell.wait(), store.generation("g").wait()):
                    with pytest.raises(TransactionConflict, match="transaction"):
                        await refused
                with pytest.raises(TransactionConflict, match=r"watch\(\)"):
                    store.watch()
                with pytest.raises(TransactionConflict, match=r"subscribe\(\)"):
                    store.doorbell.subscribe(print)
                other = await asleep(anext(watch))
            await store.log("s", "w").append(b"3")
            assert (await other).payload == b"3"
            await watch.close()

    run(main())


def test_arguments(run: Run) -> None:
    async def main() -> None:
        async with agent_store.open_async(":memory:") as store:
            wrong: dict[str, Any]
            for wrong in ({"after": -1}, {"timeout": -1.0}, {"stream": []}, {"timeout": float("nan")}):
                with pytest.raises(ValueError, match=next(iter(wrong))):
                    store.watch(**wrong)
            for wrong in ({"after": "1"}, {"timeout": "1"}, {"stream": 1}, {"writer": b"w"}, {"exclude_writer": 1}):
                with pytest.raises(TypeError, match=next(iter(wrong))):
                    store.watch(**wrong)

    run(main())


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
    here: list[str] = []
    read = Bell._read_here

    def noted(self: Bell, call: Any) -> Any:
        here.append(getattr(call, "__name__", ""))
        return read(self, call)

    monkeypatch.setattr(Bell, "_read_here", noted)

    async def main() -> None:
        async with opening(place) as store, store.watch(after=0) as watch:
            waiting = await asleep(take(watch, 500))
            here.clear()
            await store.log("s", "w").append_many([b"x"] * 500)
            assert await waiting == [b"x"] * 500
            assert "step" not in here
            if place.kind == "file":
                waiting = await asleep(take(watch, 1))
                here.clear()
                await store.log("s", "w").append(b"y")
                assert await waiting == [b"y"]
                assert "step" in here

    run(main())
