"""append_many awaited: what is drawn where, in chunks, whole or not at all, over every kind of store."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from agent_store.aio.drawing import _Drawing
from agent_store.errors import HeadMoved, TransactionConflict
from stores import Place
from tasks import Run, all_of, opening, outcome

pytestmark = pytest.mark.differs("lent")
MANY = 2_600
"""More than two chunks."""


async def numbers(count: int, first: int = 0) -> AsyncIterator[bytes]:
    for number in range(first, first + count):
        if number % 700 == 0:
            await asyncio.sleep(0)
        yield b"%d" % number


@pytest.mark.parametrize("batch", [None, 1_000, 1_500, 7_000])
def test_an_asynchronous_iterable(place: Place, run: Run, batch: int | None) -> None:
    async def main() -> None:
        async with opening(place) as store:
            log = store.log("s", "w")
            head = await log.append_many(numbers(MANY), batch=batch)
            assert (head.seq, await all_of(store)) == (MANY, [b"%d" % number for number in range(MANY)])
            assert await log.append_many(numbers(0), batch=batch) == head
            assert await log.append_many([], batch=batch) == head
            rows = [("s", f"w{number % 5}", b"x") for number in range(MANY)]
            assert await store.append_many(rows, batch=batch) == 2 * MANY

            async def some() -> AsyncIterator[tuple[str, str, bytes]]:
                for row in rows:
                    yield row

            assert await store.append_many(some(), batch=batch) == 3 * MANY

    run(main())


def test_it_runs_in_the_task_and_another_in_a_thread(run: Run, place: Place) -> None:
    seen: set[tuple[object, str]] = set()
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="")

    def plain() -> Iterator[bytes]:
        for number in range(MANY):
            seen.add((threading.get_ident(), variable.get()))
            yield b"%d" % number

    async def awaited() -> AsyncIterator[bytes]:
        for number in range(MANY):
            seen.add((asyncio.current_task(), variable.get()))
            yield b"%d" % number

    async def main() -> None:
        async with opening(place) as store:
            variable.set("of the caller")
            await store.log("s", "w").append_many(awaited())
            assert seen == {(asyncio.current_task(), "of the caller")}
            seen.clear()
            await store.log("s", "w").append_many(plain())
            assert len(seen) == 1
            assert (threading.get_ident(), "of the caller") not in seen
            assert {context for _, context in seen} == {"of the caller"}

    run(main())


@pytest.mark.parametrize("at", [0, 5, 1_024, 1_500, 2_048])
def test_one_that_raises_writes_nothing(place: Place, run: Run, at: int) -> None:
    async def failing(count: int) -> AsyncIterator[bytes]:
        async for number in numbers(count):
            yield number
        raise ZeroDivisionError

    async def main() -> None:
        async with opening(place) as store:
            with pytest.raises(ZeroDivisionError):
                await store.log("s", "w").append_many(failing(at))
            assert await all_of(store) == []
            with pytest.raises(ZeroDivisionError):
                await store.log("s", "w").append_many(failing(at), batch=500)
            assert len(await all_of(store)) == at - at % 500

    run(main())


def test_what_is_no_payload(place: Place, run: Run) -> None:
    async def wrong(item: object) -> AsyncIterator[Any]:
        async for number in numbers(1_100):
            yield number
        yield item

    async def main() -> None:
        async with opening(place) as store:
            for item in ("text", 5, None, ()):
                with pytest.raises(TypeError):
                    await store.log("s", "w").append_many(wrong(item))
                with pytest.raises(TypeError):
                    await store.append_many(wrong(item))
            for nothing in (5, None):
                with pytest.raises(TypeError):
                    await store.log("s", "w").append_many(nothing)
            for batch in (0, -1):
                with pytest.raises(ValueError, match="batch"):
                    await store.log("s", "w").append_many(numbers(5), batch=batch)
            assert await all_of(store) == []

    run(main())


def test_large_payloads_are_drawn_few_at_a_time(run: Run, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    chunks: list[int] = []
    draw = _Drawing._draw

    async def counted(self: _Drawing) -> tuple[list[Any], bool]:
        items, last = await draw(self)
        chunks.append(len(items))
        return items, last

    monkeypatch.setattr(_Drawing, "_draw", counted)

    async def large() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield bytes(1 << 20)

    async def main() -> None:
        async with opening(place) as store:
            head = await store.log("s", "w").append_many(large())
            assert (head.seq, chunks) == (20, [8, 8, 4])

    run(main())


def test_reading_and_writing_from_inside_it(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place, timeout=30) as store:
            log = store.log("s", "w")
            await log.append(b"first")
            seen: list[int] = []

            async def inside() -> AsyncIterator[bytes]:
                for number in range(MANY):
                    if number % 300 == 0:
                        seen.append(await store.position())
                        for write in (
                            log.append(b"x"),
                            log.append_many([b"x"]),
                            log.append_many(numbers(1)),
                            store.generation("g").bump(),
                            store.execute("CREATE TABLE t (a INTEGER)"),
                            store.doorbell.wait(),
                            store.transaction().__aenter__(),
                        ):
                            with pytest.raises(TransactionConflict):
                                await write
                    yield b"%d" % number

            await log.append_many(inside())
            assert seen == [1] * len(seen)
            assert await store.position() == MANY + 1
            async with store.transaction():
                await log.append(b"in the transaction")
                seen.clear()
                await log.append_many(inside())
                assert (seen[0], seen) == (MANY + 2, sorted(seen))
            await log.append(b"after")
            assert len(await all_of(store)) == 2 * MANY + 3

    run(main())


def test_other_tasks_go_on_while_one_draws_slowly(place: Place, run: Run) -> None:
    """What comes in one chunk holds nothing up; what has begun to write keeps the lock, as it would in threads."""

    async def main() -> None:
        async with opening(place, timeout=30) as store:
            gate = asyncio.Event()

            async def slow(name: bytes) -> AsyncIterator[bytes]:
                yield name
                await gate.wait()
                yield name

            tasks = [asyncio.create_task(store.log("slow", f"{n}").append_many(slow(b"%d" % n))) for n in range(60)]
            for number in range(20):
                assert (await store.log("s", "w").append(b"x")).seq == number + 1
            gate.set()
            assert [head.seq for head in await asyncio.gather(*tasks)] == [2] * 60
            assert len(await all_of(store)) == 140

    run(main())


def test_a_write_that_fails_ends_the_drawing(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place, timeout=0.2) as store:
            log = store.log("s", "w")
            drawn = 0

            async def counted() -> AsyncIterator[bytes]:
                nonlocal drawn
                async for number in numbers(100_000):
                    drawn += 1
                    yield number

            async with store.transaction():
                await log.append(b"x")
                other = asyncio.create_task(outcome(log.append_many(counted())))
                assert isinstance(await other, Exception)
            assert drawn <= 2_048 or place.kind == "memory", "there all is drawn before the one connection is taken"
            assert isinstance(await outcome(log.append(b"y", expected=None)), HeadMoved)

    run(main())
