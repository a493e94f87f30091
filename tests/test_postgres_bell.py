"""Waiting at a server: who is woken by what, and what waiting costs those who write."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from agent_store import Store
from agent_store.backends.postgres import hearing, listener
from agent_store.errors import HeadMoved
from postgres_bells import DEADLINE, apart, key, listeners, settled, sleeping, until, waiting
from processes import script
from stores import Schema, a_schema

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def schema(postgres: str) -> Iterator[Schema]:
    with a_schema("postgres", postgres) as place:
        place.open().close()
        yield place


@pytest.fixture
def store(schema: Schema) -> Iterator[Store]:
    with schema.open() as opened:
        yield opened


@pytest.fixture
def other(schema: Schema) -> Iterator[Store]:
    with apart(schema) as opened:
        yield opened


def bell(store: Store) -> Any:
    backend: Any = store._binding.backend
    return backend.bell


WRITES: dict[str, Callable[[Store], object]] = {
    "the first of a log": lambda store: store.log("new", "w").append(b"x"),
    "one more": lambda store: store.log("s", "w").append(b"x"),
    "a few": lambda store: store.log("s", "w").append_many([b"x"] * 3),
    "many": lambda store: store.log("s", "w").append_many([b"x"] * 3_000),
    "many to many": lambda store: store.append_many(("s", f"w{n}", b"x") for n in range(100)),
    "a counter": lambda store: store.generation("g").bump(),
    "reserved": lambda store: store.generation("g").reserve(5),
    "by hand": lambda store: store.doorbell.ring(),
}


def in_a_transaction(store: Store) -> None:
    with store.transaction():
        with store.transaction():
            store.log("s", "w").append(b"x")
        store.generation("g").bump()


def only_a_counter(store: Store) -> None:
    with store.transaction():
        store.generation("g").bump()


WRITES |= {"a transaction": in_a_transaction, "a counter in a transaction": only_a_counter}


@pytest.mark.usefixtures("_only_rings")
@pytest.mark.parametrize("here", [True, False], ids=["of this process", "of another"])
def test_each_commit_rings(schema: Schema, store: Store, other: Store, *, here: bool) -> None:
    for each in (store, other):
        each.log("s", "w").append(b"first")
    with waiting(store, schema) as waiter:
        for what, write in WRITES.items():
            seen = settled(waiter) if not here else waiter.look()
            write(store if here else other)
            assert waiter.wait(seen, DEADLINE), what
            assert waiter.look() != seen


@pytest.mark.usefixtures("_only_rings")
def test_what_changes_nothing_does_not_ring(schema: Schema, store: Store, other: Store) -> None:
    entry = store.log("s", "w").append(b"x")
    other.log("s", "w").append(b"y")
    other.generation("g").advance_to(5)

    def undone(write: Callable[[], object]) -> None:
        with suppress(ZeroDivisionError), other.transaction():
            write()
            raise ZeroDivisionError

    def undone_inside() -> None:
        with other.transaction():
            undone(lambda: other.log("s", "w").append(b"lost"))

    with waiting(store, schema) as waiter:
        seen = settled(waiter)
        undone(lambda: other.log("s", "w").append(b"lost"))
        undone(other.generation("g").bump)
        undone_inside()
        with pytest.raises(HeadMoved):
            other.log("s", "w").append(b"lost", expected=entry)
        other.generation("g").advance_to(3)
        other.append_many([])
        other.execute("SELECT 1")
        list(other.entries())
        assert not waiter.wait(seen, 0.5)
        assert other.log("s", "w").append(b"z").position == 3
        assert waiter.wait(seen, DEADLINE)


@pytest.mark.usefixtures("_only_rings")
def test_a_ring_goes_along_with_an_entry(
    schema: Schema, store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of whom it is known that he is heard; and where there is no entry it does not ring."""
    log = other.log("s", "w")
    log.append(b"x")
    _, lent = schema.lent()
    with waiting(store, schema) as waiter:
        first = log.append(b"now it is known")
        seen = settled(waiter)
        monkeypatch.setattr(listener.Listener, "notify", lambda _: None)
        for position in range(first.position + 1, first.position + 4):
            assert log.append(b"x").position == position
            assert waiter.wait(seen, DEADLINE)
            seen = settled(waiter)
        head = log.head()
        lent.log("s", "w").append(b"which rings for nobody, and moves the head")
        with pytest.raises(HeadMoved):
            log.append(b"lost", expected=head)
        assert not waiter.wait(seen, 0.5)
        assert other.verify().holds


def test_who_writes_for_nobody_sends_nothing(schema: Schema, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "LINGER", 0.2)
    monkeypatch.setattr(listener, "LINGER", 0.2)

    def write() -> None:
        for call in WRITES.values():
            if call is not WRITES["by hand"]:
                call(store)

    write()
    assert bell(store)._listener is None
    with apart(schema) as listening:
        with waiting(listening, schema):
            write()
            assert bell(store)._listener is not None

        # Who waits now and then is not worth a connection each time; in the end it is let go of.
        def nobody_after_one_more() -> bool:
            store.log("s", "w").append(b"x")
            return not listeners(schema)

        until(nobody_after_one_more)
    until(lambda: bell(store)._listener is None)
    write()
    assert bell(store)._listener is None


@pytest.mark.usefixtures("_only_rings")
def test_who_comes_while_somebody_writes(schema: Schema, store: Store, other: Store) -> None:
    """The writer has looked before and seen nobody: so it does not ring, and yet nothing is missed."""
    with other.transaction():
        other.log("s", "w").append(b"x")
        thread, found = sleeping(lambda: next(store.watch(after=0)))
        until(lambda: listeners(schema))
        time.sleep(0.3)
        assert not found
    thread.join(DEADLINE / 2)
    assert bell(other)._listener is None
    (entry,) = found
    assert entry == other.log("s", "w").head()


def test_who_comes_while_somebody_writes_for_long(schema: Schema, store: Store, other: Store) -> None:
    """Longer than the lock is waited for at once; others that need no lock are seen meanwhile."""
    with other.transaction():
        thread, found = sleeping(lambda: next(store.watch(after=0, timeout=DEADLINE)))
        until(lambda: listeners(schema))
        by_hand(schema)
        thread.join(DEADLINE)
        assert len(found) == 1


def by_hand(schema: Schema, position: int = 1) -> None:
    """What any program may insert, and which knows nothing of bells."""
    schema.run(f"INSERT INTO {schema.name}._agent_store_logs VALUES (%s, 'by', %s)", position, f"hand{position}")
    schema.run(
        f"INSERT INTO {schema.name}._agent_store_entries VALUES (%s, %s, 1, %s, 'x')", position, position, bytes(32)
    )


def test_what_others_commit_is_noticed(schema: Schema, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "ANYWAY", 3_600.0)
    with store.watch(after=0, timeout=DEADLINE) as watch:
        until(lambda: listeners(schema))
        for position in range(1, 4):
            timer = threading.Timer(0.1, by_hand, [schema, position])
            timer.start()
            assert next(watch).position == position
            timer.join()
    store.generation("g").bump()
    with waiting(store, schema) as waiter:
        seen = settled(waiter)
        schema.run(f"UPDATE {schema.name}._agent_store_meta SET ival = ival + 1 WHERE key = 'g'")
        assert waiter.wait(seen, DEADLINE)


@pytest.mark.usefixtures("_only_rings")
def test_many_rings_are_a_few_notifications(schema: Schema, store: Store) -> None:
    """And the last comes after the last commit."""
    with schema.connect() as connection:
        connection.execute("SELECT pg_advisory_lock_shared(1634165621, %s)", (key(schema),))
        connection.execute(f"LISTEN {bell(store).channel}")
        log = store.log("s", "w")
        log.append(b"opens the connection")
        assert list(connection.notifies(timeout=DEADLINE, stop_after=1))
        times = 300
        for _ in range(times):
            log.append(b"x")
        last = 0
        count = 0
        while last < times + 1:
            count += len(list(connection.notifies(timeout=DEADLINE, stop_after=1)))
            ((last,),) = connection.execute(f"SELECT max(position) FROM {schema.name}._agent_store_entries").fetchall()
        count += len(list(connection.notifies(timeout=0.3)))
        assert 1 <= count <= times


@pytest.mark.usefixtures("_only_rings")
def test_what_is_rung_before_closing_is_sent(schema: Schema, store: Store) -> None:
    """Also by a process that is over with it, and never closes its store."""
    program = (
        "import sys, agent_store, warnings; warnings.simplefilter('ignore')\n"
        "agent_store.open(sys.argv[1]).log('s', 'w').append(b'x')"
    )
    for position in (1, 2):
        with waiting(store, schema) as waiter:
            seen = settled(waiter)
            if position == 1:
                with apart(schema, 2) as writing:
                    writing.log("s", "w").append(b"x")
            else:
                with script(program, schema.url) as process:
                    assert process.wait(DEADLINE) == 0
            assert waiter.wait(seen, DEADLINE)
            assert store.position() == position


def test_info_says_how(store: Store) -> None:
    assert store.info()["doorbell"] == "notify"
