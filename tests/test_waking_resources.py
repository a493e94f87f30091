"""What waiting takes, and that it is given back: descriptors, threads, memory."""

from pathlib import Path

import pytest

import agent_store
from processes import run

MIB = 1 << 20
PROGRAM = """
import gc, os, re, sys, threading, time
from pathlib import Path
import agent_store

path = sys.argv[1]

def held():
    "Descriptors and threads, once what ends by itself has ended."
    until = time.monotonic() + 5
    last = None
    while time.monotonic() < until:
        now = len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task")), threading.active_count()
        if now == last:
            break
        last = now
        time.sleep(0.3)
    return last

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) << 10

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) << 10

def every_way(store):
    with store.watch(after=0, timeout=10) as watch:
        next(watch)
    abandoned = store.watch(after=0, timeout=10)
    next(abandoned)
    del abandoned
    store.watch(timeout=10)
    list(store.watch(timeout=0.001))
    store.doorbell.wait(timeout=0.001)
    store.generation("g").wait(timeout=0.001)
    got = threading.Event()
    with store.doorbell.subscribe(lambda event: got.set(), after=0):
        assert got.wait(10)
    waiter = store._binding.backend.waiter()
    number = waiter.fileno()
    store.doorbell.ring()
    import select
    assert select.select([number], [], [], 10)[0]
    assert os.read(number, 4096)
    waiter.stop()
    stopped.append(waiter)

stopped = []
"""


def test_each_gives_back_what_it_took(path: Path) -> None:
    code = (
        PROGRAM
        + """
with agent_store.open(path) as store:
    store.log("s", "w").append(b"x")
    every_way(store)
    gc.collect()
    before = held()
    for _ in range(60):
        every_way(store)
    gc.collect()
    after = held()
    print(all(now <= then for now, then in zip(after, before)), before, after)
"""
    )
    assert run(code, path)[0].startswith("True")


def test_a_store_gives_back_what_its_waiters_took(path: Path) -> None:
    """Also of those who still wait when it is closed, or who were left where they are."""
    code = (
        PROGRAM
        + """
def use():
    store = agent_store.open(path)
    store.log("s", "w").append(b"x")
    every_way(store)
    def wait():
        try:
            store.doorbell.wait(timeout=60)
        except agent_store.errors.StoreClosed:
            pass
    def watch():
        try:
            list(store.watch(timeout=60))
        except agent_store.errors.StoreClosed:
            pass
    threads = [threading.Thread(target=target) for target in (wait, watch) for _ in range(3)]
    for thread in threads:
        thread.start()
    left = store.doorbell.subscribe(lambda event: None)
    waiter = store._binding.backend.waiter()
    waiter.fileno()
    time.sleep(0.05)
    store.close()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
use()
gc.collect()
before = held()
for _ in range(15):
    use()
gc.collect()
after = held()
print(all(now <= then for now, then in zip(after, before)), before, after)
"""
    )
    assert run(code, path)[0].startswith("True")


def test_nothing_is_started_before_somebody_waits(path: Path) -> None:
    code = (
        PROGRAM
        + """
with agent_store.open(path) as store:
    store.log("s", "w").append(b"x")
    store.position()
    before = held()
    for _ in range(20):
        store.log("s", "w").append(b"x")
        store.generation("g").bump()
        store.position()
        time.sleep(0.01)
    print(before == held(), before, held())
"""
    )
    assert run(code, path)[0].startswith("True")


def test_many_who_wait_share_a_thread(path: Path) -> None:
    """Those who wait in an event loop: none of them has a thread."""
    code = (
        PROGRAM
        + """
with agent_store.open(path) as store, agent_store.open(path) as other:
    waiters = [s._binding.backend.waiter() for s in (store, other) for _ in range(50)]
    before = held()
    for waiter in waiters:
        waiter.fileno()
    after = held()
    print(after[1] - before[1] <= 1, before, after)
    for waiter in waiters:
        waiter.stop()
"""
    )
    assert run(code, path)[0].startswith("True")


@pytest.mark.parametrize("logs", [1, 100_000], ids=["one log", "logs of one entry"])
def test_memory_stays_flat_in_a_watch(path: Path, logs: int) -> None:
    with agent_store.open(path, durability="normal") as store:
        store.append_many(("s", f"w{n % logs}", b"x" * 100) for n in range(100_000))
    code = (
        PROGRAM
        + """
with agent_store.open(path, durability="normal") as store:
    log = store.log("s", "w0")
    with store.watch(after=0, timeout=30) as watch:
        for entry in watch:
            if entry.position == 20_000:
                before = peak()
            if entry.position == 100_000:
                log.append_many([b"y" * 100] * 20_000)
            if entry.position == 120_000:
                break
    print(peak() - before)
"""
    )
    assert int(run(code, path)[0]) < 16 * MIB


def test_memory_stays_flat_over_many_watches(path: Path) -> None:
    code = (
        PROGRAM
        + """
with agent_store.open(path) as store:
    store.log("s", "w").append(b"x")
    def many(count):
        for _ in range(count):
            with store.watch(after=0, timeout=10) as watch:
                next(watch)
            store.doorbell.wait(timeout=0)
            store.doorbell.ring()
    many(500)
    before = resident()
    many(4_000)
    print(resident() - before)
"""
    )
    assert int(run(code, path)[0]) < 4 * MIB


def test_a_subscription_holds_no_more_than_it_is_at(path: Path) -> None:
    """One that is slow, while much is appended: what it was not told of yet waits in the database."""
    code = (
        PROGRAM
        + """
with agent_store.open(path, durability="normal") as store:
    go, told = threading.Event(), []
    def slow(event):
        go.wait(60)
        told.append(event.position)
    log = store.log("s", "w")
    for _ in range(60):  # What the writing connection keeps of pages it keeps by now.
        log.append_many([b"x" * 1_000] * 1_000)
    with store.doorbell.subscribe(slow):
        log.append(b"x")
        before = resident()
        for _ in range(50):
            log.append_many([b"x" * 1_000] * 1_000)
        added = resident() - before
        go.set()
        until = time.monotonic() + 60
        while len(told) < 50_001 and time.monotonic() < until:
            time.sleep(0.01)
    print(added, told == list(range(60_001, 110_002)))
"""
    )
    added, complete = run(code, path)[0].split()
    assert complete == "True"
    assert int(added) < 8 * MIB
