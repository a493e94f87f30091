"""Forks amid threads that wait: the child is told so, and waits and rings in a store of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

import agent_store
import waiting_pool
from forking import PROGRAM
from processes import run

WAITING = (
    PROGRAM
    + """
store = agent_store.open(path, timeout=30)
log = store.log("s", "w")
log.append(b"first")
seen = []
def watch(number):
    with store.watch(after=0, timeout=60) as one:
        seen[number] = []
        for entry in one:
            seen[number].append(entry.position)
            if entry.payload == b"last":
                break
def wait(number):
    found = 0
    while not found or store.log("s", "w").head().payload != b"last":
        found = store.doorbell.wait(found, timeout=60)
threads = [threading.Thread(target=watch, args=[n]) for n in range(4)]
threads += [threading.Thread(target=wait, args=[n]) for n in range(4)]
seen += [None] * 4
told = []
subscription = store.doorbell.subscribe(lambda event: told.append(event.position), after=0)
watched = store.watch(after=0, timeout=60)
fileno = watched._waiter.fileno() if hasattr(watched, "_waiter") else None
next(watched)
for thread in threads:
    thread.start()
time.sleep(0.2)
def end():
    log.append(b"last")
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    until = time.monotonic() + 30
    while len(told) < store.position() and time.monotonic() < until:
        time.sleep(0.01)
    subscription.close()
    watched.close()
    every = list(range(1, store.position() + 1))
    assert told == every, told
    assert seen == [every] * 4, seen
    assert store.verify().holds
    store.close()
    print("ended")
"""
)


def test_the_child_is_told_so(path: Path) -> None:
    code = (
        WAITING
        + """
def child():
    calls = {
        "wait": lambda: store.doorbell.wait(timeout=5),
        "wait after": lambda: store.doorbell.wait(0, timeout=5),
        "watch": lambda: next(store.watch(after=0, timeout=5)),
        "watch from now": lambda: next(store.watch(timeout=5)),
        "next": lambda: next(watched),
        "subscribe": lambda: store.doorbell.subscribe(print),
        "ring": lambda: store.doorbell.ring(),
        "generation": lambda: store.generation("g").wait(timeout=5),
    }
    for name, call in calls.items():
        try:
            print(name, call(), flush=True)
        except ForkedStore:
            pass
    # What ends something of the parent's may say so or be silent; it hangs not, and takes nothing from the parent.
    for close in (watched.close, subscription.close, store.close):
        try:
            close()
        except ForkedStore:
            pass
print(ends(forked(child)))
end()
"""
    )
    assert run(code, path) == ["0", "ended"]


def test_the_child_waits_and_rings_in_a_store_of_its_own(path: Path) -> None:
    code = (
        WAITING
        + """
def child():
    with agent_store.open(path, timeout=30) as own:
        position = own.position()
        with own.watch(after=position, timeout=30) as one:
            own.log("child", str(os.getpid())).append(b"x")
            assert next(one).stream == "child"
            os.write(ready[1], b"x")
            assert next(one).payload == b"of the parent"
        got = []
        with own.doorbell.subscribe(got.append, after=0):
            assert own.doorbell.wait(position, timeout=5) > position
            until = time.monotonic() + 30
            while len(got) < own.position() and time.monotonic() < until:
                time.sleep(0.01)
        assert [event.position for event in got[:position]] == list(range(1, position + 1))
longest = 0
for _ in range(10):
    ready = os.pipe()
    begun = time.monotonic()
    pid = forked(child)
    longest = max(longest, time.monotonic() - begun)
    os.close(ready[1])
    assert os.read(ready[0], 1) == b"x"
    os.close(ready[0])
    log.append(b"of the parent")
    assert ends(pid) == 0
print(longest < 1)
end()
"""
    )
    assert run(code, path) == ["True", "ended"]


def test_forks_amid_appends_and_waits(path: Path) -> None:
    """As fast as they come, with bells and watchers being made and ended meanwhile."""
    code = (
        WAITING
        + """
done = threading.Event()
def append(number):
    own = store.log("parents", str(number))
    while not done.is_set():
        own.append(b"x")
        time.sleep(0.001)
def come_and_go():
    while not done.is_set():
        with agent_store.open(path, timeout=30) as other, other.watch(after=0, timeout=5) as one:
            next(one)
            other.doorbell.wait(timeout=0.01)
            with other.doorbell.subscribe(lambda event: None):
                pass
busy = [threading.Thread(target=append, args=[n]) for n in range(3)]
busy += [threading.Thread(target=come_and_go) for _ in range(3)]
for thread in busy:
    thread.start()
def child():
    with agent_store.open(path, timeout=30) as own, own.watch(timeout=30) as one:
        next(one)
        own.doorbell.wait(timeout=30)
        appended = own.log("child", str(os.getpid())).append(b"x")
        while next(one) != appended:
            pass
statuses = []
for _ in range(5):
    pids = [forked(child) for _ in range(4)]
    statuses += [ends(pid) for pid in pids]
print(set(statuses))
done.set()
for thread in busy:
    thread.join(30)
    assert not thread.is_alive()
end()
"""
    )
    assert run(code, path) == ["{0}", "ended"]


def test_a_child_that_ends_as_programs_do(path: Path) -> None:
    """With all it inherited, and all it opened, left open: neither hangs it."""
    code = (
        WAITING
        + """
pid = os.fork()
if pid == 0:
    signal.alarm(30)
    own = agent_store.open(path, timeout=30)
    one = own.watch(timeout=30)
    own.doorbell.subscribe(lambda event: None)
    own.log("child", "w").append(b"x")
    next(one)
    sys.exit(0)
print(ends(pid))
end()
"""
    )
    assert run(code, path) == ["0", "ended"]


def test_the_parent_ends_and_the_child_goes_on(path: Path) -> None:
    code = (
        PROGRAM
        + """
store = agent_store.open(path)
store.doorbell.wait(timeout=0.01)
watched = store.watch()
ready = os.pipe()
def child():
    os.close(1)
    with agent_store.open(path) as own:
        os.write(ready[1], b"x")
        assert own.doorbell.wait(0, timeout=30) == 1
        own.log("child", "w").append(b"x")
pid = forked(child)
os.read(ready[0], 1)
print(pid, flush=True)
os._exit(0)
"""
    )
    run(code, path)
    with agent_store.open(path) as store, store.watch(timeout=30) as watch:
        store.log("s", "w").append(b"x")
        assert [next(watch).stream for _ in range(2)] == ["s", "child"]


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(path: Path, method: str) -> None:
    command = [sys.executable, "-W", "ignore", waiting_pool.__file__, str(path), method]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout.split(), done.stderr) == (["40"] * 4, "")
