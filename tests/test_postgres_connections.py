"""Connections that the server ends, that many threads share, and of which there is none left."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from agent_store import Store
from agent_store.errors import BackendError, BusyError
from stores import Schema
from threads import Threads, check, turn_taken

pytestmark = pytest.mark.timeout(60)
LATE = 1.0


@pytest.fixture
def store(schema: Schema) -> Iterator[Store]:
    with schema.open() as opened:
        yield opened


def terminate(schema: Schema, function: str = "pg_terminate_backend") -> None:
    schema.run(f"SELECT {function}(pid) FROM pg_stat_activity WHERE application_name = %s", schema.name)


def test_connections_that_are_ended_while_idle(schema: Schema, store: Store) -> None:
    for number in range(1, 4):
        terminate(schema)
        time.sleep(0.05)
        assert store.log("s", "w").append(b"x").position == number
        terminate(schema)
        time.sleep(0.05)
        assert store.position() == number
    check(store, 3)


def test_connections_that_are_ended_in_a_transaction(schema: Schema, store: Store) -> None:
    def block() -> None:
        with store.transaction():
            store.log("s", "w").append(b"lost")
            terminate(schema)
            store.log("s", "w").append(b"lost too")

    with pytest.raises(BackendError, match="pg_terminate_backend"):
        block()
    check(store, 0)
    assert store.log("s", "w").append(b"x").position == 1


@pytest.mark.parametrize("function", ["pg_terminate_backend", "pg_cancel_backend"])
def test_connections_that_are_ended_while_they_wait(schema: Schema, store: Store, function: str) -> None:
    with schema.open() as other, ThreadPoolExecutor(1) as pool, turn_taken(other):
        waiting = pool.submit(store.log("s", "w").append, b"lost")
        waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while schema.run(waits) == [(0,)]:
            time.sleep(0.01)
        of = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        schema.run(f"SELECT {function}(pid) FROM ({of}) AS waiting")
        with pytest.raises((BackendError, BusyError)):
            waiting.result(30)
    check(store, 0)
    assert store.log("s", "w").append(b"x").position == 1


def test_many_threads_share_few_connections(schema: Schema, store: Store) -> None:
    most = 0
    done = threading.Event()

    def count() -> None:
        nonlocal most
        with psycopg.connect(schema.admin, autocommit=True) as admin:
            while not done.is_set():
                sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
                found = admin.execute(sql, [schema.name]).fetchone()
                assert found is not None
                most = max(most, found[0])

    counting = threading.Thread(target=count)
    counting.start()
    try:
        with Threads(lambda number: [store.log("s", str(number)).append(b"x") for _ in range(10)], 40) as threads:
            threads.results()
    finally:
        done.set()
        counting.join()
    check(store, 400)
    assert 1 <= most <= 10


def test_a_full_pool(schema: Schema) -> None:
    """Every connection is in use for longer than the timeout."""
    with schema.open(timeout=0.5) as store:
        store.append_many([("s", "w", b"x")] * 20_000)
        entered, leave = threading.Barrier(11), threading.Event()

        def stay(_: int) -> None:
            def progress(done: int, total: int) -> None:
                if not leave.is_set():
                    entered.wait(30)
                    leave.wait(30)

            assert store.verify(progress=progress)

        with Threads(stay, 10) as threads:
            entered.wait(30)
            began = time.monotonic()
            with pytest.raises(BusyError, match="connections"):
                store.position()
            assert 0.5 <= time.monotonic() - began < 0.5 + LATE
            leave.set()
            threads.results()
        assert store.position() == 20_000
