"""Following a store on an event loop: catch-up and then live, no gap, none twice, and no thread for each who waits."""

import asyncio
import subprocess
import sys
from typing import Any, TypeVar

import pytest

import agent_store
from agent_store import AsyncWatch, Entry
from agent_store.errors import StoreClosed, TransactionConflict
from stores import Place
from tasks import MOMENT, Run, asleep, begun, opening, outcome, take
from threads import PATIENCE

pytestmark = pytest.mark.differs("lent")
Result = TypeVar("Result")
WRITER = """
import sys, agent_store
with agent_store.open(sys.argv[1], durability="normal", timeout=60) as store:
    log = store.log("others", sys.argv[2])
    for number in range(int(sys.argv[3])):
        log.append(b"%d" % number)
"""


def target(place: Place) -> str:
    return str(place.url if place.kind == "postgres" else place.path)  # type: ignore[attr-defined]


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
