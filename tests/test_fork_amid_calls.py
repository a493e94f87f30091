"""Forks from inside a callback, beside threads that wait, and beside one that does not come out of SQLite."""

import os
import signal
import time
from pathlib import Path

import pytest

import agent_store
import crate
from forking import PROGRAM, say
from processes import run, script


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


OTHER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("CREATE TABLE notes (text)")
db.commit()
print("open", flush=True)
sys.stdin.read()
db.close()
"""


@pytest.mark.parametrize("at", [1, 70_000], ids=["checking", "copying"])
def test_a_fork_inside_an_upgrade(path: Path, at: int) -> None:
    """With the write lock held or not: the child leaves file, lock and turn to its parent.

    So much is copied that some of it is in the log before it is committed, behind what another committed there: what
    is rolled back would be missed.
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
    with script(OTHER, path) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        assert run(code, path, at) == ["7", "True 40000 compact"]
        other.communicate(timeout=60)
    with agent_store.open(path) as store:
        assert store.verify().entries_hold == 40_000
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
