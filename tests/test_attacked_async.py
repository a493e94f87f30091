"""What once went wrong with several event loops, and with what was closed before it began."""

import asyncio
import sys
import threading
import time
from pathlib import Path

import pytest

import agent_store
from agent_store import AsyncStore

PROCESS = Path("/proc/self")


def watchers() -> int:
    """Threads that watch for event loops."""
    return sum((task / "comm").read_text() == "agent-store-bel\n" for task in (PROCESS / "task").iterdir())


def descriptors() -> int:
    return sum(1 for _ in (PROCESS / "fd").iterdir())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts descriptors in /proc")
def test_a_store_closed_after_the_loop_of_those_who_waited_leaves_nothing(tmp_path: Path) -> None:
    async def opened() -> AsyncStore:
        store = await agent_store.open_async(tmp_path / "a.db")
        assert await store.doorbell.wait(timeout=0) == 0
        return store

    before, running = descriptors(), watchers()
    store = asyncio.run(opened())
    asyncio.run(store.close())
    end = time.monotonic() + 20
    while watchers() > running or descriptors() > before + 1:  # one is kept for later
        assert time.monotonic() < end, "what watched for the loop goes on"
        time.sleep(0.01)


def test_closed_before_it_is_entered() -> None:
    async def main() -> None:
        async with agent_store.open_async(":memory:") as store:
            watch = store.watch(after=0)
            await watch.close()
            async with watch:
                assert [entry async for entry in watch] == []

    asyncio.run(main())


def test_loops_begin_and_end_in_many_threads_at_once(tmp_path: Path) -> None:
    async def opened() -> AsyncStore:
        return await agent_store.open_async(tmp_path / "a.db")

    async def work(store: AsyncStore, name: str) -> None:
        async with store.transaction():
            await store.log("s", name).append(b"x")
        await store.doorbell.wait(after=0, timeout=10)

    def loops(store: AsyncStore, name: str) -> None:
        try:
            for _ in range(15):
                asyncio.run(work(store, name))
        except BaseException as error:
            failed.append(error)
            raise

    failed: list[BaseException] = []
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        store = asyncio.run(opened())
        at_work = [threading.Thread(target=loops, args=[store, f"w{n}"]) for n in range(4)]
        for thread in at_work:
            thread.start()
        for thread in at_work:
            thread.join()
        assert failed == []
        assert asyncio.run(store.position()) == 60
        asyncio.run(store.close())
    finally:
        sys.setswitchinterval(interval)
