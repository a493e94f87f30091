"""A store on a caller's sqlite3.Connection: it writes in the caller's transactions, and remembers nothing."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import agent_store
from agent_store import Store
from agent_store.errors import BusyError, HeadMoved, NonMonotonicGeneration
from lent_sqlite import AUTOCOMMIT, OTHERS, WRITES, Connect, connections, count, everything

writes = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)


@pytest.fixture
def connect(path: Path) -> Iterator[Connect]:
    with connections(path) as connect:
        yield connect


@writes
@pytest.mark.parametrize("options", AUTOCOMMIT, ids=str)
def test_with_none_open_an_autocommit_connection_commits(
    connect: Connect, options: dict[str, Any], write: Callable[[Store], object]
) -> None:
    connection, other = connect(**options), connect()
    before = everything(other)
    write(agent_store.open(connection))
    assert not connection.in_transaction
    assert everything(other) != before


@writes
@pytest.mark.parametrize("options", OTHERS, ids=str)
@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_with_none_open_another_begins_one_that_the_caller_ends(
    connect: Connect, options: dict[str, Any], write: Callable[[Store], object], end: str
) -> None:
    connection, other = connect(**options), connect(isolation_level=None)
    store = agent_store.open(connection)
    before = everything(other)
    write(store)
    connection.execute("INSERT INTO notes VALUES ('the caller''s')")
    assert connection.in_transaction
    assert everything(other) == before
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    getattr(connection, end)()
    assert (everything(other) == before) == (end == "rollback")
    assert everything(connection) == everything(other)
    write(store)
    connection.rollback()
    assert store.verify().holds


@writes
@pytest.mark.parametrize("options", [*AUTOCOMMIT, *OTHERS], ids=str)
@pytest.mark.parametrize("begin", ["BEGIN", "BEGIN IMMEDIATE", "SAVEPOINT mine"])
def test_an_open_transaction_is_joined(
    connect: Connect, options: dict[str, Any], begin: str, write: Callable[[Store], object]
) -> None:
    connection, other = connect(**options), connect()
    store = agent_store.open(connection)
    before = everything(other)
    for end in ("ROLLBACK", "COMMIT"):
        if not connection.in_transaction:
            connection.execute(begin)
        connection.execute("INSERT INTO notes VALUES ('mine')")
        write(store)
        assert connection.in_transaction
        assert everything(other) == before
        connection.execute(end)
    assert not connection.in_transaction or "autocommit" in options
    assert everything(other) != before
    assert store.verify().holds


def test_after_a_rollback_nothing_is_remembered(connect: Connect) -> None:
    connection = connect(isolation_level=None)
    store = agent_store.open(connection)
    log = store.log("s", "w")
    first = log.append(b"kept")
    connection.execute("BEGIN")
    lost = log.append(b"lost")
    store.generation("g").set(7)
    new = store.log("s", "new").append(b"lost too")
    connection.execute("ROLLBACK")
    assert (log.head(), store.position(), store.generation("g").current()) == (first, 1, 0)
    with pytest.raises(HeadMoved) as moved:
        log.append(b"x", expected=lost)
    assert moved.value.actual == (1, first.content_hash)
    again = log.append(b"other", expected=first)
    assert (again.seq, again.position, again.prev_hash) == (2, 2, first.content_hash)
    assert store.log("s", "new").append(b"other").position == new.position
    assert [head.seq for head in store.heads()] == [1, 2]
    assert store.verify().holds


def test_a_savepoint_of_the_callers_takes_back_what_came_after_it(connect: Connect) -> None:
    connection = connect(isolation_level=None)
    store = agent_store.open(connection)
    log = store.log("s", "w")
    connection.execute("BEGIN")
    kept = log.append(b"kept")
    connection.execute("SAVEPOINT mine")
    log.append_many([b"lost"] * 9)
    connection.execute("ROLLBACK TO mine")
    assert log.append(b"and more", expected=kept).seq == 2
    connection.execute("COMMIT")
    assert store.verify().entries == 2


def failing(store: Store) -> Iterator[tuple[Callable[[], object], type[Exception]]]:
    log = store.log("s", "w")

    def run_dry() -> Iterator[bytes]:
        yield from [b"x"] * 3_000
        raise ZeroDivisionError

    def rows() -> Iterator[tuple[str, str, bytes]]:
        yield from [("s", "new", b"x")] * 3_000
        raise ZeroDivisionError

    yield lambda: log.append_many(run_dry()), ZeroDivisionError
    yield lambda: store.append_many(rows()), ZeroDivisionError
    yield lambda: log.append(b"x", expected=None), HeadMoved
    yield lambda: store.generation("g").set(1), NonMonotonicGeneration
    yield lambda: store.execute("INSERT INTO nowhere VALUES (1)"), agent_store.errors.BackendError


@pytest.mark.parametrize("options", [*AUTOCOMMIT, *OTHERS], ids=str)
@pytest.mark.parametrize("begun", [False, True])
def test_a_failed_call_leaves_the_callers_transaction_as_it_was(
    connect: Connect, options: dict[str, Any], begun: bool
) -> None:
    connection, other = connect(**options), connect()
    store = agent_store.open(connection)
    store.log("s", "w").append(b"1")
    store.generation("g").set(5)
    connection.commit()
    for call, error in failing(store):
        if begun and not connection.in_transaction:
            connection.execute("BEGIN")
        if begun:
            connection.execute("INSERT INTO notes VALUES ('mine')")
        was, before = connection.in_transaction, everything(connection)
        with pytest.raises(error):
            call()
        assert connection.in_transaction == was
        assert everything(connection) == before
        if begun:
            connection.execute("COMMIT")
    assert count(other) == (1, 5 if begun else 0)


@pytest.mark.parametrize("write", [WRITES["append"], WRITES["append_many"], WRITES["rows"]], ids=list(WRITES)[:3])
def test_a_call_that_fails_amid_its_rows_leaves_none(connect: Connect, write: Callable[[Store], object]) -> None:
    """Whatever is in its way: here somebody else's trigger."""
    connection = connect(isolation_level=None)
    store = agent_store.open(connection)
    connection.execute(
        "CREATE TRIGGER full AFTER INSERT ON _agent_store_entries WHEN new.payload = x'78' AND new.seq IN (1, 777) "
        "BEGIN SELECT RAISE(FAIL, 'here and no further'); END"
    )
    for begin in ("BEGIN", "SELECT 1"):
        connection.execute(begin)
        connection.execute("INSERT INTO notes VALUES ('mine')")
        before = everything(connection)
        with pytest.raises(agent_store.errors.BackendError, match="here and no further"):
            write(store)
        assert everything(connection) == before
    connection.execute("COMMIT")


@writes
def test_a_deferred_transaction_that_has_read_and_is_too_late(
    connect: Connect, write: Callable[[Store], object]
) -> None:
    connection, other = connect(isolation_level=None, timeout=5), connect(isolation_level=None)
    store = agent_store.open(connection)
    connection.execute("BEGIN")
    count(connection)
    other.execute("INSERT INTO notes VALUES ('of another')")
    with pytest.raises(BusyError, match="BEGIN IMMEDIATE"):  # SQLITE_BUSY_SNAPSHOT
        write(store)
    assert connection.in_transaction
    connection.execute("ROLLBACK")
    connection.execute("BEGIN")
    count(connection)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(BusyError, match="BEGIN IMMEDIATE"):  # SQLITE_BUSY
        write(store)
    other.execute("ROLLBACK")
    write(store)  # The caller's transaction is unharmed.
    connection.execute("COMMIT")
    assert store.verify().holds


@writes
def test_a_deferred_transaction_that_has_not_read_waits(connect: Connect, write: Callable[[Store], object]) -> None:
    """And sees what was committed by then: it begins with taking the lock."""
    connection, other = connect(isolation_level=None, timeout=0.3), connect(isolation_level=None)
    store = agent_store.open(connection)
    other.execute("BEGIN IMMEDIATE")
    connection.execute("BEGIN")
    with pytest.raises(BusyError) as busy:
        write(store)
    assert 0.2 < busy.value.waited < 5
    other.execute("INSERT INTO notes VALUES ('of another')")
    other.execute("COMMIT")
    write(store)
    connection.execute("COMMIT")
    assert store.verify().holds


def test_busy_says_how_to_wait_longer(connect: Connect) -> None:
    connection, other = connect(isolation_level=None), connect(isolation_level=None)
    store = agent_store.open(connection)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(BusyError, match=r"sqlite3.connect\(timeout=") as busy:
        store.log("s", "w").append(b"x")
    assert 0.1 < busy.value.waited < 5
    assert not connection.in_transaction
