"""Blocks, batches and iterations on a caller's sqlite3.Connection, whose transactions the caller ends."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import agent_store
from agent_store.errors import TransactionConflict
from lent_sqlite import AUTOCOMMIT, OTHERS, Connect, connections, count


@pytest.fixture
def connect(path: Path) -> Iterator[Connect]:
    with connections(path) as connect:
        yield connect


@pytest.mark.parametrize("options", [*AUTOCOMMIT, *OTHERS], ids=str)
@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_transaction_follows_the_same_rule(connect: Connect, options: dict[str, Any], begun: bool, fails: bool) -> None:
    connection, other = connect(**options), connect()
    store = agent_store.open(connection)
    log = store.log("s", "w")
    if begun and not connection.in_transaction:
        connection.execute("BEGIN")
    if begun:
        connection.execute("INSERT INTO notes VALUES ('mine')")
    was = connection.in_transaction

    def undone() -> None:
        with store.transaction():
            log.append_many([b"x"] * 3_000)
            raise ZeroDivisionError

    def block() -> None:
        with store.transaction():
            log.append(b"1")
            connection.execute("INSERT INTO notes VALUES ('by the caller')")
            with pytest.raises(ZeroDivisionError):
                undone()
            assert log.append(b"2").seq == 2
            if fails:
                raise ZeroDivisionError

    if fails:
        with pytest.raises(ZeroDivisionError):
            block()
        assert connection.in_transaction == was
        assert count(connection) == (0, int(begun))
    else:
        block()
        commits = options in AUTOCOMMIT and not begun
        assert connection.in_transaction != commits
        assert count(other) == ((2, 1) if commits else (0, 0))
    connection.rollback()
    assert store.verify().holds


def test_a_block_whose_transaction_the_caller_ended(connect: Connect) -> None:
    connection = connect(isolation_level=None)
    store = agent_store.open(connection)
    for begin in ("BEGIN", "SELECT 1"):
        connection.execute(begin)
        with pytest.raises(TransactionConflict), store.transaction():  # noqa: PT012
            store.log("s", "w").append(b"x")
            connection.execute("ROLLBACK")
            store.log("s", "w").append(b"y")
        with pytest.raises(TransactionConflict), store.transaction():
            connection.execute("ROLLBACK")
        assert store.log("s", "w").head() is None
    assert store.log("s", "w").append(b"x").seq == 1


def test_batches_are_for_who_commits(connect: Connect) -> None:
    store = agent_store.open(connect(isolation_level=None))
    assert store.append_many([("s", "w", b"x")] * 5, batch=2) == 5
    for connection in (connect(), connect(isolation_level=None)):
        store = agent_store.open(connection)
        if connection.isolation_level is None:
            connection.execute("BEGIN")
        with pytest.raises(ValueError, match="batch"):
            store.append_many([("s", "w", b"x")] * 5, batch=2)
        with pytest.raises(ValueError, match="batch"):
            store.log("s", "w").append_many([b"x"] * 5, batch=2)
        assert store.position() == 5
        connection.rollback()


def test_an_iteration_whose_entries_are_taken_back_says_so(connect: Connect) -> None:
    connection = connect(isolation_level=None)
    store = agent_store.open(connection)
    logs = [store.log("s", f"w{number}") for number in range(30)]
    logs[0].append(b"kept")
    readings: list[Callable[[], Iterator[agent_store.Entry]]] = [
        logs[0].entries,
        lambda: logs[0].entries(reverse=True),
        lambda: store.entries(stream="s"),
        lambda: store.entries(stream="s", reverse=True),
        store.entries,
        lambda: store.entries(reverse=True),
    ]
    for begin in readings:
        connection.execute("BEGIN")
        for _ in range(40):
            store.append_many((log.stream, log.writer, b"lost") for log in logs)
        entries = begin()
        next(entries)
        connection.execute("ROLLBACK")
        try:
            rest = [entry.payload for entry in entries]
        except TransactionConflict:
            continue
        assert rest[20:] in ([], [b"kept"])  # What was read before the rollback is told, and then what is there.
    assert store.verify().holds
