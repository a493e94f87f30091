"""Opening, forgetting, forking, ending: whatever becomes of a loop, a task or the program."""

import asyncio
import gc
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import agent_store
from agent_store import AsyncStore
from stores import Place
from tasks import LOOPS, Run, all_of, opened, opening, outcome, run_on
from threads import PATIENCE

CRATE = Path(__file__).parent / "data" / "crate-0.1.2.db"

START = "import asyncio, os, sys, agent_store\nfrom agent_store.errors import ForkedStore\npath = sys.argv[1]\n"


def program(code: str, path: Path, *arguments: str) -> list[str]:
    """The lines that it prints. It ends by itself, and says nothing else."""
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", START + code, str(path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_awaited_or_entered(path: Path, run: Run) -> None:
    async def main() -> None:
        store = await agent_store.open_async(path, durability="normal")
        facts = await store.info()
        assert facts["durability"] == "normal"
        async with store as same:
            assert same is store
        async with agent_store.open_async(str(path), read_only=True) as store:
            assert await store.position() == 0

    run(main())


def test_what_cannot_be_opened(tmp_path: Path, run: Run) -> None:
    wrong: list[tuple[object, dict[str, object], type[Exception]]] = [
        (tmp_path / "missing.db", {"read_only": True}, FileNotFoundError),
        (tmp_path, {}, IsADirectoryError),
        ("", {}, ValueError),
        (tmp_path / "x.db", {"durability": "strict"}, ValueError),
        (tmp_path / "x.db", {"schema": "s"}, ValueError),
    ]

    async def main() -> None:
        for target, options, error in wrong:
            assert isinstance(await outcome(opened(target, **options)), error)

    run(main())
    assert list(tmp_path.iterdir()) == []


def test_progress_of_an_upgrade_is_told_on_the_loop(path: Path, run: Run) -> None:
    shutil.copy(CRATE, path)
    told: list[tuple[int, int]] = []

    def failing(done: int, total: int) -> None:
        raise ZeroDivisionError

    def progress(done: int, total: int) -> None:
        asyncio.get_running_loop()
        told.append((done, total))

    async def main() -> None:
        assert isinstance(await outcome(opened(path, progress=failing)), ZeroDivisionError)
        async with agent_store.open_async(path, progress=progress) as store:
            assert await store.position() > 0

    run(main())
    assert told
    assert told[-1][0] == told[-1][1]


def test_opening_that_is_cancelled_leaves_nothing_open(path: Path, run: Run) -> None:
    """A store that nobody closes would say so, and that is an error here."""

    async def main() -> None:
        for step in range(12):
            task = asyncio.create_task(opened(path))
            for _ in range(step % 4):
                await asyncio.sleep(0)
            await asyncio.sleep(0.0005 * (step // 4))
            task.cancel()
            result = await outcome(task)
            if isinstance(result, AsyncStore):
                await result.close()
            else:
                assert isinstance(result, asyncio.CancelledError)
        gc.collect()

    run(main())
    assert [file.name for file in path.parent.iterdir() if file.name.startswith(path.name)] == [path.name]


def test_one_that_is_forgotten_says_so(place: Place, run: Run) -> None:
    if place.kind in {"connection", "psycopg"}:
        return

    async def main() -> None:
        store = await opening(place)
        await store.log("s", "w").append(b"x")
        assert await store.doorbell.wait(0) == 1
        del store
        gc.collect()

    with pytest.warns(ResourceWarning, match=r"AsyncStore\(.*never closed: use `async with") as told:
        run(main())
    assert len(told) == 1


def test_one_that_nobody_awaits_says_so(path: Path) -> None:
    with pytest.warns(RuntimeWarning, match="never awaited"):
        agent_store.open_async(path)  # type: ignore[unused-awaitable]
    assert not path.exists()


def test_several_loops_at_once(path: Path) -> None:
    """In threads of their own: the store is of all of them, and each waits by a descriptor of its own."""

    async def work(store: AsyncStore, number: int) -> list[int]:
        async with store.watch(after=0, timeout=PATIENCE) as watch:
            appends = asyncio.gather(*(store.log("s", f"{number}").append(b"x") for _ in range(50)))
            async with store.transaction():
                await store.log("s", f"{number}").append(b"x")
                await asyncio.sleep(0.01)
                await store.log("s", f"{number}").append(b"x")
            await appends
            return [(await anext(watch)).position for _ in range(4 * 52)]

    async def opened() -> AsyncStore:
        return await agent_store.open_async(path, timeout=PATIENCE)

    store = run_on(LOOPS[0], opened())
    with ThreadPoolExecutor(4) as threads:
        loops = [threads.submit(run_on, LOOPS[number % len(LOOPS)], work(store, number)) for number in range(4)]
        assert [loop.result() for loop in loops] == [list(range(1, 4 * 52 + 1))] * 4
    assert len(store._calls._bells) == 4

    async def last() -> None:
        assert len(await all_of(store)) == 4 * 52
        await store.close()

    run_on(LOOPS[0], last())
    assert not store._calls._bells, "of loops that are closed"


@pytest.mark.parametrize("ending", ["", "raise SystemExit", "os.kill(os.getpid(), 2); await asyncio.sleep(60)"])
def test_the_program_ends_whatever_waits(path: Path, ending: str) -> None:
    code = f"""
async def main():
    async with agent_store.open_async(path, timeout=60) as store:
        log = store.log("s", "w")
        async def forever():
            while True:
                await log.append(b"x")
        async def endless():
            while True:
                yield b"x"
                await asyncio.sleep(0)
        async def inside():
            async with store.transaction():
                await log.append(b"lost")
                await asyncio.Event().wait()
        await log.append(b"first")
        subscription = await store.doorbell.subscribe(lambda event: None)
        watch = store.watch()
        tasks = [asyncio.create_task(task) for task in (store.doorbell.wait(10 ** 9), forever(), watch.__anext__())]
        await asyncio.sleep(0.1)
        tasks += [asyncio.create_task(task) for task in (inside(), log.append_many(endless()))]
        await asyncio.sleep(0.1)
        print("reached", flush=True)
        try:
            {ending or "pass"}
        finally:
            for task in tasks:
                task.cancel()
try:
    asyncio.run(main())
except (KeyboardInterrupt, SystemExit):
    pass
print("ended")
"""
    assert program(code, path) == ["reached", "ended"]
    with agent_store.open(path) as store:
        assert store.verify().holds
        assert b"lost" not in {entry.payload for entry in store.entries()}


def test_the_program_ends_though_all_is_forgotten(path: Path) -> None:
    """Amid a transaction, a write that waits for it, an iterable that is drawn, and a loop that is just left."""
    code = """
import warnings
warnings.simplefilter("ignore", ResourceWarning)
async def endless():
    while True:
        yield b"x"
        await asyncio.sleep(0)
async def main():
    store = await agent_store.open_async(path, timeout=1)
    other = await agent_store.open_async(":memory:")
    log = store.log("s", "w")
    async def inside():
        async with store.transaction():
            await log.append(b"lost")
            await asyncio.Event().wait()
    tasks = [asyncio.create_task(inside())]
    await asyncio.sleep(0.05)
    tasks += [asyncio.create_task(task) for task in (log.append(b"x"), other.log("s", "w").append_many(endless()))]
    await asyncio.sleep(0.05)
    return store, tasks
loop = asyncio.new_event_loop()
kept = loop.run_until_complete(main())
print("left", flush=True)
"""
    command = [sys.executable, "-c", START + code, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (0, "left\n")
    with agent_store.open(path, timeout=PATIENCE) as store:
        assert b"lost" not in {entry.payload for entry in store.entries()}


def test_the_program_ends_though_a_thread_listens(path: Path) -> None:
    """On a loop that has no descriptors to watch, which nobody closes."""
    code = """
class Loop(asyncio.SelectorEventLoop):
    def add_reader(self, *what):
        if asyncio._get_running_loop() is not None:
            raise NotImplementedError
async def main():
    store = await agent_store.open_async(path)
    tasks = [asyncio.create_task(store.doorbell.wait()) for _ in range(3)]
    await asyncio.sleep(0.1)
    await store.log("s", "w").append(b"x")
    print([await task for task in tasks])
    tasks = [asyncio.create_task(store.doorbell.wait()) for _ in range(3)]
    await asyncio.sleep(0.1)
    return store, tasks
kept = Loop().run_until_complete(main())
"""
    command = [sys.executable, "-c", START + code, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (0, "[1, 1, 1]\n"), done.stderr


def test_a_forked_child_is_told(path: Path) -> None:
    code = """
import signal, warnings
warnings.simplefilter("ignore", DeprecationWarning)
signal.alarm(60)
async def main():
    async with agent_store.open_async(path) as store:
        log = store.log("s", "w")
        await log.append(b"x")
        assert await store.doorbell.wait(0) == 1
        watch = store.watch(after=0)
        await anext(watch)
        return_code = await asyncio.to_thread(child, store, log, store.generation("g"), watch, store.entries())
        print(return_code, (await log.append(b"y")).seq, (await anext(watch)).seq)

async def calls(store, log, ids, watch, entries):
    async def inside():
        async with store.transaction():
            pass
    for call in (log.append(b"x"), log.append_many([b"x"]), store.position(), store.verify(), store.doorbell.wait(),
                 store.close(), inside(), anext(entries), ids.bump()):
        try:
            await call
        except ForkedStore:
            print("told", flush=True)
    try:
        await anext(watch)
    except (ForkedStore, ValueError):
        print("told", flush=True)
    async with agent_store.open_async(path) as own:
        await own.log("s", "child").append(b"x")

def child(*made):
    pid = os.fork()
    if pid == 0:
        try:
            asyncio.events._set_running_loop(None)
            asyncio.run(calls(*made))
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
asyncio.run(main())
"""
    assert program(code, path) == ["told"] * 10 + ["0 2 1"]
