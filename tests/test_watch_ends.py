"""How a watch ends: closed from anywhere, with its store, interrupted; and where one cannot be had."""

import gc
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from agent_store import Entry, Store, Watch, follow
from agent_store.errors import BackendError, BusyError, StoreClosed, TransactionConflict
from stores import Place, a_lent_file
from test_interrupt import Interrupt, interrupted_asleep
from threads import ASLEEP, PATIENCE, Threads, turn_taken

LATE = 2.0
"""Seconds by which something may happen too late, on a machine that does much else."""
waits = pytest.mark.differs("nobody waits")


@contextmanager
def asleep(watch: Watch) -> Iterator[Threads[list[Entry]]]:
    """In another thread, which gives what it took."""
    with Threads(lambda _: list(watch), 1) as taking:
        time.sleep(ASLEEP)
        yield taking


@contextmanager
def soon() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < LATE


@waits
def test_closed_before_it_began(store: Store) -> None:
    store.log("s", "w").append(b"x")
    watch = store.watch(after=0)
    watch.close()
    watch.close()
    assert list(watch) == []
    assert watch.position == 0


@waits
def test_closed_with_entries_in_hand(store: Store) -> None:
    store.log("s", "w").append_many([b"x"] * 5)
    with store.watch(after=0) as watch:
        assert [next(watch).seq, next(watch).seq] == [1, 2]
    assert list(watch) == []
    assert watch.position == 2
    watch.close()


@waits
def test_closed_inside_the_loop(store: Store) -> None:
    store.log("s", "w").append_many([b"x"] * 5)
    watch = store.watch(after=0)
    for entry in watch:
        if entry.seq == 3:
            watch.close()
    assert watch.position == 3


@waits
def test_closed_by_another_thread_while_it_sleeps(store: Store) -> None:
    watch = store.watch(timeout=2 * LATE)
    with asleep(watch) as taking, soon():
        watch.close()
        assert taking.results() == [[]]
    store.log("s", "w").append(b"x")
    assert list(watch) == []


@waits
@pytest.mark.parametrize("times", [1, 2])
def test_closed_by_the_handler_of_a_signal_while_it_sleeps(store: Store, times: int) -> None:
    told: list[int] = []

    def handle(number: int, frame: object) -> None:
        told.append(store.position())  # The store can be used amid the sleep too.
        if len(told) == times:
            watch.close()
        else:
            signal.setitimer(signal.ITIMER_REAL, ASLEEP)

    watch = store.watch()
    before = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, ASLEEP)
        with soon():
            assert list(watch) == []
    finally:
        signal.signal(signal.SIGALRM, before)
    assert told == [0] * times


@waits
def test_the_handler_of_a_signal_does_not_take_from_what_it_interrupts(store: Store) -> None:
    told: list[Exception] = []

    def handle(number: int, frame: object) -> None:
        with pytest.raises(ValueError, match="its own") as refused:
            next(watch)
        told.append(refused.value)
        watch.close()

    watch = store.watch()
    before = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, ASLEEP)
        assert list(watch) == []
    finally:
        signal.signal(signal.SIGALRM, before)
    assert len(told) == 1


@waits
def test_two_threads_do_not_sleep_at_one(store: Store) -> None:
    watch = store.watch(timeout=PATIENCE)
    with asleep(watch) as taking:
        with pytest.raises(ValueError, match="its own"):
            next(watch)
        store.log("s", "w").append(b"x")
        time.sleep(ASLEEP)
        watch.close()
        assert [len(taken) for taken in taking.results()] == [1]


@waits
def test_the_store_is_closed_while_it_sleeps(store: Store) -> None:
    watch = store.watch(timeout=PATIENCE)
    with asleep(watch) as taking, soon():
        store.close()
        (error,) = taking.outcomes()
    assert isinstance(error, StoreClosed)
    for _ in range(2):
        with pytest.raises(StoreClosed):
            next(watch)
    watch.close()
    assert list(watch) == []
    with pytest.raises(StoreClosed):
        store.watch()


@waits
def test_it_is_closed_before_its_store(store: Store) -> None:
    """Whatever it meets of that: who closes it asked for no error."""
    watches = [store.watch() for _ in range(8)]
    with Threads(lambda number: list(watches[number]), 8) as taking:
        time.sleep(ASLEEP)
        for watch in watches:
            watch.close()
        store.close()
        assert taking.results() == [[]] * 8


@waits
def test_closing_waits_for_no_sleeper(store: Store) -> None:
    with Threads(lambda number: next(store.watch(stream=f"s{number}")), 8) as taking:
        time.sleep(ASLEEP)
        with soon():
            store.close()
        assert {type(error) for error in taking.outcomes()} == {StoreClosed}


@waits
def test_ctrl_c_while_it_sleeps(store: Store) -> None:
    """And the watch goes on after that."""
    with store.watch(timeout=PATIENCE) as watch:
        interrupted_asleep(watch.__next__, LATE)
        entry = store.log("s", "w").append(b"x")
        assert next(watch) == entry


@waits
@pytest.mark.differs("interrupts between two lines")
def test_an_interrupt_at_any_place_takes_no_entry_away(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "LARGEST_PAGE", 4)
    store.append_many(("s", f"w{n % 3}", b"%d" % n) for n in range(30))
    wanted = list(store.entries(writer="w1"))
    for place in count(1):
        interrupt = Interrupt(place)
        taken: list[Entry] = []
        watch = store.watch(after=0, writer="w1", timeout=0)
        try:
            sys.setprofile(interrupt)
            taken.extend(watch)
            sys.setprofile(None)
            break
        except KeyboardInterrupt:
            assert watch.position in {taken[-1].position if taken else 0, store.position()}, interrupt.at
            taken.extend(watch)
        finally:
            sys.setprofile(None)
        assert taken == wanted, interrupt.at
    assert place > 20


@waits
def test_after_an_error_it_goes_on_from_where_it_was(place: Place) -> None:
    """In memory nobody can read while another thread is in a transaction."""
    with place.open(timeout=0.1) as store:
        entries = [store.log("s", "w").append(b"1")]
        watch = store.watch(after=0, timeout=PATIENCE)
        assert next(watch) == entries[0]
        entries.append(store.log("s", "w").append(b"2"))
        busy = pytest.raises(BusyError) if place.kind == "memory" else nullcontext()
        with turn_taken(store), busy:
            assert next(watch) == entries[1]
        entries.append(store.log("s", "w").append(b"3"))
        assert next(watch) == entries[1 if place.kind == "memory" else 2]
        watch.close()


@waits
def test_one_that_is_forgotten_holds_nothing(store: Store) -> None:
    """And gives no warning, which would be an error here."""
    watch = store.watch(timeout=0)
    list(watch)
    watch = store.watch()
    forgotten = weakref.ref(watch)
    threads = threading.active_count()
    del watch
    gc.collect()
    assert forgotten() is None
    assert threading.active_count() <= threads


CALLS: dict[str, Callable[[Store], object]] = {
    "watch": lambda store: store.watch(timeout=0),
    "wait": lambda store: store.doorbell.wait(timeout=0),
    "subscribe": lambda store: store.doorbell.subscribe(print),
    "wait of a generation": lambda store: store.generation("g").wait(timeout=0),
}


@waits
@pytest.mark.parametrize("call", CALLS)
def test_refused_inside_a_transaction_of_its_own_thread(store: Store, call: str) -> None:
    with store.transaction():
        store.log("s", "w").append(b"x")
        with pytest.raises(TransactionConflict, match="leave the block first"):
            CALLS[call](store)
        with store.transaction(), pytest.raises(TransactionConflict):
            CALLS[call](store)
    assert store.position() == 1


@waits
def test_next_is_refused_inside_a_transaction(store: Store) -> None:
    watch = store.watch(timeout=PATIENCE)
    with store.transaction():
        entry = store.log("s", "w").append(b"x")
        with pytest.raises(TransactionConflict, match="leave the block first"):
            next(watch)
    assert next(watch) == entry
    watch.close()


@waits
@pytest.mark.parametrize("call", CALLS)
def test_refused_where_its_own_append_many_draws(store: Store, call: str) -> None:
    def draw() -> Iterator[bytes]:
        yield b"x"
        with pytest.raises(TransactionConflict, match="append_many"):
            CALLS[call](store)
        yield b"y"

    store.log("s", "w").append_many(draw())
    assert store.position() == 2


@pytest.mark.differs("of a lent connection")
@pytest.mark.parametrize("call", CALLS)
def test_refused_on_a_connection_of_the_callers(store: Store, call: str) -> None:
    with pytest.raises(BackendError, match="path or URL"):
        CALLS[call](store)
    with store.transaction(), pytest.raises((BackendError, TransactionConflict)):
        CALLS[call](store)
    store.doorbell.ring()


@pytest.mark.parametrize("call", CALLS)
def test_refused_before_anything_is_read(path: Path, call: str) -> None:
    with a_lent_file(path) as place, place.open() as store:
        statements: list[str] = []
        place.connections[-1].set_trace_callback(statements.append)
        with pytest.raises(BackendError):
            CALLS[call](store)
        assert statements == []


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"after": -1}, ValueError, "after"),
    ({"after": "1"}, TypeError, "after"),
    ({"after": 1.0}, TypeError, "after"),
    ({"timeout": -1}, ValueError, "timeout"),
    ({"timeout": float("nan")}, ValueError, "timeout"),
    ({"timeout": float("inf")}, ValueError, "timeout"),
    ({"timeout": "1"}, TypeError, "timeout"),
    ({"stream": 1}, TypeError, "stream"),
    ({"stream": []}, ValueError, "stream"),
    ({"stream": {"s"}}, TypeError, "stream"),
    ({"stream": ["s", 1]}, TypeError, "stream"),
    ({"stream": b"s"}, TypeError, "stream"),
    ({"stream": ["\ud800"]}, ValueError, "stream"),
    ({"writer": ["w"]}, TypeError, "writer"),
    ({"exclude_writer": 1}, TypeError, "exclude_writer"),
    ({"exclude_writer": "\ud800"}, ValueError, "exclude_writer"),
]


@pytest.mark.parametrize(("options", "error", "says"), WRONG, ids=str)
def test_wrong_options(store: Store, options: dict[str, Any], error: type[Exception], says: str) -> None:
    """Before anything else, on every kind of store."""
    with pytest.raises(error, match=says):
        store.watch(**options)
    if options.keys() <= {"after", "timeout"}:
        for wait in (store.doorbell.wait, store.generation("g").wait):
            with pytest.raises(error, match=says):
                wait(**options)
    if options.keys() <= {"after"}:
        with pytest.raises(error, match=says):
            store.doorbell.subscribe(print, **options)


@waits
def test_streams_are_those_of_the_call(store: Store) -> None:
    streams = ["s"]
    with store.watch(stream=streams, timeout=0) as watch:
        streams.append("t")
        store.append_many([("s", "w", b"x"), ("t", "w", b"x")])
        assert [entry.stream for entry in watch] == ["s"]
