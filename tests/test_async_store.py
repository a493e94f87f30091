"""The store of coroutines does what the plain one does, over every kind that it opens."""

import asyncio
from collections.abc import Callable

import pytest

import agent_store
from agent_store import AsyncStore, Entry, Head
from agent_store.errors import HeadMoved, NonMonotonicGeneration, ReadOnlyStore, StoreClosed, StoreError
from stores import Place
from tasks import Run, all_of, begun, opening, outcome

pytestmark = pytest.mark.differs("lent")
TASKS = 200


def test_each_call(place: Place, run: Run, sql: Callable[[str], str]) -> None:
    async def main() -> None:
        async with opening(place) as store:
            assert isinstance(store, AsyncStore)
            log = store.log("s", "w")
            assert (log.stream, log.writer, await log.head()) == ("s", "w", None)
            first = await log.append(b"1")
            assert isinstance(first, Entry)
            assert (first.seq, first.position, first.payload) == (1, 1, b"1")
            second = await log.append(b"2", expected=first)
            with pytest.raises(HeadMoved) as moved:
                await log.append(b"3", expected=first)
            assert moved.value.actual == (2, second.content_hash)
            many = await log.append_many([b"3", b"4"])
            newest = await log.head()
            assert newest is not None
            assert many == Head("s", "w", 4, newest.content_hash)
            assert await store.append_many([("s", "v", b"5"), ("t", "w", b"6")]) == 6
            assert [entry.payload async for entry in log.entries(2, 4)] == [b"2", b"3"]
            assert [entry.payload async for entry in log.entries(reverse=True)] == [b"4", b"3", b"2", b"1"]
            assert [entry.position async for entry in store.entries(after=3, stream="s")] == [4, 5]
            assert await log.entry(2) == second
            assert await log.entry(5) is None
            assert [(head.stream, head.writer) for head in await store.heads("s")] == [("s", "v"), ("s", "w")]
            assert await log.verify(since=first, contains=second) == many
            assert (await store.verify()).entries_hold == await store.position() == 6
            ids = store.generation("ids")
            assert (ids.key, await ids.bump(), await ids.advance_to(7), await ids.set(8)) == ("ids", 1, 7, 8)
            assert (await ids.reserve(2), await ids.current()) == (range(9, 11), 10)
            with pytest.raises(NonMonotonicGeneration):
                await ids.set(1)
            assert await store.execute("CREATE TABLE notes (text TEXT)") == 0
            assert await store.execute(sql("INSERT INTO notes VALUES (?)"), ["x"]) == 1
            assert await store.query("SELECT text FROM notes") == [("x",)]
            assert await store.query(sql("INSERT INTO notes VALUES (?) RETURNING text"), ["y"]) == [("y",)]
            facts = await store.info()
            assert (facts["kind"], facts["entries"]) == ("postgres" if place.kind == "postgres" else "sqlite", 6)
            assert repr(store) == f"AsyncStore({store.target!r})"
            assert repr(log) == "AsyncWriterLog(stream='s', writer='w')"
            assert repr(ids) == "AsyncGeneration('ids')"

    run(main())


def test_errors_of_arguments_are_those_of_the_store(run: Run) -> None:
    async def main() -> None:
        async with agent_store.open_async(":memory:") as store:
            log = store.log("s", "w")
            for wrong in (log.append("text"), log.append_many([1]), store.generation("g").reserve(0), log.entry(0)):
                assert isinstance(await outcome(wrong), TypeError | ValueError)
            with pytest.raises(TypeError):
                store.log("s", 1)  # type: ignore[arg-type]
            with pytest.raises(ValueError, match="after"):
                store.entries(after=-1)

    run(main())


def test_entries_come_in_pages_and_end_where_they_began(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place) as store:
            log = store.log("s", "w")
            await log.append_many(b"%d" % number for number in range(1_500))
            found = 0
            async for entry in store.entries():
                found += 1
                assert entry.position == found
                if found % 500 == 0:
                    await log.append(b"more")
            assert found == 1_500

    run(main())


def test_tasks_that_append_at_once(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place, timeout=30) as store:
            entries = await asyncio.gather(*(store.log("s", f"w{n % 7}").append(b"%d" % n) for n in range(TASKS)))
            assert sorted(entry.position for entry in entries) == list(range(1, TASKS + 1))
            assert {entry.payload: entry async for entry in store.entries()} == {e.payload: e for e in entries}
            numbers = await asyncio.gather(*(store.generation("g").bump() for _ in range(TASKS)))
            assert sorted(numbers) == list(range(1, TASKS + 1))
            assert len(await all_of(store)) == TASKS

    run(main())


def test_closing(place: Place, run: Run) -> None:
    async def main() -> None:
        store = await opening(place, timeout=30)
        log = store.log("s", "w")
        appends = [await begun(log.append(b"x")) for _ in range(50)]
        entries = store.entries()
        await store.close()
        done = [await outcome(append) for append in appends]
        assert all(isinstance(one, Entry | StoreClosed) for one in done)
        await store.close()
        for call in (log.append(b"x"), store.position(), anext(entries), store.verify(), log.append_many([b"x"])):
            with pytest.raises(StoreClosed):
                await call
        with pytest.raises(StoreClosed):
            store.log("s", "w")
        with pytest.raises(StoreClosed):
            async with store.transaction():
                pass
        if place.kind != "memory":
            async with opening(place) as again:
                assert await again.position() == sum(isinstance(one, Entry) for one in done)

    run(main())


def test_closing_from_several_tasks(place: Place, run: Run) -> None:
    async def main() -> None:
        store = await opening(place)
        await store.log("s", "w").append(b"x")
        await asyncio.gather(*(store.close() for _ in range(5)))

    run(main())


@pytest.mark.differs("no second opening")
def test_reading_only(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place) as store:
            await store.log("s", "w").append(b"x")
        async with opening(place, read_only=True) as store:
            assert await all_of(store) == [b"x"]
            for call in (store.log("s", "w").append(b"y"), store.transaction().__aenter__()):
                assert isinstance(await outcome(call), ReadOnlyStore)

    run(main())


def test_progress_is_told_on_the_loop(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place) as store:
            await store.log("s", "w").append_many([b"x"] * 3_000)
            told: list[tuple[int, int]] = []

            def progress(done: int, total: int) -> None:
                asyncio.get_running_loop()
                told.append((done, total))

            assert (await store.verify(progress=progress)).holds
            assert told[-1] == (3_000, 3_000)

            def failing(done: int, total: int) -> None:
                raise ValueError("from progress")

            with pytest.raises(ValueError, match="from progress"):
                await store.verify(progress=failing)
            assert (await store.verify()).holds

    run(main())


@pytest.mark.differs("of SQLite")
def test_a_backup(place: Place, run: Run, request: pytest.FixtureRequest) -> None:
    copy = request.getfixturevalue("tmp_path") / "copy.db"

    async def main() -> None:
        async with opening(place) as store:
            await store.log("s", "w").append_many([b"x"] * 2_000)

            def failing(done: int, total: int) -> None:
                raise ValueError("from progress")

            with pytest.raises(ValueError, match="from progress"):
                await store.backup(copy, progress=failing)
            assert not copy.exists()
            told: list[tuple[int, int]] = []
            verdict = await store.backup(copy, progress=lambda *what: told.append(what))
            assert (verdict.entries_hold, told[-1][0]) == (2_000, told[-1][1])
            with pytest.raises(FileExistsError):
                await store.backup(copy)

    run(main())


def test_errors_leave_it_usable(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place) as store:
            with pytest.raises(StoreError):
                await store.query("SELECT nothing FROM nowhere")
            assert (await store.log("s", "w").append(b"x")).position == 1

    run(main())
