"""The file by which processes ring: who makes it, for whom, and what it costs."""

import contextlib
import fcntl
import os
import statistics
import time
from pathlib import Path

import pytest

import agent_store
from agent_store import _core
from bells import (
    PATIENCE,
    another,
    bell_of,
    eventually,
    number_in,
    settled,
    waiter_of,
)
from processes import run, script


def test_who_waits_makes_it_and_nobody_else(path: Path) -> None:
    bell = bell_of(path)
    with agent_store.open(path) as store:
        store.log("s", "w").append_many([b"x", b"y"])
        store.generation("g").bump()
        store._binding.backend.ring()
        _core.ring_file(str(path))
        assert store.verify().holds
        assert store.info()["doorbell"] == "futex"
        assert not bell.exists()
        with agent_store.open(path, read_only=True) as reader:
            waiter = waiter_of(reader)
            assert not waiter.wait(settled(waiter), 0.3)
            assert reader.info()["doorbell"] == "poll"
            assert reader.verify().holds
            assert not bell.exists()
            made = waiter_of(store)
            assert bell.stat().st_size == 4096
            # Who only reads uses what is there.
            assert not waiter.wait(settled(waiter), 0.3)
            assert reader.info()["doorbell"] == "futex"
            made.stop()
    assert bell.exists()


def test_a_store_that_only_reads_is_woken(path: Path) -> None:
    with another(path) as other, agent_store.open(path, read_only=True) as reader:
        waiter = waiter_of(reader)
        assert statistics.median(other.noticed(waiter, waiter.look()) for _ in range(10)) < 0.05
        assert reader.info()["doorbell"] == "poll"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_its_permissions_are_those_of_the_database(path: Path, mode: int) -> None:
    with agent_store.open(path) as store:
        path.chmod(mode)
        before = os.umask(0o077)
        try:
            waiter_of(store)
        finally:
            os.umask(before)
        assert bell_of(path).stat().st_mode & 0o7777 == mode


def test_it_stands_beside_what_a_link_leads_to(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "folder" / "link.db"
    link.parent.mkdir()
    link.symlink_to(path)
    with agent_store.open(path), agent_store.open(link) as store:
        waiter_of(store)
        assert bell_of(path).exists()
        assert not bell_of(link).exists()


def test_ringing_by_the_path(path: Path) -> None:
    with agent_store.open(path) as store:
        waiter = waiter_of(store)
        seen = settled(waiter)
        run("import sys; from agent_store import _core; _core.ring_file(sys.argv[1])", path)
        assert waiter.look() != seen


def test_without_anybody_who_waits_nobody_rings(path: Path) -> None:
    with agent_store.open(path) as store, another(path) as other:
        waiter = waiter_of(store)
        other.noticed(waiter)
        waiter.stop()
    other_bell = bell_of(path)
    with agent_store.open(path) as store:
        time.sleep(0.05)
        before = number_in(other_bell)
        for _ in range(20):
            store.log("s", "w").append(b"x")
        assert number_in(other_bell) == before
        waiter = waiter_of(store)
        store.log("s", "w").append(b"x")
        assert number_in(other_bell) == before + 1
        waiter.stop()


def test_the_first_commits_after_somebody_began_to_wait(path: Path) -> None:
    """Of a process that writes all the time, and so looks every ten milliseconds only whether anybody waits."""
    busy = """
import sys, time
import agent_store
with agent_store.open(sys.argv[1], durability="normal") as store:
    log = store.log("s", "w")
    log.append(b"x")
    print("ready", flush=True)
    until = time.monotonic() + 4
    while time.monotonic() < until:
        log.append(b"x")
        time.sleep(0.0015)
"""
    first: list[float] = []
    later: list[float] = []
    with script(busy, path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for round_ in range(20):
            time.sleep(0.03)  # It has looked, and nobody waited.
            if round_ == 10:
                bell_of(path).unlink()
            with agent_store.open(path) as store:
                waiter = waiter_of(store)
                for took in (first, first, later, later):
                    seen = waiter.look()
                    begun = time.monotonic()
                    assert waiter.wait(seen, PATIENCE)
                    took.append(time.monotonic() - begun)
                waiter.stop()
        process.kill()
    assert statistics.median(first) < 0.05
    assert statistics.median(later) < 0.05
    # Without the looks of the first moments many of them would take up to 250 ms.
    assert sorted(first)[-3] < 0.1


def threads_named(name: str) -> int:
    found = 0
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            found += (task / "comm").read_text().strip() == name
    return found


def test_one_thread_watches_for_all_loops_of_a_process(path: Path) -> None:
    name = "agent-store-bel"  # Linux keeps fifteen characters.
    before = threads_named(name)
    with agent_store.open(path) as store, agent_store.open(path) as another_store:
        waiters = [waiter_of(store) for _ in range(5)] + [waiter_of(another_store) for _ in range(5)]
        assert threads_named(name) == before
        assert len({waiter.fileno() for waiter in waiters}) == 10
        assert eventually(lambda: threads_named(name) == before + 1)
        for waiter in waiters:
            waiter.stop()
        assert eventually(lambda: threads_named(name) == before)
        assert waiters.pop().wait(0, 0) is False
        again = waiter_of(store)
        os.read(again.fileno(), 4096)
        assert eventually(lambda: threads_named(name) == before + 1)
        again.stop()


def test_nothing_stays_open(path: Path) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    with agent_store.open(path) as kept:
        waiter_of(kept).stop()
        before = descriptors()
        for _ in range(50):
            with agent_store.open(path) as store:
                waiter = waiter_of(store)
                waiter.fileno()
                store.log("s", "w").append(b"x")
                waiter.stop()
            waiter_of(kept).fileno()  # Forgotten, not stopped.
        assert eventually(lambda: descriptors() <= before + 4)
        mappings = Path("/proc/self/maps").read_text().count(str(bell_of(path)))
        assert mappings == 1


def test_who_waits_no_more_is_nobody_who_waits(path: Path) -> None:
    with agent_store.open(path) as store:
        waiter_of(store).stop()
        free = (
            "import fcntl, sys; f = open(sys.argv[1], 'r+b')\n"
            "try: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB); print('free')\n"
            "except OSError: print('locked')"
        )
        assert run(free, bell_of(path)) == ["locked"]  # Most come again.
        time.sleep(0.15)
        store.log("s", "w").append(b"x")
        assert run(free, bell_of(path)) == ["free"]
        waiter = waiter_of(store)
        assert run(free, bell_of(path)) == ["locked"]
        waiter.stop()


def test_a_child_that_lives_is_nobody_who_waits(path: Path) -> None:
    """Else its parent's death would leave those who write ringing for nobody."""
    parent = """
import os, sys, time
import agent_store
store = agent_store.open(sys.argv[1])
waiter = store._binding.backend.waiter()
waiter.fileno()
child = os.fork()
if child == 0:
    time.sleep(60)
    os._exit(0)
print(child, flush=True)
sys.stdin.readline()
"""
    with script(parent, path) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        try:
            with bell_of(path).open("r+b") as bell:
                with pytest.raises(OSError, match="temporarily unavailable"):
                    fcntl.lockf(bell, fcntl.LOCK_EX | fcntl.LOCK_NB)
                process.kill()
                process.wait()
                time.sleep(0.5)  # The child may not have run yet: until then it has what was its parent's.
                fcntl.lockf(bell, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.kill(child, 9)
