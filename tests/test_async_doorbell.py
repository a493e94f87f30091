"""Waiting and being told on an event loop."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

import agent_store
from agent_store import AsyncSubscription, CommitEvent
from stores import Place
from tasks import Run, begun, opening
from threads import PATIENCE

pytestmark = pytest.mark.differs("lent")
MOMENT = 0.05


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - on what no event tells
            await asyncio.sleep(0.002)


def test_wait(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place) as store:
            bell, log = store.doorbell, store.log("s", "w")
            assert await bell.wait(timeout=0) == await bell.wait(timeout=0.02) == 0
            waiting = [await begun(bell.wait()), await begun(bell.wait(0)), await begun(bell.wait(1))]
            await asyncio.sleep(MOMENT)
            await log.append(b"1")
            assert [await waiting[0], await waiting[1]] == [1, 1]
            await asyncio.sleep(MOMENT)
            assert not waiting[2].done()
            await store.generation("g").bump()
            await log.append(b"2")
            assert await waiting[2] == 2
            assert await bell.wait(0) == await bell.wait(2, timeout=0.02) == 2
            await bell.ring()
            wrong: Any
            for wrong in (-1, "1"):
                with pytest.raises((ValueError, TypeError), match="after"):
                    await bell.wait(wrong)

    run(main())


def test_a_generation(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place) as store:
            ids = store.generation("ids")
            waiting = [await begun(ids.wait()), await begun(ids.wait(4)), await begun(ids.wait(9, timeout=0.3))]
            await asyncio.sleep(MOMENT)
            await store.log("s", "w").append(b"x")
            await ids.bump()
            assert await waiting[0] == 1
            await ids.set(7)
            assert [await waiting[1], await waiting[2]] == [7, 7]

    run(main())


def test_a_subscription_is_told_in_order(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place) as store:
            await store.log("s", "w").append(b"before")
            plain: list[CommitEvent] = []
            awaited: list[CommitEvent] = []
            late: list[CommitEvent] = []

            async def slow(event: CommitEvent) -> None:
                await asyncio.sleep(0.001)
                awaited.append(event)

            async with store.doorbell.subscribe(plain.append) as one, store.doorbell.subscribe(slow):
                assert isinstance(one, AsyncSubscription)
                two = await store.doorbell.subscribe(late.append, after=0)
                await store.append_many([("s", f"w{number % 3}", b"x") for number in range(50)])
                await until(lambda: len(plain) == len(awaited) == 50 and len(late) == 51)
                await two.close()
                await two.close()
                await store.log("s", "w").append(b"after")
                await until(lambda: len(plain) == len(awaited) == 51)
                assert (one.position, one.error) == (52, None)
            await store.log("s", "w").append(b"after")
            wanted = [entry async for entry in store.entries()]
            events = [CommitEvent(e.stream, e.writer, e.seq, e.content_hash, e.position) for e in wanted]
            assert plain == awaited == events[1:52]
            assert late == events[:51]

    run(main())


def test_a_callback_that_raises_is_reported(place: Place, run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with opening(place) as store:
            told: list[int] = []

            def failing(event: CommitEvent) -> None:
                told.append(event.seq)
                raise ValueError("of the callback")

            async def cancelled(event: CommitEvent) -> None:
                told.append(-event.seq)
                raise asyncio.CancelledError

            async with store.doorbell.subscribe(failing), store.doorbell.subscribe(cancelled):
                await store.log("s", "w").append_many([b"x"] * 3)
                await until(lambda: len(told) == 6)

    with caplog.at_level(logging.ERROR, "agent_store"):
        run(main())
    assert sum("of the callback" in str(record.exc_text) for record in caplog.records) == 3
    assert len(caplog.records) == 6


def test_closing_waits_for_a_callback_that_runs(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place) as store:
            running, done = asyncio.Event(), asyncio.Event()
            told: list[int] = []

            async def slow(event: CommitEvent) -> None:
                running.set()
                await done.wait()
                told.append(event.seq)

            subscription = await store.doorbell.subscribe(slow)
            await store.log("s", "w").append_many([b"x"] * 2)
            await running.wait()
            closing = await begun(subscription.close())
            await asyncio.sleep(MOMENT)
            assert not closing.done()
            done.set()
            await closing
            assert told == [1]

    run(main())


def test_a_callback_may_close_it_and_append(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place) as store:
            told: list[int] = []

            async def once(event: CommitEvent) -> None:
                told.append(event.seq)
                await store.log("answers", "w").append(b"x")
                await subscription.close()

            subscription = await store.doorbell.subscribe(once)
            await store.log("s", "w").append_many([b"x"] * 3)
            await until(lambda: store._calls.tasks == set())
            assert (told, await store.position()) == ([1], 4)

    run(main())


def test_the_end_of_the_store_ends_it(place: Place, run: Run) -> None:
    async def main() -> None:
        store = await opening(place)
        subscription = await store.doorbell.subscribe(print)
        await asyncio.sleep(MOMENT)
        await store.close()
        await until(lambda: subscription.error is not None)
        await subscription.close()
        assert isinstance(subscription.error, agent_store.errors.StoreClosed)

    run(main())


def test_the_end_of_the_loop_ends_it(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place) as store:
            await store.doorbell.subscribe(print)
            await store.log("s", "w").append(b"x")

    run(main())


def test_arguments(run: Run) -> None:
    async def main() -> None:
        async with agent_store.open_async(":memory:") as store:
            subscribe: Any = store.doorbell.subscribe
            with pytest.raises(TypeError, match="callback"):
                subscribe("text")
            with pytest.raises(ValueError, match="after"):
                subscribe(print, after=-1)

    run(main())
