"""How a subscription ends: closed from anywhere, by an error, with the program; and where one cannot be had."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import agent_store
from agent_store import CommitEvent, Store, Subscription
from agent_store.errors import StoreClosed, StoreReplaced
from stores import Place
from threads import ASLEEP, PATIENCE, Threads, turn_taken
from told import Told, events

pytestmark = pytest.mark.differs("nobody waits")

LATE = 2.0
"""Seconds by which something may happen too late, on a machine that does much else."""


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert [thread for thread in threading.enumerate() if "subscription" in thread.name] == []


def ended(subscription: Subscription) -> None:
    """By itself, not by `close`."""
    subscription._thread.join(PATIENCE)
    assert not subscription._thread.is_alive()


class Slow:
    """A callback that takes as long as the test says."""

    def __init__(self) -> None:
        self.begun, self.go_on, self.over = threading.Event(), threading.Event(), threading.Event()
        self.calls = 0

    def __call__(self, event: CommitEvent) -> None:
        self.calls += 1
        self.begun.set()
        assert self.go_on.wait(PATIENCE)
        self.over.set()


def test_closed_while_it_sleeps(store: Store) -> None:
    subscription = store.doorbell.subscribe(told := Told())
    time.sleep(ASLEEP)
    began = time.monotonic()
    subscription.close()
    assert time.monotonic() - began < LATE
    subscription.close()
    store.log("s", "w").append(b"x")
    assert told.until(0) == []
    assert (subscription.error, subscription.position) == (None, 0)


def test_closing_waits_for_the_callback_that_runs(store: Store) -> None:
    slow = Slow()
    subscription = store.doorbell.subscribe(slow)
    store.log("s", "w").append_many([b"x"] * 3)
    assert slow.begun.wait(PATIENCE)

    def close(_: int) -> bool:
        subscription.close()
        return slow.over.is_set()

    with Threads(close, 3) as closing:
        time.sleep(ASLEEP)
        slow.go_on.set()
        assert closing.results() == [True] * 3
    assert slow.calls == 1
    assert subscription.position == 1
    with store.doorbell.subscribe(told := Told(), after=subscription.position):
        assert told.until(2) == events(store, after=1)


def test_closed_by_its_own_callback(store: Store) -> None:
    told: list[int] = []
    made = threading.Event()

    def close_at(event: CommitEvent) -> None:
        told.append(event.position)
        assert made.wait(PATIENCE)
        if event.position == 2:
            subscription.close()
            subscription.close()

    subscription = store.doorbell.subscribe(close_at)
    made.set()
    store.log("s", "w").append_many([b"x"] * 5)
    ended(subscription)
    assert told == [1, 2]
    assert subscription.error is None
    subscription.close()


def test_closed_by_the_callback_of_another(store: Store) -> None:
    first = store.doorbell.subscribe(told := Told())
    with store.doorbell.subscribe(lambda event: first.close()) as second:
        store.log("s", "w").append(b"x")
        ended(first)
        store.log("s", "w").append(b"x")
        store.doorbell.wait(second.position, timeout=0)
    assert len(told.until(0)) <= 1
    assert first.error is None


def test_closed_by_the_handler_of_a_signal(store: Store) -> None:
    before = signal.signal(signal.SIGALRM, lambda *_: subscription.close())
    subscription = store.doorbell.subscribe(print)
    try:
        signal.setitimer(signal.ITIMER_REAL, ASLEEP)
        time.sleep(2 * ASLEEP)
    finally:
        signal.signal(signal.SIGALRM, before)
    ended(subscription)
    assert subscription.error is None


def test_its_store_is_closed(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """What a program does at its end is no alarm: it is told, and not loudly."""
    with caplog.at_level("INFO"):
        store.log("s", "w").append(b"x")
        subscription = store.doorbell.subscribe(Told())
        time.sleep(ASLEEP)
        store.close()
        ended(subscription)
    assert isinstance(subscription.error, StoreClosed)
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("agent_store", "INFO")
    assert "ended at position 1" in record.getMessage()
    subscription.close()
    assert isinstance(subscription.error, StoreClosed)
    with pytest.raises(StoreClosed):
        store.doorbell.subscribe(print)


def test_its_store_is_closed_by_its_own_callback(store: Store) -> None:
    subscription = store.doorbell.subscribe(lambda event: store.close())
    store.log("s", "w").append_many([b"x"] * 3)
    ended(subscription)
    assert isinstance(subscription.error, StoreClosed)


def test_another_file_is_put_in_its_place(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with agent_store.open(path.with_name("other.db")) as other:
        other.log("s", "w").append(b"of another")
    with agent_store.open(path) as store:
        store.log("s", "w").append(b"x")
        subscription = store.doorbell.subscribe(told := Told())
        time.sleep(ASLEEP)
        path.with_name("other.db").replace(path)
        ended(subscription)
        assert isinstance(subscription.error, StoreReplaced)
        (record,) = caplog.records
        assert (record.name, record.levelname) == ("agent_store", "ERROR")
        assert "ended at position 1" in record.getMessage()
        assert told.until(0) == []


def test_it_tries_again_what_cannot_be_read_now(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """In memory nobody reads while another thread is in a transaction."""
    if place.kind != "memory":
        return
    with place.open(timeout=0.05) as store, store.doorbell.subscribe(told := Told()) as subscription:
        store.log("s", "w").append(b"x")
        told.until(1)
        with turn_taken(store):
            store.doorbell.ring()
            time.sleep(2 * ASLEEP)
        store.log("s", "w").append(b"x")
        assert told.until(2) == events(store)
        assert subscription.error is None
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("agent_store", "WARNING")
    assert "position 1 tries again" in record.getMessage()


def test_no_function_to_call(store: Store) -> None:
    async def forgotten(event: CommitEvent) -> None: ...

    wrong: list[Any] = [None, "print", forgotten]
    for callback in wrong:
        with pytest.raises(TypeError, match="callback"):
            store.doorbell.subscribe(callback)


END = """
import os, sys, threading, time
import agent_store
store = agent_store.open(sys.argv[1])
subscribe, log, begun = store.doorbell.subscribe, store.log("s", "w"), threading.Event()

def tell(event):
    begun.set()

def tell_slowly(event):
    begun.set()
    time.sleep(0.3)
    print("told", event.position, flush=True)

def in_another_thread():
    subscribe(tell_slowly)
    time.sleep(0.2)
    log.append(b"x")
    begun.wait(60)

print(time.monotonic(), flush=True)
"""

ENDS: dict[str, tuple[str, list[str]]] = {
    "nothing is closed": ("subscription = subscribe(tell)", []),
    "nothing is kept": ("subscribe(tell); del store", []),
    "many": ("many = [subscribe(tell) for _ in range(20)]", []),
    "the store is closed": ("subscribe(tell); time.sleep(0.1); store.close()", []),
    "by sys.exit": ("subscribe(tell); sys.exit()", []),
    "amid what comes": ("subscribe(tell); log.append_many([b'x'] * 2_000)", []),
    "amid a callback": ("subscribe(tell_slowly); log.append_many([b'x'] * 2); begun.wait(60)", ["told 1"]),
    "before other threads": ("threading.Thread(target=in_another_thread).start()", ["told 1"]),
    "twice": ("subscribe(tell).close(); subscribe(tell)", []),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_program_ends(place: Place, end: str) -> None:
    """Soon, with nothing to say, whatever is left open; a callback that runs comes to its end."""
    code, told = ENDS[end]
    command = [sys.executable, "-c", END + code, place.target]
    found = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE)
    ended = time.monotonic()
    assert (found.returncode, found.stderr) == (0, "")
    began, *lines = found.stdout.splitlines()
    assert lines == told
    assert ended - float(began) < LATE
