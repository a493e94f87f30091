"""Forks: the child gets errors from its parent's stores and may open its own; neither harms the other."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import agent_store
import worker_pool
from agent_store.errors import BusyError
from forking import PROGRAM, say
from processes import run, script

IN_TRANSACTION = (
    PROGRAM
    + """
store = agent_store.open(path)
store.log("s", "w").append(b"kept")
transaction = store.transaction()
transaction.__enter__()
store.log("s", "w").append(b"of the transaction")
waits = os.pipe()
child = os.fork()
if child == 0:
    signal.alarm(60)
    os.read(waits[0], 1)
    sys.exit(0)  # As any program ends: all is torn down.
print(child, flush=True)
for line in sys.stdin:
    if line == "end the child\\n":
        os.write(waits[1], b"x")
        print(ends(child), flush=True)
    elif line == "kill the child\\n":
        os.kill(child, signal.SIGKILL)
        print(ends(child), flush=True)
    else:
        transaction.__exit__(None, None, None)
        print(store.position(), flush=True)
        store.close()
"""
)


def test_a_killed_parent_frees_its_lock_though_its_child_lives(path: Path) -> None:
    with script(IN_TRANSACTION, path) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
        try:
            with agent_store.open(path, timeout=1) as store:
                assert store.log("s", "w").append(b"y").seq == 2
                assert store.verify().holds
        finally:
            os.kill(child, signal.SIGKILL)  # It was there all the time.


@pytest.mark.parametrize(("how", "status"), [("end", "0"), ("kill", "-9")])
def test_a_child_that_ends_takes_no_lock_of_its_parent(path: Path, how: str, status: str) -> None:
    with script(IN_TRANSACTION, path) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        assert say(parent, f"{how} the child") == status
        with agent_store.open(path, timeout=0.3) as store:
            with pytest.raises(BusyError):
                store.log("s", "w").append(b"y")
            assert store.position() == 1
            assert say(parent, "commit") == "2"
            assert store.log("s", "w").append(b"y").seq == 3
            assert store.verify().holds
        parent.communicate(timeout=30)
    assert parent.returncode == 0


def test_a_child_opens_its_own_and_outlives_its_parents_store(path: Path) -> None:
    """Stock SQLite takes no locks in such a child: the parent, closing, removes the log that it writes to."""
    code = (
        PROGRAM
        + """
store = agent_store.open(path)
store.log("s", "w").append_many([b"of the parent"] * 2)
opened, closed = os.pipe(), os.pipe()
def child():
    own = agent_store.open(path)
    own.log("s", "w").head()
    os.write(opened[1], b"x")
    os.read(closed[0], 1)
    for _ in range(5):
        own.log("s", "w").append(b"of the child")
    own.close()
pid = forked(child)
os.close(opened[1])
os.read(opened[0], 1)
store.close()
os.write(closed[1], b"x")
print(ends(pid))
"""
    )
    assert run(code, path) == ["0"]
    with agent_store.open(path) as store:
        assert store.position() == store.verify().entries_hold == 7


FORKS = 60
WRITERS = 8


def test_forks_amid_writers(path: Path) -> None:
    code = (
        PROGRAM
        + f"""
store = agent_store.open(path, durability="normal", timeout=30)
done = threading.Event()
told = [0] * {WRITERS}
def write(number):
    log = store.log("parents", str(number))
    while not done.is_set():
        assert log.append(b"x").seq == told[number] + 1
        told[number] += 1
def child():
    try:
        store.position()
    except ForkedStore:
        appends(3, timeout=30)
    else:
        raise AssertionError("no error")
def reopen():
    while not done.is_set():
        agent_store.open(path, timeout=30).close()
threads = [threading.Thread(target=write, args=[number]) for number in range({WRITERS})]
threads += [threading.Thread(target=reopen) for _ in range(2)]
for thread in threads:
    thread.start()
statuses, longest = [], 0
for _ in range({FORKS}):
    begun = time.monotonic()
    pid = forked(child)
    longest = max(longest, time.monotonic() - begun)
    statuses.append(ends(pid))
done.set()
for thread in threads:
    thread.join()
print(set(statuses), longest < 1)
print(sum(told), min(told) > 0, store.verify().holds, store.position() == sum(told) + 3 * {FORKS})
store.close()
"""
    )
    first, second = run(code, path)
    assert first == "{0} True"
    acknowledged, *rest = second.split()
    assert rest == ["True"] * 3
    assert int(acknowledged) > 500
    with agent_store.open(path, read_only=True) as store:
        heads = store.heads()
        assert sum(head.seq for head in heads if head.stream == "parents") == int(acknowledged)
        assert [head.seq for head in heads if head.stream == "children"] == [3] * FORKS


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(path: Path, method: str) -> None:
    command = [sys.executable, "-W", "ignore", worker_pool.__file__, str(path), method]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout.split(), done.stderr) == (["20"] * 8, "")
    with agent_store.open(path) as store:
        assert store.position() == store.verify().entries_hold == 51 + 8 * 20


def test_workers_forked_before_they_open(path: Path) -> None:
    """As a web server does: the parent opens the application, with a store, and forks workers that open their own."""
    code = (
        PROGRAM
        + """
import signal
store = agent_store.open(path)
store.log("s", "w").append(b"of the parent")
def worker():
    global store
    try:
        store.position()
    except ForkedStore:
        store = agent_store.open(path, timeout=30)  # The inherited one is let go of, and must leave the parent's be.
    for _ in range(50):
        store.log("s", "w").append(b"of a worker")
    store.close()
workers = [forked(worker) for _ in range(6)]
os.kill(workers[0], signal.SIGKILL)
print([ends(pid) for pid in workers[1:]])
store.log("s", "w").append(b"of the parent")
os.waitpid(workers[0], 0)
print(251 < store.position() <= 302, store.verify().holds)
store.close()
"""
    )
    assert run(code, path) == [str([0] * 5), "True True"]
