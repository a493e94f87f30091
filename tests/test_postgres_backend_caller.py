"""A caller's psycopg connection: an append does there what an INSERT of the caller's own would do."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

import agent_store
from agent_store import Store
from agent_store.errors import (
    BackendError,
    BusyError,
    HeadMoved,
    NonMonotonicGeneration,
    OutcomeUnknown,
    ReadOnlyStore,
    TransactionConflict,
)
from stores import Schema, a_schema

IDLE, INTRANS, INERROR = TransactionStatus.IDLE, TransactionStatus.INTRANS, TransactionStatus.INERROR


@pytest.fixture
def schema(postgres: str) -> Iterator[Schema]:
    with a_schema("psycopg", postgres) as place:
        agent_store.open(place.connect(), schema=place.name)
        yield place


@pytest.fixture
def other(schema: Schema) -> Store:
    """Of somebody else, on the same tables."""
    return agent_store.open(schema.connect(), schema=schema.name)


def status(connection: psycopg.Connection[Any]) -> TransactionStatus:
    return connection.info.transaction_status


@contextmanager
def undone(store: Store) -> Iterator[None]:
    """A block of the store's that ends with an error."""
    with suppress(ZeroDivisionError), store.transaction():
        yield
        raise ZeroDivisionError


def test_an_append_is_what_an_insert_would_be(schema: Schema, other: Store) -> None:
    connection, store = schema.lent(autocommit=False)
    assert status(connection) == IDLE
    log = store.log("s", "w")
    assert log.append(b"a").position == 1
    assert status(connection) == INTRANS
    assert (store.position(), other.position()) == (1, 0)
    connection.rollback()
    assert other.position() == 0
    assert [log.append(b"b").seq, log.append(b"c").seq] == [1, 2]
    connection.commit()
    assert [entry.payload for entry in other.entries()] == [b"b", b"c"]
    assert other.verify().holds


def test_in_autocommit_it_is_durable_on_return_or_joins(schema: Schema, other: Store) -> None:
    connection, store = schema.lent()
    store.log("s", "w").append(b"a")
    store.generation("g").bump()
    store.append_many([("s", f"w{number}", b"x") for number in range(2_000)])
    assert (status(connection), other.position()) == (IDLE, 2_001)
    with connection.transaction(force_rollback=True):
        store.log("s", "w").append_many([b"y"] * 100)
        store.generation("g").bump()
        assert (store.position(), other.position()) == (2_101, 2_001)
    assert (store.position(), store.generation("g").current()) == (2_001, 1)
    with connection.transaction():
        connection.execute("CREATE TABLE notes (x int)")
        store.log("s", "w").append(b"b")
    assert (other.position(), other.log("s", "w").entry(2)) == (2_002, store.log("s", "w").head())
    assert other.verify().holds


@pytest.mark.parametrize("autocommit", [True, False])
def test_a_block_takes_back_what_it_did(schema: Schema, other: Store, autocommit: bool) -> None:
    connection, store = schema.lent(autocommit=autocommit)
    log = store.log("s", "w")
    with undone(store):
        log.append(b"a")
    assert (status(connection), store.position()) == (IDLE, 0)
    with store.transaction():
        log.append(b"a")
        with undone(store):
            log.append_many([b"b"] * 100)
        log.append(b"c")
    assert status(connection) == (IDLE if autocommit else INTRANS)
    assert other.position() == (2 if autocommit else 0)
    connection.commit()
    connection.execute("BEGIN" if autocommit else "SELECT 1")
    log.append(b"d")
    with undone(store):
        log.append(b"e")
    assert status(connection) == INTRANS
    connection.execute("COMMIT")
    assert [entry.payload for entry in other.entries()] == [b"a", b"c", b"d"]


def test_batches_commit_only_where_they_can(schema: Schema) -> None:
    for autocommit in (True, False):
        connection, store = schema.lent(autocommit=autocommit)
        if autocommit:
            assert store.log("s", "w").append_many([b"x"] * 5, batch=2)
            connection.execute("BEGIN")
        with pytest.raises(ValueError, match="batch"):
            store.log("s", "w").append_many([b"x"], batch=1)
        connection.rollback()


def test_an_error_of_ours_leaves_the_transaction(schema: Schema) -> None:
    connection, store = schema.lent(autocommit=False)
    entry = store.log("s", "w").append(b"a")
    store.generation("g").set(5)
    with pytest.raises(HeadMoved):
        store.log("s", "w").append(b"b", expected=None)
    with pytest.raises(NonMonotonicGeneration):
        store.generation("g").set(4)
    assert status(connection) == INTRANS
    store.log("s", "w").append(b"b", expected=entry)
    connection.commit()
    assert store.position() == 2


def test_what_begins_with_an_error_begins_nothing(schema: Schema) -> None:
    connection, store = schema.lent(autocommit=False)
    with pytest.raises(HeadMoved):
        store.log("s", "w").append(b"b", expected=agent_store.Head("s", "w", 3, bytes(32)))
    assert status(connection) == IDLE


def test_after_an_error_it_says_to_roll_back(schema: Schema) -> None:
    connection, store = schema.lent(autocommit=False)
    with pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT * FROM nowhere")
    for call in (store.position, store.generation("g").bump, store.verify, lambda: store.log("s", "w").append(b"a")):
        with pytest.raises(TransactionConflict, match="roll it back"):
            call()
    with pytest.raises(TransactionConflict, match="roll it back"):
        agent_store.open(connection, schema=schema.name)
    connection.rollback()
    assert store.log("s", "w").append(b"a").seq == 1


@pytest.mark.parametrize("level", [psycopg.IsolationLevel.REPEATABLE_READ, psycopg.IsolationLevel.SERIALIZABLE])
@pytest.mark.parametrize("what", ["append", "new log", "many", "bump"])
def test_an_older_snapshot_is_a_conflict(
    schema: Schema, other: Store, level: psycopg.IsolationLevel, what: str
) -> None:
    connection, store = schema.lent(autocommit=False)
    connection.isolation_level = level
    store.log("s", "w").append(b"a")
    store.generation("g").bump()
    connection.commit()
    writes = {
        "append": lambda: store.log("s", "w").append(b"b"),
        "new log": lambda: store.log("s", "new").append(b"b"),
        "many": lambda: store.log("s", "w").append_many([b"b"] * 100),
        "bump": store.generation("g").bump,
    }
    connection.execute("SELECT 1")
    other.log("s", "other").append(b"x")
    other.generation("g").bump()
    with pytest.raises(TransactionConflict, match="again"):
        writes[what]()
    connection.rollback()
    writes[what]()
    connection.commit()
    assert other.verify().holds


def test_a_deadlock_with_rows_of_the_callers_is_a_conflict(schema: Schema, other: Store) -> None:
    connection, store = schema.lent()
    second = schema.connect()
    connection.execute("CREATE TABLE rows (x int); INSERT INTO rows VALUES (1)")
    connection.execute("BEGIN; SET LOCAL deadlock_timeout = '50ms'; UPDATE rows SET x = 2")
    behind = agent_store.open(second, schema=schema.name)
    second.execute("BEGIN; SET LOCAL deadlock_timeout = '10s'")
    behind.log("s", "w").append(b"b")
    thread = threading.Thread(target=second.execute, args=["UPDATE rows SET x = 3"])
    thread.start()
    while not schema.run("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE rows%'"):
        pass
    with pytest.raises(TransactionConflict, match="deadlock"):
        store.log("s", "w").append(b"a")
    assert status(connection) == INERROR
    connection.execute("ROLLBACK")
    thread.join()
    second.execute("COMMIT")
    assert [entry.payload for entry in other.entries()] == [b"b"]


def test_a_transaction_that_reads_only(schema: Schema) -> None:
    connection, store = schema.lent(autocommit=False)
    connection.read_only = True
    with pytest.raises(ReadOnlyStore, match="read-only"):
        store.log("s", "w").append(b"a")
    assert store.position() == 0
    assert connection.read_only is True


def test_the_callers_lock_timeout_counts(schema: Schema) -> None:
    connection, store = schema.lent()
    connection.execute("SET lock_timeout = '50ms'")
    with agent_store.open(schema.connect(), schema=schema.name).transaction():
        with pytest.raises(BusyError, match="lock"):
            store.log("s", "w").append(b"a")
        assert status(connection) == IDLE
    assert store.log("s", "w").append(b"a").seq == 1


def test_a_store_that_is_made_in_a_transaction_goes_with_it(schema: Schema) -> None:
    schema.run(f"DROP SCHEMA {schema.name} CASCADE")
    connection = schema.connect(autocommit=False)
    connection.execute("SELECT 1")
    agent_store.open(connection, schema=schema.name).log("s", "w").append(b"a")
    connection.rollback()
    assert schema.run("SELECT to_regnamespace(%s)", schema.name) == [(None,)]
    agent_store.open(connection, schema=schema.name)
    assert status(connection) == IDLE


def test_a_log_that_was_undone_gives_its_number_to_another(schema: Schema, other: Store) -> None:
    """Which then has the same head: nothing remembered of the first may lead to it."""
    connection, store = schema.lent(autocommit=False)
    store.log("s", "first").append(b"same")
    connection.rollback()
    other.log("s", "second").append(b"same")
    assert store.log("s", "first").append(b"x").seq == 1
    connection.commit()
    assert [(head.writer, head.seq) for head in other.heads()] == [("first", 1), ("second", 1)]
    assert other.verify().holds


def test_a_block_is_the_threads_own(schema: Schema) -> None:
    _, store = schema.lent()
    entered, leave = threading.Event(), threading.Event()

    def block() -> None:
        with undone(store):
            store.log("s", "w").append(b"undone")
            entered.set()
            leave.wait(5)

    thread = threading.Thread(target=block)
    thread.start()
    entered.wait()
    threading.Timer(0.2, leave.set).start()
    assert store.log("s", "w").append(b"kept").seq == 1
    thread.join()
    assert [entry.payload for entry in store.entries()] == [b"kept"]


def test_it_is_ended_by_the_server(schema: Schema, other: Store) -> None:
    connection, store = schema.lent()
    schema.run("SELECT pg_terminate_backend(%s)", connection.info.backend_pid)
    with pytest.raises((BackendError, OutcomeUnknown)):
        store.log("s", "w").append(b"a")
    for call in (store.position, store.generation("g").bump):
        with pytest.raises(BackendError, match=r"closed|lost"):
            call()
    assert other.position() == 0


def test_ctrl_c_leaves_it_usable(schema: Schema) -> None:
    connection, store = schema.lent()
    with agent_store.open(schema.connect(), schema=schema.name).transaction():
        timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
        thread = threading.main_thread()
        timer = threading.Timer(0.3, lambda: signal.pthread_kill(thread.ident or 0, signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            store.log("s", "w").append(b"a")
        timer.join()
    assert status(connection) == IDLE
    assert store.log("s", "w").append(b"b").seq == 1
