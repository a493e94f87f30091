"""What a caller does on his psycopg connection between, around and inside the store's calls."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import FrameType
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

import agent_store
from agent_store import Store, WriterLog
from agent_store.errors import BackendError, BusyError, HeadMoved, ReadOnlyStore, TransactionConflict
from stores import Schema, a_schema

IDLE, INTRANS, INERROR = TransactionStatus.IDLE, TransactionStatus.INTRANS, TransactionStatus.INERROR


@pytest.fixture
def schema(postgres: str) -> Iterator[Schema]:
    with a_schema("psycopg", postgres) as place:
        yield place


def lent(schema: Schema, *, autocommit: bool = True) -> tuple[psycopg.Connection, Store, WriterLog]:
    agent_store.open(schema.connect(), schema=schema.name).log("s", "w").append(b"0")
    connection = schema.connect(autocommit=autocommit)
    store = agent_store.open(connection, schema=schema.name)
    return connection, store, store.log("s", "w")


def payloads(schema: Schema) -> list[bytes]:
    """As somebody else sees it; all of it holds."""
    with schema.connect() as connection:
        store = agent_store.open(connection, schema=schema.name)
        assert store.verify().holds
        return [entry.payload for entry in store.entries()]


def status(connection: psycopg.Connection) -> TransactionStatus:
    return connection.info.transaction_status


def test_a_savepoint_of_the_callers_inside_a_block_takes_its_entries_back(schema: Schema) -> None:
    """What the block remembered of the heads goes with it, also where another log is written first."""
    connection, store, log = lent(schema)
    with store.transaction():
        log.append(b"1")
        with suppress(ZeroDivisionError), connection.transaction():
            log.append(b"gone")
            raise ZeroDivisionError
        store.log("s", "v").append(b"2")
        log.append_many([b"3"] * 20)
    assert payloads(schema) == [b"0", b"1", b"2", *[b"3"] * 20]


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
@pytest.mark.parametrize("autocommit", [True, False])
def test_in_a_block_that_the_caller_has_ended_nothing_is_done(schema: Schema, end: str, autocommit: bool) -> None:
    connection, store, log = lent(schema, autocommit=autocommit)
    block = store.transaction()
    block.__enter__()
    log.append(b"1")
    connection.execute(end)
    calls = (lambda: log.append(b"2"), lambda: list(log.entries()), store.generation("g").bump)
    for call in (*calls, store.transaction().__enter__):
        with pytest.raises(TransactionConflict, match="ended inside it"):
            call()
    with pytest.raises(TransactionConflict, match="what came before a COMMIT is kept"):
        block.__exit__(None, None, None)
    assert status(connection) == IDLE
    log.append(b"3")
    connection.commit()
    assert payloads(schema) == [b"0", *([b"1"] if end == "COMMIT" else []), b"3"]


def test_a_savepoint_that_is_gone_breaks_nothing_for_later(schema: Schema) -> None:
    """An append that is refused ends its own transaction, on a connection that was in such trouble before too."""
    connection, store, log = lent(schema)
    connection.execute("BEGIN")
    connection.execute("SAVEPOINT mine")
    block = store.transaction()
    block.__enter__()
    log.append(b"1")
    connection.execute("ROLLBACK TO mine")
    with pytest.raises(TransactionConflict, match="savepoint of this block is gone"):
        block.__exit__(None, None, None)
    assert status(connection) == INERROR
    connection.execute("ROLLBACK")
    with pytest.raises(HeadMoved):
        log.append(b"2", expected=None)
    assert status(connection) == IDLE
    log.append(b"3")
    connection.rollback()
    assert payloads(schema) == [b"0", b"3"]


def test_amid_a_copy_of_the_callers_it_says_so(schema: Schema, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_store.backends.postgres.adopted.PATIENCE", 0.05)
    connection, store, log = lent(schema)
    with connection.cursor().copy("COPY (SELECT generate_series(1, 9)) TO STDOUT") as copy:
        for call in (lambda: log.append(b"1"), store.position, lambda: store.query("SELECT 1")):
            with pytest.raises((BusyError, TransactionConflict), match="amid"):
                call()
        assert len(list(copy.rows())) == 9
    with pytest.raises(HeadMoved):
        log.append(b"2", expected=None)
    assert status(connection) == IDLE
    log.append(b"3")
    assert payloads(schema) == [b"0", b"3"]


def test_a_statement_of_another_thread_is_waited_for(schema: Schema) -> None:
    """Its transaction is joined then, not committed."""
    connection, _, log = lent(schema)

    def sleep() -> None:
        connection.execute("BEGIN")
        connection.execute("SELECT pg_sleep(0.5)")

    thread = threading.Thread(target=sleep)
    thread.start()
    time.sleep(0.2)
    log.append(b"1")
    thread.join()
    assert status(connection) == INTRANS
    connection.rollback()
    assert payloads(schema) == [b"0"]


def test_the_transaction_of_a_pipeline_is_joined(schema: Schema) -> None:
    connection, store, log = lent(schema)
    with connection.pipeline():
        connection.execute("BEGIN")
        log.append(b"1")
        with store.transaction():
            log.append(b"2")
        connection.execute("ROLLBACK")
        with suppress(ZeroDivisionError), connection.transaction():
            log.append(b"3")
            raise ZeroDivisionError
    assert payloads(schema) == [b"0"]


def test_at_the_last_position_it_overflows(schema: Schema) -> None:
    with agent_store.open(schema.url) as store:
        log = store.log("s", "w")
        log.append(b"0")
        forged = f"SELECT {2**63 - 1}, 9, 1, content_hash, payload FROM _agent_store_entries"
        schema.damage(f"INSERT INTO _agent_store_entries {forged}")
        with pytest.raises(OverflowError):
            log.append(b"1")


def test_what_a_failed_append_prepared_stays_so(schema: Schema) -> None:
    with agent_store.open(schema.url) as other, agent_store.open(schema.url, timeout=0.1) as store:
        with other.transaction(), pytest.raises(BusyError):
            store.log("s", "w").append(b"0")
        for _ in range(3):
            store.log("s", "w").append(b"1")
        backend: Any = store._binding.backend
        assert backend.pool.prepares


def test_a_connection_set_to_read_only_writes_nothing(schema: Schema) -> None:
    connection, store, log = lent(schema)
    connection.execute("SET default_transaction_read_only = on")
    for call in (lambda: log.append(b"1"), lambda: log.append_many([b"1"] * 20), store.generation("g").bump):
        with pytest.raises(ReadOnlyStore):
            call()
        assert status(connection) == IDLE
    assert payloads(schema) == [b"0"]


def test_what_was_rolled_back_amid_a_reading_is_no_damage(schema: Schema) -> None:
    connection, store, log = lent(schema, autocommit=False)
    log.append_many([b"x"] * 300)
    readings = [log.entries(), store.entries(), store.entries(writer="w"), log.entries(reverse=True)]
    for reading in readings:
        next(reading)
    connection.rollback()
    for reading in readings[:1] + readings[3:]:
        with pytest.raises(TransactionConflict, match="rolled back"):
            list(reading)
    assert payloads(schema) == [b"0"]


def test_an_encoding_that_lacks_a_character_is_named(schema: Schema) -> None:
    connection, store, log = lent(schema)
    connection.execute("SET client_encoding TO latin1")
    for call in (lambda: store.log("日", "w").append(b"1"), lambda: list(store.entries(stream="日"))):
        with pytest.raises(BackendError, match="client_encoding"):
            call()
    log.append(b"1")
    assert payloads(schema) == [b"0", b"1"]


def test_a_trigger_that_leaves_entries_out_is_told_of(schema: Schema) -> None:
    _, _, log = lent(schema)
    table = f"{schema.name}._agent_store_entries"
    schema.run(
        f"CREATE FUNCTION {schema.own}.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        f"CREATE TRIGGER nothing BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {schema.own}.nothing()"
    )
    with schema.open() as own:
        for each in (log, own.log("s", "w")):
            for count in (1, 3, 20):
                with pytest.raises(BackendError, match=f"0 of {count} entries were written"):
                    each.append_many([b"x"] * count)
            with pytest.raises(BackendError, match="0 of 1 entries were written"):
                each.append(b"x")


class Interrupt:
    """Ctrl-C at a place where Python looks for signals, the one with this number: a call of a function, or its end."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        if f"{os.sep}agent_store{os.sep}" in frame.f_code.co_filename and event in {"call", "c_return"}:
            self.left -= 1
            if self.left == 0:
                sys.setprofile(None)
                raise KeyboardInterrupt

    def amid(self, call: Callable[[], object]) -> bool:
        """False where the call has no such place."""
        sys.setprofile(self)
        try:
            call()
        except KeyboardInterrupt:
            pass
        finally:
            sys.setprofile(None)
        return self.left <= 0


@pytest.mark.parametrize("what", ["append", "append_many", "transaction"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # an interrupt inside __del__
def test_an_interrupt_anywhere_leaves_the_connection_as_it_was(schema: Schema, what: str) -> None:
    connection, store, log = lent(schema)

    def transaction() -> None:
        with store.transaction():
            log.append(b"1")
            with store.transaction():
                log.append(b"2")

    calls = {"append": lambda: log.append(b"1"), "append_many": lambda: log.append_many([b"2"] * 20)}
    backend: Any = store._binding.backend
    place = 1
    while Interrupt(place).amid(calls.get(what, transaction)):
        assert (status(connection), connection.pgconn.pipeline_status) == (IDLE, 0)
        assert not store._binding.thread.open
        with backend._threads.lock:
            assert not backend._threads._taken
        place += 5
    before = len(payloads(schema))
    log.append(b"last")
    assert len(payloads(schema)) == before + 1
    assert place > 100
