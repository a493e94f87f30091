"""Waiting for a position, or for a generation to rise; over every backend."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from agent_store import Store, follow
from agent_store.errors import StoreClosed
from stores import Place
from test_interrupt import interrupted_asleep
from threads import ASLEEP, PATIENCE, Threads
from told import Told

pytestmark = pytest.mark.differs("nobody waits")

LATE = 2.0
"""Seconds by which something may happen too late, on a machine that does much else."""


def test_what_is_there_already_is_not_waited_for(store: Store) -> None:
    bell = store.doorbell
    assert bell.wait(timeout=0) == bell.wait(0, 0) == bell.wait(after=7, timeout=0) == 0
    store.append_many([("s", "w", b"x")] * 3)
    assert bell.wait(after=0) == bell.wait(after=2) == 3
    assert bell.wait(timeout=0) == bell.wait(3, timeout=0) == bell.wait(4, timeout=0.01) == bell.wait(2**70, 0) == 3


@pytest.mark.parametrize("after", [None, 1, 2])
def test_it_sleeps_until_something_is_committed(store: Store, after: int | None) -> None:
    store.log("s", "w").append(b"1")
    with Threads(lambda _: (store.doorbell.wait(after, PATIENCE), time.monotonic()), 3) as waiting:
        time.sleep(ASLEEP)
        rung = time.monotonic()
        store.log("s", "w").append_many([b"2", b"3"])
        for position, woken in waiting.results():
            assert position == 3
            assert rung < woken < rung + LATE


@pytest.mark.differs("no second opening")
def test_by_another_store(place: Place, store: Store) -> None:
    with place.open() as other, Threads(lambda _: store.doorbell.wait(timeout=PATIENCE), 1) as waiting:
        time.sleep(ASLEEP)
        assert other.log("s", "w").append(b"x").position == 1
        assert waiting.results() == [1]


def test_none_that_comes_between_two_waits_is_missed(store: Store) -> None:
    """Whoever writes never waits for whoever waits."""
    last = 300

    def follow(_: int) -> list[int]:
        seen = [0]
        while seen[-1] < last:
            seen.append(store.doorbell.wait(seen[-1], PATIENCE))
        return seen

    with Threads(follow, 2) as waiting:
        for n in range(last):
            store.log("s", str(n % 3)).append(b"x")
        for seen in waiting.results():
            assert seen == sorted(set(seen))


def test_at_the_timeout_it_is_the_position_that_it_was(store: Store) -> None:
    store.log("s", "w").append(b"x")
    began = time.monotonic()
    assert store.doorbell.wait(timeout=0.3) == 1
    assert 0.3 <= time.monotonic() - began < 0.3 + LATE


def test_only_an_entry_that_was_committed_ends_it(store: Store) -> None:
    with Threads(lambda _: store.doorbell.wait(timeout=PATIENCE), 1) as waiting:
        time.sleep(ASLEEP)
        store.generation("g").bump()
        store.doorbell.ring()
        with suppress(ZeroDivisionError), store.transaction():
            store.log("s", "w").append(b"undone")
            raise ZeroDivisionError
        time.sleep(ASLEEP)
        store.log("s", "w").append_many([b"1", b"2"])
        assert waiting.results() == [2]


def subscribe(store: Store) -> None:
    with store.doorbell.subscribe(told := Told()):
        told.until(1)


WAYS: dict[str, Callable[[Store], object]] = {
    "watch": lambda store: next(store.watch(timeout=2 * LATE), None),
    "wait": lambda store: store.doorbell.wait(timeout=2 * LATE),
    "wait of a generation": lambda store: store.generation("g").wait(timeout=2 * LATE),
    "subscribe": subscribe,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_commit_between_reading_and_sleeping_is_not_slept_over(
    store: Store, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In memory nothing but the ring, which is over by then, tells of it."""
    reads: list[object] = []

    def then_commit(read: Callable[[Any], object]) -> Callable[[Any], object]:
        def hooked(reader: object) -> object:
            found = read(reader)
            reads.append(found)
            # Who watches or subscribes reads once to know where now is.
            if len(reads) == (1 if "wait" in way else 2):
                with store.transaction():
                    store.generation("g").bump()
                    store.log("s", "w").append(b"x")
            return found

        return hooked

    monkeypatch.setattr(follow.Newest, "position", then_commit(follow.Newest.position))
    monkeypatch.setattr(follow.Follower, "step", then_commit(follow.Follower.step))
    began = time.monotonic()
    WAYS[way](store)
    assert time.monotonic() - began < LATE
    assert store.position() == 1


RISES: dict[str, Callable[[Store], object]] = {
    "bump": lambda store: [store.generation("g").bump() for _ in range(2)],
    "set": lambda store: store.generation("g").set(5),
    "advance_to": lambda store: store.generation("g").advance_to(5),
    "reserve": lambda store: store.generation("g").reserve(4),
}


@pytest.mark.parametrize("rise", RISES)
def test_a_generation_that_rises(store: Store, rise: str) -> None:
    generation = store.generation("g")
    assert generation.wait(timeout=0) == generation.wait(0, timeout=0.01) == 0
    generation.bump()
    assert generation.wait(0) == 1
    with Threads(lambda _: generation.wait(2, PATIENCE), 1) as waiting:
        time.sleep(ASLEEP)
        store.generation("other").set(9)
        store.log("s", "w").append(b"x")
        with store.transaction():
            RISES[rise](store)
        assert waiting.results() == [generation.current()]
    assert generation.wait(timeout=0.01) == generation.current() > 2


def test_a_generation_whose_rise_is_undone(store: Store) -> None:
    generation = store.generation("g")
    with Threads(lambda _: generation.wait(timeout=PATIENCE), 1) as waiting:
        time.sleep(ASLEEP)
        with suppress(ZeroDivisionError), store.transaction():
            generation.bump()
            raise ZeroDivisionError
        time.sleep(ASLEEP)
        generation.set(3)
        assert waiting.results() == [3]


WAITS: dict[str, Callable[[Store], Callable[[], int]]] = {
    "wait": lambda store: store.doorbell.wait,
    "wait of a generation": lambda store: store.generation("g").wait,
}


@pytest.mark.parametrize("wait", WAITS)
def test_ctrl_c(store: Store, wait: str) -> None:
    interrupted_asleep(WAITS[wait](store), LATE)
    assert store.log("s", "w").append(b"x").position == 1


@pytest.mark.parametrize("wait", WAITS)
def test_the_store_is_closed_meanwhile(store: Store, wait: str) -> None:
    call = WAITS[wait](store)
    with Threads(lambda _: call(), 4) as waiting:
        time.sleep(ASLEEP)
        began = time.monotonic()
        store.close()
        assert {type(error) for error in waiting.outcomes()} == {StoreClosed}
        assert time.monotonic() - began < LATE
    with pytest.raises(StoreClosed):
        call()
    with pytest.raises(StoreClosed):
        store.doorbell.ring()
