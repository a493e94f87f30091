"""Forks: the child gets errors from its parent's stores and may open its own; neither harms the other."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import agent_store
import crate
import worker_pool
from agent_store.errors import BusyError
from processes import run, script

PROGRAM = """
import os, signal, sys, threading, time, warnings
import agent_store
from agent_store.errors import ForkedStore
warnings.simplefilter("ignore")  # Python's own, about forking with threads
path = sys.argv[1]
signal.alarm(100)  # Nothing outlives the test that it is of.

def forked(child):
    "The process that `child` runs in."
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        try:
            child()
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
    return pid

def ends(pid, seconds=30):
    "Its status, once it has ended by itself."
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "hung"

def appends(rows=1, timeout=10):
    "In a store of its own."
    with agent_store.open(path, timeout=timeout) as store:
        for _ in range(rows):
            store.log("children", str(os.getpid())).append(b"x")
"""

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


def say(process: "subprocess.Popen[str]", line: str) -> str:
    """A line to it, and its answer."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


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
threads = [threading.Thread(target=write, args=[number]) for number in range({WRITERS})]
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


@pytest.mark.parametrize("child", ["returns", "raises"])
def test_a_fork_inside_progress(path: Path, child: str) -> None:
    """Amid the threads of a verification: the child has none of them, and does not wait for any."""
    code = (
        PROGRAM
        + """
with agent_store.open(path) as store:
    store.append_many([("s", str(n % 5), b"x") for n in range(600_000)])
parent, children = os.getpid(), []
def progress(done, total):
    if not children and 0 < done < total:
        children.append(os.fork())
        if children == [0]:
            signal.alarm(10)
            if sys.argv[2] == "raises":
                raise ValueError("of the child")
store = agent_store.open(path)
for _ in range(100):  # It may be over before it tells of any progress.
    try:
        verdict = store.verify(progress=progress)
    except ForkedStore:
        assert os.getpid() != parent
        appends()
        os._exit(7)
    if children:
        break
print(os.getpid() == parent, ends(children[0]), verdict.holds, store.position())
store.close()
"""
    )
    assert run(code, path, child) == ["True 7 True 600001"]


@pytest.mark.parametrize("at", [1, 70_000], ids=["checking", "copying"])
def test_a_fork_inside_an_upgrade(path: Path, at: int) -> None:
    """With the write lock held or not: the child leaves file, lock and turn to its parent.

    So much is copied that some of it is in the log before it is committed: what is rolled back would be missed.
    """
    crate.run("make", path, 40_000, 8, 2_000)
    code = (
        PROGRAM
        + """
parent, children = os.getpid(), []
def progress(done, total):
    if not children and done >= int(sys.argv[2]):
        children.append(os.fork())
        if children == [0]:
            raise KeyboardInterrupt
        # The child has ended, and what it did is done, before the upgrade goes on.
        print(ends(children[0]))
try:
    store = agent_store.open(path, progress=progress)
except ForkedStore:
    os._exit(7)
print(store.verify().holds, store.position(), store.info()["layout"])
store.close()
"""
    )
    assert run(code, path, at) == ["7", "True 40000 compact"]
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_a_killed_upgrade_frees_its_turn_though_its_child_lives(path: Path) -> None:
    crate.run("make", path, 40_000, 8, 10)
    code = (
        PROGRAM
        + """
def lives():
    sys.stdout.close()
    time.sleep(30)
def progress(done, total):
    print(forked(lives), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
agent_store.open(path, progress=progress)
"""
    )
    with script(code, path) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.wait(timeout=60)
    assert parent.returncode == -signal.SIGKILL
    begun = time.monotonic()
    try:
        with agent_store.open(path, timeout=5) as store:
            assert store.position() == store.verify().entries_hold == 40_000
    finally:
        os.kill(child, signal.SIGKILL)  # It was there all the time.
    assert time.monotonic() - begun < 20


def test_a_fork_does_not_wait_for_ever(path: Path) -> None:
    """SQL that takes longer than a fork waits: the child uses no store, and says so; the parent goes on."""
    code = (
        PROGRAM
        + """
store = agent_store.open(path)
LONG = "WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 40000000) SELECT count(*) FROM n"
def child():
    for call in (store.position, lambda: agent_store.open(path), lambda: agent_store.open(":memory:")):
        try:
            call()
        except ForkedStore:
            assert call == store.position
        except agent_store.errors.BackendError as error:
            assert "no store can be used here" in str(error)
        else:
            raise AssertionError("no error")
thread = threading.Thread(target=lambda: print(store.query(LONG)))
thread.start()
time.sleep(0.2)
begun = time.monotonic()
pid = forked(child)
print(1.9 < time.monotonic() - begun < 3, flush=True)
print(ends(pid), thread.is_alive(), flush=True)
print(store.log("s", "w").append(b"x").seq, flush=True)
pid = forked(appends) if not thread.join() else None
print(ends(pid), store.position())
store.close()
"""
    )
    assert run(code, path) == ["True", "0 True", "1", "[(40000000,)]", "0 2"]


@pytest.mark.parametrize("who", ["process", "thread"])
def test_a_fork_does_not_wait_for_who_waits(path: Path, who: str) -> None:
    """For a lock that another process holds, or a transaction of another thread: nobody is inside meanwhile."""
    code = (
        PROGRAM
        + """
store = agent_store.open(path, timeout=30)
print("opened", flush=True)
sys.stdin.readline()
if sys.argv[2] == "thread":
    block = store.transaction()
    block.__enter__()
waiting = threading.Thread(target=lambda: store.log("s", "w").append(b"x"))
waiting.start()
time.sleep(0.3)
forks = []
for _ in range(5):
    begun = time.monotonic()
    pid = forked(lambda: agent_store.open(":memory:").close())
    forks.append((ends(pid), time.monotonic() - begun < 1, waiting.is_alive()))
print(set(forks), flush=True)
if sys.argv[2] == "thread":
    block.__exit__(None, None, None)
waiting.join()
print(store.position(), flush=True)
store.close()
"""
    )
    with script(code, path, who) as process, agent_store.open(path) as other:
        assert process.stdout is not None
        assert process.stdout.readline() == "opened\n"
        if who == "process":
            with other.transaction():
                assert say(process, "") == "{(0, True, True)}"
        else:
            assert say(process, "") == "{(0, True, True)}"
        assert process.communicate(timeout=30)[0] == "1\n"
