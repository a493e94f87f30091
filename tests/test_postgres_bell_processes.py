"""Many processes that wait and write, killed, forked and ended while they do."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from agent_store import Store
from postgres_bells import DEADLINE, apart, listeners, until
from processes import run, script
from stores import Schema, a_schema

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def schema(postgres: str) -> Iterator[Schema]:
    with a_schema("postgres", postgres) as place:
        place.open().close()
        yield place


@pytest.fixture
def store(schema: Schema) -> Iterator[Store]:
    with schema.open() as opened:
        yield opened


WATCHER = """
import sys, threading, agent_store
from agent_store.backends.postgres import hearing
hearing.LOOK = hearing.ANYWAY = 3600.0  # What is noticed was rung.
url, threads, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
def follow():
    positions = []
    with store.watch(after=0, timeout=50) as watch:
        for entry in watch:
            positions.append(entry.position)
            if entry.position == last:
                break
    assert positions == list(range(1, last + 1)), positions
with agent_store.open(url) as store:
    each = [threading.Thread(target=follow) for _ in range(threads)]
    for thread in each: thread.start()
    print("begun", flush=True)
    for thread in each: thread.join()
    print("done", flush=True)
"""
WRITER = """
import sys, time, agent_store
with agent_store.open(sys.argv[1]) as store:
    for n in range(int(sys.argv[2])):
        store.log("s", sys.argv[3]).append(b"%d" % n)
        time.sleep(0.002)
"""


def test_many_who_wait_in_many_processes(schema: Schema) -> None:
    """A connection each, and all see all, while some who wait are killed."""
    processes, threads, writers, times = 4, 8, 2, 40
    last = writers * times
    with ExitStack() as stack:
        watchers = [stack.enter_context(script(WATCHER, schema.url, threads, last)) for _ in range(processes)]
        killed = [stack.enter_context(script(WATCHER, schema.url, threads, last)) for _ in range(2)]
        for each in (*watchers, *killed):
            assert each.stdout is not None
            assert each.stdout.readline() == "begun\n"
        until(lambda: len(listeners(schema)) == processes + len(killed))
        writing = [stack.enter_context(script(WRITER, schema.url, times, f"w{n}")) for n in range(writers)]
        for each in killed:
            time.sleep(0.05)
            each.kill()
        for each in writing:
            assert each.wait(DEADLINE) == 0
        for each in watchers:
            output, _ = each.communicate(timeout=DEADLINE)
            assert output == "done\n"
    until(lambda: not listeners(schema))


@pytest.mark.usefixtures("_only_rings")
def test_a_writer_that_is_killed(schema: Schema, store: Store) -> None:
    """Between its commit and its ring, as far as that can be hit: what it did not ring for the next one rings for."""
    with store.watch(after=0, timeout=DEADLINE) as watch:
        until(lambda: listeners(schema))
        for _ in range(3):
            with script(WRITER, schema.url, 100_000, "killed") as process:
                next(watch)
                process.kill()
        last = store.log("s", "w").append(b"x").position
        positions = [1, *range(watch.position, last + 1)]
        while watch.position < last:
            next(watch)
        assert positions[-1] == watch.position
    with apart(schema) as other:
        assert other.verify().holds


FORKED = """
import os, sys, threading, time, warnings
warnings.simplefilter("ignore")
import agent_store
from agent_store.errors import ForkedStore
store = agent_store.open(sys.argv[1])
watch = store.watch(timeout=30)
waiter = store._binding.backend.waiter()
slept = threading.Thread(target=lambda: next(watch))
slept.start()
time.sleep(0.5)
child = os.fork()
if child == 0:
    for call in (waiter.look, lambda: waiter.wait(0, 5), store.watch, store.doorbell.ring):
        try:
            call()
        except ForkedStore:
            continue
        os._exit(1)
    waiter.stop()
    with agent_store.open(sys.argv[1]) as own, own.watch(timeout=30) as mine:
        own.log("s", "child").append(b"x")
        if next(mine).writer != "child":
            os._exit(2)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
slept.join(30)
assert not slept.is_alive()
seen = waiter.look()
store.log("s", "parent").append(b"x")
assert waiter.wait(seen, 30)
waiter.stop()
watch.close()
store.close()
print("both went on")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_fork_while_somebody_waits(schema: Schema) -> None:
    assert run(FORKED, schema.url) == ["both went on"]


ENDED = """
import sys, threading, warnings
warnings.simplefilter("ignore")
import agent_store
store = agent_store.open(sys.argv[1])
how = sys.argv[2]
watch = store.watch()
if how == "asleep":
    threading.Thread(target=lambda: next(watch), daemon=True).start()
elif how == "subscribed":
    subscription = store.doorbell.subscribe(print)
elif how == "descriptor":
    waiter = store._binding.backend.waiter()
    waiter.fileno()
elif how == "ringing":
    store.doorbell.ring()
elif how == "closed":
    store.close()
if sys.argv[3] == "late":
    import time
    time.sleep(0.3)
"""


@pytest.mark.parametrize("when", ["at once", "late"])
def test_the_end_of_the_interpreter(schema: Schema, when: str) -> None:
    """It waits for nobody who waits, and says nothing."""
    ways = ("watching", "asleep", "subscribed", "descriptor", "ringing", "closed")
    pipe = subprocess.PIPE
    begun = [
        subprocess.Popen([sys.executable, "-c", ENDED, schema.url, how, when], stderr=pipe, text=True) for how in ways
    ]
    for how, process in zip(ways, begun, strict=True):
        _, said = process.communicate(timeout=DEADLINE)
        assert (process.returncode, said) == (0, ""), how
    until(lambda: not listeners(schema))
