"""Many threads wait for the write lock: each gives up, is interrupted or meets a closed store alone; the rest go on."""

import signal
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from subprocess import Popen

import pytest

import agent_store
from agent_store import Entry, Store
from agent_store.errors import BusyError, StoreClosed
from processes import script
from threads import A_MOMENT, PATIENCE, THREADS, Threads, check, locked, together, turn_taken

TIMEOUT = 0.5
LATE = 1.0
"""Seconds by which a call may return too late, on a machine that does much else."""


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with agent_store.open(path, timeout=TIMEOUT) as opened:
        yield opened


def write(store: Store, number: int) -> object:
    """One way to write of each kind, by turns."""
    if number % 4 == 0:
        return store.generation("g").bump()
    if number % 4 == 1:
        return store.append_many([("s", "many", b"%d" % number)] * 3)
    if number % 4 == 2:
        with store.transaction():
            return store.log("s", "transaction").append(b"%d" % number)
    return store.log("s", "one").append(b"%d" % number)


@pytest.mark.parametrize("kinds", ["append", "all"])
@pytest.mark.parametrize("by", ["a thread", "a process"])
def test_each_that_waits_gives_up_after_the_timeout(store: Store, path: Path, by: str, kinds: str) -> None:
    def work(number: int) -> tuple[BusyError, float]:
        time.sleep(number * 0.02)  # Each has its own timeout, from when it came.
        began = time.monotonic()
        with pytest.raises(BusyError) as busy:
            write(store, number if kinds == "all" else 3)
        return busy.value, time.monotonic() - began

    with locked(path) if by == "a process" else turn_taken(store), Threads(work) as threads:
        told = threads.results()
        for busy, taken in told:
            assert TIMEOUT <= busy.waited <= taken < TIMEOUT + LATE
            assert "write" in busy.what
            assert f"{busy.waited:.1f} s" in str(busy)
        assert store.position() == 0
        assert store.generation("g").current() == 0
    # Nothing of it is written late, and nothing stands in the way of who comes now.
    together(lambda number: store.log("s", "w").append(b"%d" % number))
    assert {entry.writer for entry in check(store, THREADS)} == {"w"}
    assert store.generation("g").current() == 0


def test_a_timeout_of_none_of_those_behind_is_used_up_by_the_first(store: Store, path: Path) -> None:
    """One that waited in vain leaves; one that came later has all of its own time, and the lock comes free in it."""

    def work(number: int) -> Entry | None:
        time.sleep(number * (TIMEOUT - 0.1))
        try:
            return store.log("s", "w").append(b"%d" % number)
        except BusyError:
            return None

    with locked(path):
        threads = Threads(work, 2)
        time.sleep(TIMEOUT + 0.1)
    with threads:
        gave_up, got_it = threads.results()
    assert gave_up is None
    assert got_it is not None
    assert check(store, 1) == [got_it]


def test_timeout_nought_never_waits(path: Path) -> None:
    with agent_store.open(path, timeout=0) as store:

        def work(number: int) -> int:
            written = 0
            for n in range(50):
                began = time.monotonic()
                try:
                    store.log("s", str(number)).append(b"%d" % n)
                    written += 1
                except BusyError as busy:
                    assert busy.waited < LATE  # noqa: PT017 - it may well be written
                assert time.monotonic() - began < LATE
            return written

        with locked(path), Threads(work) as threads:
            assert sum(threads.results()) == 0
        check(store, sum(together(work)))


@pytest.mark.parametrize("by", ["a thread", "a process"])
def test_those_that_wait_when_the_store_is_closed_wrote_or_did_not(path: Path, by: str) -> None:
    store = agent_store.open(path, timeout=PATIENCE)
    with locked(path) if by == "a process" else turn_taken(store):
        threads = Threads(lambda number: (write(store, number), number))
        time.sleep(A_MOMENT)
        closing = Threads(lambda _: store.close(), 1)
        time.sleep(A_MOMENT)
    with closing, threads:
        closing.results()
        told = threads.outcomes()
    assert {type(found) for found in told} <= {tuple, StoreClosed}
    numbers = [found[1] for found in told if isinstance(found, tuple)]
    with agent_store.open(path) as again:
        written = check(again, sum({0: 0, 1: 3, 2: 1, 3: 1}[number % 4] for number in numbers))
        assert {int(entry.payload) for entry in written} == {number for number in numbers if number % 4}
        assert again.generation("g").current() == sum(number % 4 == 0 for number in numbers)


def test_the_handler_of_a_signal_may_write_while_its_thread_waits(path: Path) -> None:
    """What its thread were lent meanwhile, it would wait for in vain."""
    told: list[Entry] = []
    with agent_store.open(path, timeout=3 * LATE) as store:

        def hold(_: int) -> None:
            with store.transaction():
                time.sleep(2 * A_MOMENT)
            store.log("s", "held").append(b"x")

        before = signal.signal(signal.SIGALRM, lambda *_: told.append(store.log("s", "handler").append(b"x")))
        try:
            with Threads(hold, 1) as holding:
                time.sleep(A_MOMENT / 2)
                began = time.monotonic()
                signal.setitimer(signal.ITIMER_REAL, A_MOMENT / 2)
                told.append(store.log("s", "main").append(b"x"))
                holding.results()
                assert time.monotonic() - began < 2 * A_MOMENT + LATE
        finally:
            signal.signal(signal.SIGALRM, before)
        assert [entry.writer for entry in told] == ["handler", "main"]
        check(store, 3)


CTRL_C = """
import signal, sys, threading, time
import agent_store
from agent_store.errors import StoreError
signal.signal(signal.SIGINT, signal.default_int_handler)
path, ahead = sys.argv[1], sys.argv[2] == "ahead"
stop = threading.Event()
told = {n: [] for n in range(8)}

def work(number):
    while not stop.is_set():
        told[number].append(log.append(b"%d/%d" % (number, len(told[number]))))

with agent_store.open(path, timeout=60) as store:
    log = store.log("s", "w")
    others = [threading.Thread(target=work, args=[number]) for number in told]
    print("ready", flush=True)
    sys.stdin.readline()
    if ahead:  # The main thread waits first, and so is the one that the others wait behind.
        threading.Timer(0.2, lambda: [thread.start() for thread in others]).start()
    else:
        [thread.start() for thread in others]
        time.sleep(0.2)
    print("begin", flush=True)
    own = []
    try:
        while True:
            own.append(log.append(b"main/%d" % len(own)))
    except KeyboardInterrupt:
        print("left", time.monotonic(), flush=True)
    sys.stdin.readline()
    own.append(log.append(b"main/after"))
    stop.set()
    [thread.join() for thread in others]
    entries = list(log.entries())
    mine = [entry for entry in entries if entry.payload.startswith(b"main/")]
    there = [entry for entry in mine if entry not in own]
    for number, entries_told in told.items():
        there_of_it = [entry for entry in entries if entry.payload.startswith(b"%d/" % number)]
        assert there_of_it == entries_told, number
    assert [entry for entry in mine if entry in own] == own
    assert all(entry.payload == b"main/%d" % (len(own) - 1) for entry in there)
    assert store.verify().holds
    print(len(own), len(there), min(map(len, told.values())))
"""


@pytest.mark.parametrize("place", ["ahead", "behind"])
@pytest.mark.parametrize("held", [False, True])
def test_ctrl_c_amid_eight_other_threads(path: Path, held: bool, place: str) -> None:
    """The append that was interrupted is not there, or it is there as a whole; no other knows of it."""
    for tries in range(3):
        file = path.with_name(f"{tries}.db")
        agent_store.open(file).close()
        with script(CTRL_C, file, place) as process:
            assert process.stdin is not None
            assert process.stdout is not None

            def go_on(process: "Popen[str]" = process) -> None:
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()

            assert process.stdout.readline() == "ready\n"
            with locked(file) if held else nullcontext():
                go_on()
                assert process.stdout.readline() == "begin\n"
                time.sleep(0.4 + 0.01 * tries)
                sent = time.monotonic()
                process.send_signal(signal.SIGINT)
                word, left = process.stdout.readline().split()
                assert word == "left"
                assert float(left) - sent < 1
            output, _ = process.communicate("\n", timeout=PATIENCE)
        assert process.returncode == 0
        own, unknown, others = map(int, output.split())
        if held:
            assert (own, unknown) == (1, 0)
        else:
            assert unknown <= 1
            assert own > 1
            assert others > 1
