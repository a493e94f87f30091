"""Where nobody can watch, wait or subscribe, and what cannot be asked for: refused before anything is done."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_store import Store
from agent_store.errors import BackendError, TransactionConflict
from stores import a_lent_file
from threads import PATIENCE

CALLS: dict[str, Callable[[Store], object]] = {
    "watch": lambda store: store.watch(timeout=0),
    "wait": lambda store: store.doorbell.wait(timeout=0),
    "subscribe": lambda store: store.doorbell.subscribe(print),
    "wait of a generation": lambda store: store.generation("g").wait(timeout=0),
}


@pytest.mark.differs("nobody waits")
@pytest.mark.parametrize("call", CALLS)
def test_refused_inside_a_transaction_of_its_own_thread(store: Store, call: str) -> None:
    with store.transaction():
        store.log("s", "w").append(b"x")
        with pytest.raises(TransactionConflict, match="leave the block first"):
            CALLS[call](store)
        with store.transaction(), pytest.raises(TransactionConflict):
            CALLS[call](store)
    assert store.position() == 1


@pytest.mark.differs("nobody waits")
def test_next_is_refused_inside_a_transaction(store: Store) -> None:
    watch = store.watch(timeout=PATIENCE)
    with store.transaction():
        entry = store.log("s", "w").append(b"x")
        with pytest.raises(TransactionConflict, match="leave the block first"):
            next(watch)
    assert next(watch) == entry
    watch.close()


@pytest.mark.differs("nobody waits")
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


@pytest.mark.differs("nobody waits")
def test_streams_are_those_of_the_call(store: Store) -> None:
    streams = ["s"]
    with store.watch(stream=streams, timeout=0) as watch:
        streams.append("t")
        store.append_many([("s", "w", b"x"), ("t", "w", b"x")])
        assert [entry.stream for entry in watch] == ["s"]
