"""Waiting at a native store: how it ends, and what it costs."""

import os
import signal
import statistics
import time
from pathlib import Path

import pytest

import agent_store
from agent_store import Store
from agent_store.errors import StoreClosed, StoreReplaced
from bells import UNHEARD, another, drain, ended, readable, settled, waiter_of


def test_the_timeout(waited: Store) -> None:
    waiter = waiter_of(waited)
    seen = settled(waiter)
    for seconds in (0.0, 0.25):
        begun = time.monotonic()
        assert not waiter.wait(seen, seconds)
        assert time.monotonic() - begun >= seconds
    for wrong in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="timeout"):
            waiter.wait(seen, wrong)
    waited.log("s", "w").append(b"x")
    assert waiter.wait(seen, float("inf"))


def test_stop_ends_the_wait_and_all_later_ones(waited: Store) -> None:
    waiter, other = waiter_of(waited), waiter_of(waited)
    seen = settled(waiter)
    result, took = ended(lambda: waiter.wait(seen, None), waiter.stop)
    assert (result, took < 1) == (False, True)
    waited.log("s", "w").append(b"x")
    assert not waiter.wait(seen, None)
    assert other.wait(seen, 0)
    waiter.stop()


def test_close_ends_the_wait_and_is_not_held_up(waited: Store) -> None:
    waiter = waiter_of(waited)
    seen = settled(waiter)
    path = Path(waited.info()["path"])
    result, took = ended(lambda: waiter.wait(seen, None), waited.close)
    assert (result, took < 1) == (StoreClosed, True)
    for call in (waiter.look, waiter.fileno, lambda: waiter.wait(seen, 0), lambda: waiter_of(waited)):
        with pytest.raises(StoreClosed):
            call()
    assert not Path(f"{path}-wal").exists()


def test_a_handler_of_a_signal_may_raise_and_may_stop(waited: Store) -> None:
    waiter = waiter_of(waited)
    seen = settled(waiter)

    def raises(*_: object) -> None:
        raise ZeroDivisionError

    before = signal.signal(signal.SIGALRM, raises)
    try:
        begun = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(ZeroDivisionError):
            waiter.wait(seen, None)
        assert time.monotonic() - begun < 1
        signal.signal(signal.SIGALRM, lambda *_: waiter.stop())
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        assert not waiter.wait(seen, None)
        assert time.monotonic() - begun < 2
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_descriptor_for_event_loops(waited: Store) -> None:
    waiter = waiter_of(waited)
    seen = settled(waiter)
    descriptor = waiter.fileno()
    assert waiter.fileno() == descriptor
    # At first it is: whatever came before is to be looked for.
    assert readable(descriptor, 0)
    os.read(descriptor, 4096)
    assert not readable(descriptor, 0.4)
    with pytest.raises(BlockingIOError):
        os.read(descriptor, 4096)
    waited.log("s", "w").append(b"x")
    assert readable(descriptor)
    os.read(descriptor, 4096)
    assert waiter.look() != seen
    settled(waiter)
    drain(descriptor)
    waited.close()
    assert readable(descriptor)
    waiter.stop()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_a_descriptor_is_set_by_other_processes(path: Path) -> None:
    with agent_store.open(path) as store, another(path) as other:
        waiter = waiter_of(store)
        descriptor = waiter.fileno()
        took = []
        for _ in range(30):
            drain(descriptor)
            other.write()
            assert readable(descriptor)
            now = time.monotonic_ns()
            took.append((now - other.written()) / 1e9)
        assert statistics.median(took) < UNHEARD


def test_waiting_takes_next_to_no_time_of_the_processor(path: Path) -> None:
    with agent_store.open(path) as store:
        waiter = waiter_of(store)
        os.read(waiter.fileno(), 4096)
        seen = settled(waiter)
        begun = time.process_time()
        assert not waiter.wait(seen, 1.5)
        assert time.process_time() - begun < 0.03


def move(source: Path, target: Path) -> None:
    source.replace(target)


def test_a_database_in_the_place_of_another(path: Path, tmp_path: Path) -> None:
    with agent_store.open(tmp_path / "other.db") as other:
        other.log("s", "w").append(b"another")
    with agent_store.open(path) as store:
        waiter, watched = waiter_of(store), waiter_of(store)
        seen = settled(waiter)
        drain(watched.fileno())
        result, took = ended(lambda: waiter.wait(seen, None), lambda: move(tmp_path / "other.db", path))
        assert (result, took < 1) == (StoreReplaced, True)
        assert readable(watched.fileno())
        with pytest.raises(StoreReplaced):
            watched.look()
