"""What rings the bell of a native store, and what does not."""

import contextlib
import os
import select
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import agent_store
from agent_store import Store, _core
from agent_store.errors import HeadMoved
from bells import (
    BY_SQLITE3,
    PATIENCE,
    UNHEARD,
    another,
    settled,
    waiter_of,
)


def in_a_transaction(store: Store) -> None:
    with store.transaction():
        store.log("s", "w").append(b"x")
        store.generation("g").bump()


RINGS: dict[str, Callable[[Store], object]] = {
    "append": lambda store: store.log("s", "w").append(b"x"),
    "append_many": lambda store: store.log("s", "w").append_many([b"x", b"y"]),
    "append_many of the store": lambda store: store.append_many([("s", "v", b"x"), ("t", "w", b"y")]),
    "bump": lambda store: store.generation("g").bump(),
    "set": lambda store: store.generation("g").set(9),
    "advance": lambda store: store.generation("g").advance_to(8),
    "reserve": lambda store: store.generation("g").reserve(3),
    "transaction": in_a_transaction,
    "execute": lambda store: store.execute("INSERT INTO own VALUES (1)"),
    "query": lambda store: store.query("INSERT INTO own VALUES (1) RETURNING x"),
    "ring": lambda store: store._binding.backend.ring(),
}


@pytest.mark.parametrize("what", RINGS)
def test_a_commit_rings_before_its_call_returns(waited: Store, what: str) -> None:
    waiter = waiter_of(waited)
    seen = waiter.look()
    RINGS[what](waited)
    assert waiter.look() != seen
    assert waiter.wait(seen, 0)


def undone(store: Store) -> None:
    with contextlib.suppress(ZeroDivisionError), store.transaction():
        store.log("s", "w").append(b"x")
        raise ZeroDivisionError


def empty(store: Store) -> None:
    with store.transaction():
        assert store.position() == 1


def refused(store: Store) -> None:
    with pytest.raises(HeadMoved):
        store.log("s", "w").append(b"x", expected=None)


SILENT: dict[str, Callable[[Store], object]] = {
    "rollback": undone,
    "nothing in it": empty,
    "refused": refused,
    "a counter that stays": lambda store: store.generation("g").advance_to(3),
    "reads": lambda store: (store.log("s", "w").head(), list(store.entries()), store.query("SELECT * FROM own")),
    "verify": lambda store: store.verify(),
    "info": lambda store: store.info(),
}


def test_what_changed_nothing_does_not_ring(waited: Store) -> None:
    waiter = waiter_of(waited)
    seen = settled(waiter)
    for what, call in SILENT.items():
        call(waited)
        assert waiter.look() == seen, what
    assert not waiter.wait(seen, 0.4)


def test_with_rings_off_nobody_is_told(path: Path) -> None:
    with agent_store.open(path) as store:
        waiter = waiter_of(store)
        before = _core._options(rings=False)
        try:
            seen = settled(waiter)
            store.log("s", "w").append(b"x")
            assert waiter.look() == seen
        finally:
            assert before["rings"]
            _core._options(**before)
        assert waiter.wait(seen, PATIENCE)  # The database tells.


def test_a_group_rings_once_for_all_and_when_it_can_be_read(path: Path) -> None:
    with agent_store.open(path) as store:
        waiter = waiter_of(store)
        until = time.monotonic() + PATIENCE
        threads = [
            threading.Thread(target=lambda name=name: [store.log("s", name).append(b"x") for _ in range(50)])
            for name in "abcdefgh"
        ]
        for thread in threads:
            thread.start()
        position = 0
        while position < 400 and time.monotonic() < until:
            seen = waiter.look()
            now = store.position()
            if now == position:
                assert waiter.wait(seen, 5)
            position = now
        for thread in threads:
            thread.join()
        assert position == 400


def test_a_commit_of_another_process_wakes_at_once(path: Path) -> None:
    with agent_store.open(path) as store, another(path) as other:
        waiter = waiter_of(store)
        settled(waiter)
        assert statistics.median(other.noticed(waiter, waiter.look()) for _ in range(30)) < UNHEARD


def test_what_nobody_rings_for_is_noticed(path: Path) -> None:
    with agent_store.open(path) as store, another(path, BY_SQLITE3) as other:
        waiter = waiter_of(store)
        took = sorted(other.noticed(waiter) for _ in range(3))
        assert took[1] < 0.5
        descriptor = waiter.fileno()
        os.read(descriptor, 4096)
        other.write()
        assert select.select([descriptor], [], [], PATIENCE)[0]


@pytest.mark.parametrize("pause", [0.0, 0.0005, 0.003])
def test_no_wake_is_lost(path: Path, pause: float) -> None:
    """The order of the contract: look, read, and only then sleep. One that was lost comes late."""
    took = []
    with agent_store.open(path) as store, another(path) as other:
        waiter = waiter_of(store)
        position = 0
        for round_ in range(1, 151):
            other.write(3)
            while position < 3 * round_:
                seen = waiter.look()
                position = store.position()
                if position < 3 * round_:
                    begun = time.monotonic()
                    assert waiter.wait(seen, PATIENCE)
                    took.append(time.monotonic() - begun)
            other.written()
            time.sleep(pause)
    assert sum(seconds > UNHEARD for seconds in took) <= 3
