"""A transaction of coroutines belongs to its task: whole or not at all, and others stay out of it."""

import asyncio
from collections.abc import AsyncGenerator, Callable

import pytest

from agent_store import AsyncStore, Entry
from agent_store.errors import BusyError, StoreClosed, TransactionConflict
from stores import Place
from tasks import Run, all_of, begun, opening, outcome

pytestmark = pytest.mark.differs("lent")


def test_it_commits_all_or_nothing(place: Place, run: Run, sql: Callable[[str], str]) -> None:
    async def main() -> None:
        async with opening(place) as store:
            await store.execute("CREATE TABLE notes (text TEXT)")
            log = store.log("s", "w")

            async def undone() -> None:
                async with store.transaction():
                    await log.append(b"lost")
                    await store.generation("g").bump()
                    raise ZeroDivisionError

            async with store.transaction() as same:
                assert same is store
                await store.execute(sql("INSERT INTO notes VALUES (?)"), ["x"])
                entry = await log.append(b"a")
                assert await log.head() == entry
                assert await store.query("SELECT text FROM notes") == [("x",)]
                assert await store.generation("g").bump() == 1
                assert [found async for found in store.entries()] == [entry]
                assert (await log.verify()).seq == await store.position() == 1
            assert isinstance(await outcome(undone()), ZeroDivisionError)
            with pytest.raises(ZeroDivisionError):
                await undone()
            assert (await store.generation("g").current(), await all_of(store)) == (1, [b"a"])

    run(main())


def test_nested_blocks_are_savepoints(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place) as store:
            log = store.log("s", "w")

            async def undone() -> None:
                async with store.transaction():
                    await log.append(b"lost")
                    async with store.transaction():
                        await log.append(b"lost too")
                    raise ZeroDivisionError

            async with store.transaction():
                await log.append(b"1")
                with pytest.raises(ZeroDivisionError):
                    await undone()
                async with store.transaction():
                    await log.append(b"2")
                await log.append_many([b"3"] * 3)
            assert await all_of(store) == [b"1", b"2", b"3", b"3", b"3"]

    run(main())


def test_other_tasks_stay_out_of_it_and_wait(place: Place, run: Run) -> None:
    """More of them than there are threads: those of the transaction itself never wait for theirs."""

    async def main() -> None:
        async with opening(place, timeout=30) as store:
            log = store.log("s", "w")
            async with store.transaction():
                await log.append(b"mine")
                others = [await begun(log.append(b"other")) for _ in range(50)]
                for _ in range(5):
                    await log.append(b"mine")
                    await asyncio.sleep(0.005)
                assert await store.position() == 6
                assert not any(other.done() for other in others)
            entries = await asyncio.gather(*others)
            assert sorted(entry.position for entry in entries) == list(range(7, 57))
            assert await all_of(store) == [b"mine"] * 6 + [b"other"] * 50

    run(main())


def test_a_task_made_inside_is_not_in_it(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place, timeout=30) as store:
            log = store.log("s", "w")
            async with store.transaction():
                await log.append(b"of the parent")
                child = await begun(log.append(b"of the child"))
                await asyncio.sleep(0.02)
            assert (await child).seq == 2
            children: list[asyncio.Task[Entry]] = []

            async def undone() -> None:
                async with store.transaction():
                    await log.append(b"lost")
                    children.append(await begun(log.append(b"of another child")))
                    raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                await undone()
            assert (await children[0]).seq == 3
            assert await all_of(store) == [b"of the parent", b"of the child", b"of another child"]

    run(main())


@pytest.mark.differs("no second opening")
def test_a_task_made_inside_reads_what_is_committed(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place) as store:
            async with store.transaction():
                await store.log("s", "w").append(b"a")
                assert await asyncio.create_task(store.position()) == 0
                assert await store.position() == 1
            assert await asyncio.create_task(store.position()) == 1

    run(main())


def test_awaiting_such_a_task_inside_is_busy_at_the_timeout(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place, timeout=0.2) as store:
            log = store.log("s", "w")
            async with store.transaction():
                await log.append(b"mine")
                with pytest.raises(BusyError):
                    await asyncio.gather(log.append(b"of a task"))
            assert await all_of(store) == [b"mine"]

    run(main())


def test_transactions_of_tasks_come_one_after_the_other(place: Place, run: Run) -> None:
    async def count(store: AsyncStore) -> None:
        async with store.transaction():
            before = await store.position()
            await asyncio.sleep(0)
            await store.log("s", "w").append(b"%d" % before)
            async with store.transaction():
                assert await store.position() == before + 1

    async def main() -> None:
        async with opening(place, timeout=60) as store:
            async with asyncio.TaskGroup() as group:
                for _ in range(60):
                    group.create_task(count(store))
            assert await all_of(store) == [b"%d" % number for number in range(60)]

    run(main())


def test_it_is_left_in_its_task_after_those_inside_it(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place) as store:
            outer, inner = store.transaction(), store.transaction()
            await outer.__aenter__()
            await store.log("s", "w").append(b"a")
            await inner.__aenter__()
            with pytest.raises(TransactionConflict, match="leave it first"):
                await outer.__aexit__(None, None, None)
            with pytest.raises(TransactionConflict, match="belongs to"):
                await asyncio.create_task(inner.__aexit__(None, None, None))
            await inner.__aexit__(None, None, None)
            await outer.__aexit__(None, None, None)
            with pytest.raises(TransactionConflict):
                await outer.__aexit__(None, None, None)
            assert await all_of(store) == [b"a"]

    run(main())


def test_what_waits_for_others_is_refused_inside_it(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place) as store:
            async with store.transaction():
                with pytest.raises(TransactionConflict, match=r"close\(\)"):
                    await store.close()
                with pytest.raises(ValueError, match="batch"):
                    await store.log("s", "w").append_many([b"x"], batch=1)
            await store.log("s", "w").append(b"x")

    run(main())


def test_closing_beside_it(place: Place, run: Run) -> None:
    async def main() -> None:
        store = await opening(place, timeout=30)
        block = store.transaction()
        await block.__aenter__()
        await store.log("s", "w").append(b"a")
        closing = await begun(store.close())
        for _ in range(1_000):
            if isinstance(await outcome(asyncio.create_task(store.position())), StoreClosed):
                break
        left = None
        try:
            await block.__aexit__(None, None, None)
        except StoreClosed as error:
            left = error
        await closing
        if place.kind != "memory":
            async with opening(place) as again:
                assert await all_of(again) == ([] if left else [b"a"])

    run(main())


def test_a_generator_that_is_left_in_the_middle_takes_it_back(place: Place, run: Run) -> None:
    async def rows(store: AsyncStore) -> AsyncGenerator[int, None]:
        async with store.transaction():
            yield (await store.log("s", "w").append(b"lost")).seq
            yield 0

    async def main() -> None:
        async with opening(place, timeout=30) as store:
            generator = rows(store)
            assert await anext(generator) == 1
            await asyncio.create_task(generator.aclose())
            assert (await store.log("s", "w").append(b"kept")).seq == 1
            assert await all_of(store) == [b"kept"]

    run(main())


def test_a_coroutine_that_is_closed_inside_it_takes_it_back(place: Place, run: Run) -> None:
    """Nobody will run it again, nor can it await anything more."""

    async def main() -> None:
        async with opening(place, timeout=30) as store:

            async def inside() -> None:
                async with store.transaction():
                    await store.log("s", "w").append(b"lost")
                    reached.set()
                    await asyncio.Event().wait()

            reached = asyncio.Event()
            coroutine = inside()
            task = asyncio.create_task(coroutine)
            await reached.wait()
            coroutine.close()
            assert (await store.log("s", "w").append(b"kept")).seq == 1
            task.cancel()
            assert isinstance(await outcome(task), BaseException | None)

    run(main())


@pytest.mark.differs("no second opening")
def test_it_waits_for_another_opening_and_that_for_it(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place, timeout=0.1) as store, opening(place, timeout=0.1) as other:
            async with store.transaction():
                await store.log("s", "w").append(b"a")
                assert isinstance(await outcome(other.log("s", "w").append(b"b")), BusyError)
            assert (await other.log("s", "w").append(b"b")).seq == 2

    run(main())
