"""Forks of processes that wait."""

import os
from pathlib import Path

import agent_store
from agent_store.errors import ForkedStore
from bells import waiter_of
from forking import PROGRAM
from processes import run

FORKS = (
    PROGRAM
    + """
store = agent_store.open(path)
waiter = store._binding.backend.waiter()
descriptor = waiter.fileno()
seen = waiter.look()

def child():
    for call in (waiter.look, lambda: waiter.wait(seen, 5), waiter.fileno, store._binding.backend.waiter):
        try:
            call()
        except ForkedStore:
            pass
        else:
            raise SystemExit("no error")
    waiter.stop()
    with agent_store.open(path) as own:
        theirs = own._binding.backend.waiter()
        before = theirs.look()
        os.write(ready[1], b"x")
        assert theirs.wait(before, 20)
        assert os.read(theirs.fileno(), 4096)
        own.log("children", "w").append(b"y")

ready = os.pipe()
pid = forked(child)
os.read(ready[0], 1)
store.log("s", "w").append(b"x")
print(ends(pid))
while store.position() < 2:
    assert waiter.wait(waiter.look(), 20)
print(store.position(), len(os.read(descriptor, 4096)) > 0)
store.close()
"""
)


def test_a_fork_of_who_waits(path: Path) -> None:
    assert run(FORKS, path) == ["0", "2 True"]


def test_forks_amid_waiting(path: Path) -> None:
    """Threads wait, are woken and stop while the process forks; each child waits in a store of its own."""
    amid = (
        PROGRAM
        + """
store = agent_store.open(path)
over = False

def wait():
    while not over:
        waiter = store._binding.backend.waiter()
        os.read(waiter.fileno(), 4096)
        waiter.wait(waiter.look(), 0.01)
        waiter.stop()

def child():
    with agent_store.open(path, timeout=30) as own:
        waiter = own._binding.backend.waiter()
        seen = waiter.look()
        own.log("children", str(os.getpid())).append(b"x")
        assert waiter.wait(seen, 20)

threads = [threading.Thread(target=wait) for _ in range(4)]
for thread in threads:
    thread.start()
ended = []
for _ in range(15):
    pid = forked(child)
    store.log("s", "w").append(b"x")
    ended.append(ends(pid))
over = True
for thread in threads:
    thread.join()
print(ended.count(0), store.position())
store.close()
"""
    )
    assert run(amid, path) == ["15 30"]


def test_errors_in_a_child(path: Path) -> None:
    with agent_store.open(path) as store:
        waiter = waiter_of(store)
        pid = os.fork()
        if pid == 0:
            try:
                waiter.look()
            except ForkedStore:
                os._exit(0)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
