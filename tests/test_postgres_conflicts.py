"""On a caller's psycopg connection: snapshots that are too old, deadlocks with the caller's own locks."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

import agent_store
from agent_store import Store
from agent_store.errors import BusyError, StoreError, TransactionConflict
from stores import Schema, a_schema
from threads import check

pytestmark = pytest.mark.timeout(60)
IDLE, INERROR = psycopg.pq.TransactionStatus.IDLE, psycopg.pq.TransactionStatus.INERROR


@pytest.fixture
def schema(postgres: str) -> Iterator[Schema]:
    with a_schema("psycopg", postgres) as made:
        agent_store.open(made.url).close()
        yield made


def block(store: Store) -> None:
    with store.transaction():
        store.generation("g").bump()
        store.log("s", "w").append(b"x")


WRITES: dict[str, Callable[[Store], object]] = {
    "append": lambda store: store.log("s", "w").append(b"x"),
    "append to a new log": lambda store: store.log("s", "new").append(b"x"),
    "append_many": lambda store: store.log("s", "w").append_many([b"x"] * 2_000),
    "rows": lambda store: store.append_many([("s", "w", b"x"), ("t", "w", b"y")]),
    "bump": lambda store: store.generation("g").bump(),
    "block": block,
}


@pytest.mark.parametrize("level", list(psycopg.IsolationLevel)[2:], ids=lambda level: level.name)
@pytest.mark.parametrize("what", WRITES)
def test_a_snapshot_that_is_older_than_what_others_wrote(
    schema: Schema, level: psycopg.IsolationLevel, what: str
) -> None:
    with agent_store.open(schema.url) as other:
        other.log("s", "w").append(b"first")
        other.generation("g").bump()
        connection, store = schema.lent(autocommit=False)
        connection.isolation_level = level
        store.log("s", "w").append(b"second")  # It has met the log, and remembers.
        connection.commit()
        connection.execute("SELECT 1").fetchone()
        assert store.position() == 2
        other.log("s", "w").append(b"third")
        other.log("s", "new").append(b"fourth")
        other.generation("g").bump()
        with pytest.raises(TransactionConflict, match="again"):
            WRITES[what](store)
        assert connection.info.transaction_status in {INERROR, psycopg.pq.TransactionStatus.INTRANS}
        connection.rollback()
        WRITES[what](store)
        connection.commit()
        check(other, other.position())
        assert other.generation("g").current() == (3 if what in {"bump", "block"} else 2)
        assert connection.info.transaction_status == IDLE


@pytest.mark.parametrize("level", list(psycopg.IsolationLevel), ids=lambda level: level.name)
def test_writers_that_begin_again_all_get_through(schema: Schema, level: psycopg.IsolationLevel) -> None:
    with psycopg.connect(schema.server, autocommit=True) as admin:
        admin.execute("CREATE TABLE balance (name text PRIMARY KEY, amount integer)")
        admin.execute("INSERT INTO balance VALUES ('a', 0)")
    conflicts: list[TransactionConflict] = []
    begun = threading.Barrier(4)

    def work(number: int) -> None:
        connection, store = schema.lent(autocommit=False)
        connection.isolation_level = level
        begun.wait(30)
        for n in range(8):
            while True:
                try:
                    store.log("s", "w").append(b"%d/%d" % (number, n))
                    store.append_many([("s", str(number), b"x")] * 3)
                    connection.execute("UPDATE balance SET amount = amount + 1")
                    connection.commit()
                    break
                except TransactionConflict as conflict:
                    conflicts.append(conflict)
                except psycopg.errors.SerializationFailure:
                    pass  # By the caller's own statement, or at the end.
                connection.rollback()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, number) for number in range(4)]:
            done.result(50)
    with agent_store.open(schema.url) as store:
        check(store, 4 * 8 * 4)
        assert store.query("SELECT amount FROM balance") == [(32,)]
    if level == psycopg.IsolationLevel.READ_COMMITTED:
        assert conflicts == []


@pytest.mark.parametrize("what", ["append", "append_many", "bump"])
def test_a_deadlock_with_locks_of_the_callers(schema: Schema, what: str) -> None:
    one, first = schema.lent()
    two, second = schema.lent()
    first.log("s", "w").append(b"first")
    one.execute("CREATE TABLE mine (n integer)")
    one.execute("INSERT INTO mine VALUES (1)")
    # Who waits for so long is the one that is chosen to fail.
    one.execute("SET deadlock_timeout = '100ms'")
    two.execute("SET deadlock_timeout = '50s'")
    one.execute("BEGIN")
    one.execute("UPDATE mine SET n = 2")
    two.execute("BEGIN")
    second.log("s", "w").append(b"second")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(two.execute, "UPDATE mine SET n = 3")
        locked = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
        while schema.run(locked) == [(0,)]:
            pass
        with pytest.raises(TransactionConflict, match="deadlock"):
            WRITES[what](first)
        one.rollback()
        waiting.result(30)
        two.commit()
    WRITES[what](first)
    assert one.execute("SELECT n FROM mine").fetchone() == (3,)
    check(first, first.position())


def test_a_transaction_that_an_error_of_the_callers_has_ended(schema: Schema) -> None:
    connection, store = schema.lent()
    connection.execute("BEGIN")
    store.log("s", "w").append(b"lost")
    with pytest.raises(psycopg.errors.DivisionByZero):
        connection.execute("SELECT 1 / 0")
    calls: list[Callable[[], object]] = [
        *(lambda write=write: write(store) for write in WRITES.values()),
        store.position,
        store.verify,
        lambda: list(store.entries()),
    ]
    for call in calls:
        with pytest.raises(TransactionConflict, match="roll"):
            call()
    connection.rollback()
    assert store.log("s", "w").append(b"x").position == 1
    check(store, 1)


def test_an_error_of_a_call_does_not_end_the_callers_transaction_unsaid(schema: Schema) -> None:
    """PostgreSQL lets a transaction go on after an error only from a savepoint: what is whole stays, or it says so."""
    connection, store = schema.lent()
    connection.execute("SET lock_timeout = 200")
    with agent_store.open(schema.url) as other, other.transaction():
        connection.execute("BEGIN")
        with pytest.raises(BusyError):
            store.log("s", "w").append(b"lost")
        if connection.info.transaction_status == INERROR:
            with pytest.raises(TransactionConflict):
                store.position()
    connection.rollback()
    assert store.log("s", "w").append(b"x").position == 1


def test_a_connection_that_breaks(schema: Schema) -> None:
    connection, store = schema.lent()
    store.log("s", "w").append(b"x")
    schema.run("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = %s", schema.name)
    for call in (store.position, lambda: store.log("s", "w").append(b"lost"), store.verify):
        with pytest.raises(StoreError, match=r"connection|closed"):
            call()
    assert connection.closed
    with agent_store.open(schema.url) as other:
        check(other, 1)
