"""Cancellation: what was handed over is done when it leaves, what was not is not there, and nothing is left locked."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from agent_store import AsyncStore, Entry
from stores import Place
from tasks import Run, all_of, begun, opening, outcome

pytestmark = pytest.mark.differs("lent")
TASKS = 100


async def hold(store: AsyncStore, held: asyncio.Event, done: asyncio.Event) -> None:
    """A task in a transaction."""
    async with store.transaction():
        held.set()
        await done.wait()


def test_an_append_is_there_in_full_or_not_at_all(place: Place, run: Run) -> None:
    """More than there are threads, cancelled once or twice: those that had begun are done when that leaves."""

    async def main() -> None:
        async with opening(place, timeout=60) as store:
            held, done = asyncio.Event(), asyncio.Event()
            holding = asyncio.create_task(hold(store, held, done))
            await held.wait()
            appends = [await begun(store.log("s", "w").append(b"%d" % n)) for n in range(TASKS)]
            await asyncio.sleep(0.05)
            for number, append in enumerate(appends):
                if number % 2:
                    append.cancel()
            await asyncio.sleep(0.02)
            gone = [number for number, append in enumerate(appends) if append.cancelled()]
            assert 0 < len(gone) < TASKS // 2, "some had not begun, and some had"
            for append in appends[1::4]:
                append.cancel()
            await asyncio.sleep(0.02)
            assert gone == [number for number, append in enumerate(appends) if append.cancelled()]
            done.set()
            outcomes = [await outcome(append) for append in appends]
            await holding
            assert all(isinstance(one, asyncio.CancelledError if n % 2 else Entry) for n, one in enumerate(outcomes))
            # All is over when the cancellations have left: what is not there now never will be.
            there = sorted(int(payload) for payload in await all_of(store))
            assert there == [number for number in range(TASKS) if number not in gone]

    run(main())


def test_cancelled_inside_a_transaction(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place, timeout=30) as store:

            async def inside(reached: asyncio.Event) -> None:
                async with store.transaction():
                    await store.log("s", "w").append(b"lost")
                    async with store.transaction():
                        await store.log("s", "w").append(b"lost too")
                        reached.set()
                        await asyncio.sleep(60)

            reached = asyncio.Event()
            task = asyncio.create_task(inside(reached))
            await reached.wait()
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()
            assert isinstance(await outcome(task), asyncio.CancelledError)
            assert (await store.log("s", "w").append(b"kept")).seq == 1
            assert await all_of(store) == [b"kept"]

    run(main())


def test_cancelled_while_waiting_for_begin(place: Place, run: Run) -> None:
    """It leaves at once, however long the wait would be, and the lock that comes later is let go."""

    async def main() -> None:
        async with opening(place, timeout=60) as store:
            held, done = asyncio.Event(), asyncio.Event()
            holding = asyncio.create_task(hold(store, held, done))
            await held.wait()

            async def entering() -> None:
                async with store.transaction():
                    raise AssertionError("it was cancelled before")

            waiting = [await begun(entering()) for _ in range(5)]
            await asyncio.sleep(0.05)
            for task in waiting:
                task.cancel()
            async with asyncio.timeout(10):
                assert all([isinstance(await outcome(task), asyncio.CancelledError) for task in waiting])
            assert not holding.done()
            done.set()
            await holding
            assert (await store.log("s", "w").append(b"kept")).seq == 1
            async with store.transaction():
                await store.log("s", "w").append(b"kept")

    run(main())


def test_cancelled_at_every_step(place: Place, run: Run) -> None:
    """Wherever it falls: all of the transaction is there or nothing, and the next one is not kept waiting."""

    async def main() -> None:
        async with opening(place, timeout=30) as store:
            log = store.log("s", "w")

            async def work() -> None:
                async with store.transaction():
                    await log.append(b"1")
                    async with store.transaction():
                        await log.append_many([b"2", b"3"])
                    await log.head()

            there = 0
            for step in range(60):
                task = asyncio.create_task(work())
                for _ in range(step % 30):
                    await asyncio.sleep(0)
                if step >= 30:
                    await asyncio.sleep(0.0005 * (step - 30))
                task.cancel()
                result = await outcome(task)
                now = await store.position()
                assert now - there == 3 if result is None else now - there in {0, 3}
                there = now
            assert await all_of(store) == [b"1", b"2", b"3"] * (there // 3)

    run(main())


@pytest.mark.parametrize("asynchronous", [False, True])
def test_append_many_ends_its_iterable_and_keeps_nothing(place: Place, run: Run, asynchronous: bool) -> None:
    async def main() -> None:
        async with opening(place, timeout=30) as store:
            log = store.log("s", "w")
            reached = asyncio.Event()
            loop = asyncio.get_running_loop()

            def endless() -> Iterator[bytes]:
                for number in range(100_000_000):
                    if number == 3_000:
                        loop.call_soon_threadsafe(reached.set)
                    yield b"lost"

            async def slow() -> AsyncIterator[bytes]:
                for item in endless():
                    if reached.is_set():
                        await asyncio.sleep(60)
                    yield item

            async def forever() -> AsyncIterator[bytes]:
                for item in endless():
                    yield item
                    await asyncio.sleep(0)

            sources = [slow(), forever()] if asynchronous else [endless()]
            for source in sources:
                reached.clear()
                task = asyncio.create_task(log.append_many(source))
                await reached.wait()
                task.cancel()
                assert isinstance(await outcome(task), asyncio.CancelledError)
                assert await log.head() is None
            assert (await log.append(b"kept")).seq == 1

    run(main())


def test_append_many_keeps_the_batches_that_were_committed(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place, timeout=30) as store:
            log = store.log("s", "w")
            reached = asyncio.Event()

            async def rows() -> AsyncIterator[bytes]:
                for number in range(25):
                    yield b"%d" % number
                reached.set()
                await asyncio.sleep(60)

            task = asyncio.create_task(log.append_many(rows(), batch=10))
            await reached.wait()
            task.cancel()
            assert isinstance(await outcome(task), asyncio.CancelledError)
            assert await all_of(store) == [b"%d" % number for number in range(20)]

    run(main())


def test_a_timeout(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place, timeout=30) as store:

            async def slow() -> None:
                async with asyncio.timeout(0.05), store.transaction():
                    await store.log("s", "w").append(b"lost")
                    await asyncio.sleep(60)

            with pytest.raises(TimeoutError):
                await slow()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(10), asyncio.timeout(0.05):
                    await store.log("s", "w").append_many(endless())
            assert (await store.log("s", "w").append(b"kept")).seq == 1

    async def endless() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0)
            yield b"x"

    run(main())


def test_verify_ends_where_it_is(run: Run, place: Place) -> None:
    """Which would take a second more."""

    async def main() -> None:
        async with opening(place) as store:
            await store.log("s", "w").append_many([b"x"] * 300_000 if place.kind != "postgres" else [b"x"] * 50_000)
            told = asyncio.Event()
            task = asyncio.create_task(store.verify(progress=lambda done, total: told.set()))
            await told.wait()
            task.cancel()
            assert isinstance(await outcome(task), asyncio.CancelledError)
            assert (await store.log("s", "w").verify()) is not None

    run(main())
