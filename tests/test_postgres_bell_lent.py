"""A connection of a caller's: nobody waits there, and who does elsewhere is woken by `ring()` after its commit."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from agent_store import Store
from agent_store.errors import BackendError, TransactionConflict
from postgres_bells import settled, waiting
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


@pytest.mark.usefixtures("_only_rings")
def test_a_ring_on_a_callers_connection(schema: Schema, store: Store) -> None:
    connection, lent = schema.lent()
    log, ring = lent.log("s", "w"), lent.doorbell.ring
    with waiting(store, schema) as waiter:
        seen = settled(waiter)

        def rung() -> bool:
            nonlocal seen
            came = waiter.wait(seen, 0.5)
            seen = waiter.look()
            return came

        log.append(b"x")
        assert not rung()
        ring()
        assert rung()
        with connection.pipeline():
            connection.execute("SELECT 1")
            log.append(b"x")
            ring()
            assert connection.execute("SELECT 2").fetchone() == (2,)
        assert rung()
        with connection.transaction():
            log.append(b"x")
            ring()
            assert connection.info.transaction_status.name == "INTRANS"
            assert not rung()
        assert rung()
        with connection.transaction(force_rollback=True):
            log.append(b"x")
            ring()
        assert not rung()
        connection.autocommit = False
        log.append(b"x")
        connection.commit()
        ring()
        assert connection.info.transaction_status.name == "IDLE"
        assert rung()
        with pytest.raises(psycopg.Error):
            connection.execute("SELECT 1 / 0")
        with pytest.raises(TransactionConflict):
            ring()
        connection.rollback()
        connection.read_only = True
        connection.execute("SELECT 1")
        ring()
        connection.commit()
        assert rung()


def test_a_ring_takes_no_snapshot(schema: Schema, store: Store) -> None:
    connection, lent = schema.lent(
        autocommit=False,
    )
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    cursor = connection.cursor()
    cursor.execute("SET LOCAL lock_timeout = '5s'")  # Begins, and takes none either.
    lent.doorbell.ring()
    store.log("s", "w").append(b"x")
    assert lent.log("s", "w").append(b"y").position == 2
    connection.commit()


def test_nobody_waits_on_a_callers_connection(schema: Schema) -> None:
    connection, lent = schema.lent()
    calls: list[Callable[[], object]] = [
        lent.watch,
        lent.doorbell.wait,
        lambda: lent.doorbell.subscribe(print),
        lent.generation("g").wait,
    ]
    for call in calls:
        with pytest.raises(BackendError, match=r"open it by its path or URL"):
            call()
    assert lent.info()["doorbell"] is None
    assert connection.info.transaction_status.name == "IDLE"
