"""Another SQLite library in the process that waits: neither harms the other, and its commits are noticed."""

from pathlib import Path

import pytest

import agent_store
from agent_store.errors import BusyError
from processes import run, script

BOTH = """
import sqlite3, sys, threading, time
import agent_store
path = sys.argv[1]
store = agent_store.open(path)
store.execute("CREATE TABLE notes (text)")
db = sqlite3.connect(path, isolation_level=None, timeout=30)
"""


def test_its_lock_outlives_those_who_come_to_wait_and_go(path: Path) -> None:
    """Closing any descriptor of the database would drop it."""
    code = (
        BOTH
        + """
db.execute("BEGIN IMMEDIATE")
db.execute("INSERT INTO notes VALUES ('x')")
for _ in range(20):
    list(store.watch(after=0, timeout=0.01))
    store.doorbell.wait(timeout=0.01)
    with store.doorbell.subscribe(print):
        pass
    with agent_store.open(path) as other:
        other.doorbell.wait(timeout=0.001)
print("waited", flush=True)
sys.stdin.readline()
db.execute("COMMIT")
db.close()
store.close()
"""
    )
    with script(code, path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waited\n"
        with agent_store.open(path, timeout=0.2) as store:
            with pytest.raises(BusyError):
                store.log("s", "w").append(b"x")
            process.communicate("\n", timeout=60)
            assert store.log("s", "w").append(b"x").position == 1
            assert store.query("SELECT count(*) FROM notes") == [(1,)]


def test_what_it_commits_is_noticed_and_nothing_is_lost(path: Path) -> None:
    code = (
        BOTH
        + """
seen, done = [], threading.Event()
def watch():
    with store.watch(after=0, timeout=30) as one:
        for entry in one:
            seen.append(entry.position)
            if entry.payload == b"last":
                break
def write(number):
    # A connection of a thread's own, opened and closed all the time.
    for n in range(40):
        own = sqlite3.connect(path, isolation_level=None, timeout=30)
        own.execute("INSERT INTO notes VALUES (?)", (f"{number} {n}",))
        own.close()
def append(number):
    for n in range(100):
        store.log("s", str(number)).append(b"x")
def come_and_go():
    while not done.is_set():
        with agent_store.open(path) as other:
            other.doorbell.wait(timeout=0.005)
watching = [threading.Thread(target=watch) for _ in range(3)]
busy = [threading.Thread(target=target, args=[n]) for target in (write, append) for n in range(2)]
going = threading.Thread(target=come_and_go)
for thread in [*watching, *busy, going]:
    thread.start()
for thread in busy:
    thread.join()
waiter = store._binding.backend.waiter()
waiter.wait(waiter.look(), 0.4)
known = waiter.look()
db.execute("INSERT INTO notes VALUES ('of the library')")
print(waiter.wait(known, 10))
waiter.stop()
done.set()
going.join()
store.log("s", "w").append(b"last")
for thread in watching:
    thread.join()
print(seen[-1] == 201 and sorted(seen) == sorted(list(range(1, 202)) * 3))
print(store.query("SELECT count(*) FROM notes")[0][0], store.verify().holds)
db.close()
store.close()
"""
    )
    assert run(code, path) == ["True", "True", "81 True"]
