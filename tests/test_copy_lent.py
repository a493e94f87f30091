"""Copying and importing where a transaction of the caller's is open, and where a server lets go."""

import io
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

import agent_store
from agent_store import Store
from agent_store.errors import StoreError
from agent_store.moving import arrival
from moving import everything, fill
from stores import Schema, a_schema


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Store]:
    with agent_store.open(tmp_path / "source.db") as opened:
        yield fill(opened)


@pytest.fixture(params=["sqlite3", "psycopg"])
def lent(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Any, Store]]:
    """A connection that is not in autocommit, and a store that had been made there."""
    with ExitStack() as stack:
        if request.param == "sqlite3":
            connection: Any = sqlite3.connect(tmp_path / "lent.db")
            stack.callback(connection.close)
            schema = None
        else:
            place = stack.enter_context(a_schema("psycopg", request.getfixturevalue("postgres")))
            connection = place.connect(autocommit=False)
            schema = place.name
        store = stack.enter_context(agent_store.open(connection, schema=schema))
        connection.commit()
        yield connection, store


@pytest.mark.parametrize("how", ["copy", "import"])
def test_what_arrives_is_the_callers_to_commit(
    source: Store, lent: tuple[Any, Store], how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrival, "ENTRIES", 512)
    connection, store = lent
    file = io.BytesIO()
    agent_store.export(source, file)

    def move() -> None:
        verdict = (
            agent_store.copy(source, store)
            if how == "copy"
            else agent_store.import_(store, io.BytesIO(file.getvalue()))
        )
        assert verdict.holds
        assert everything(store) == everything(source)

    move()
    connection.rollback()
    assert everything(store) == ([], {})
    connection.rollback()
    move()
    connection.commit()
    assert everything(store) == everything(source)


def test_from_a_connection(source: Store, lent: tuple[Any, Store]) -> None:
    """As the caller's transaction sees it."""
    _, store = lent
    agent_store.copy(source, store)
    with agent_store.open(":memory:") as other:
        assert agent_store.copy(store, other).holds
        assert everything(other) == everything(source)


def test_a_refused_import_leaves_the_callers_own_rows(source: Store, lent: tuple[Any, Store]) -> None:
    connection, store = lent
    file = io.BytesIO()
    agent_store.export(source, file)
    store.log("own", "w").append(b"x")  # begins
    for data in (file.getvalue(), file.getvalue()[:-5]):
        with pytest.raises(StoreError):
            agent_store.import_(store, io.BytesIO(data))
        assert [entry.stream for entry in store.entries()] == ["own"]
    connection.commit()
    assert store.position() == 1


@pytest.fixture
def server(postgres: str) -> Iterator[Schema]:
    with a_schema("postgres", postgres) as place:
        yield place


def test_a_server_that_lets_go_amid_a_copy(source: Store, server: Schema, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same stores go on where it ended."""
    monkeypatch.setattr(arrival, "ENTRIES", 512)
    monkeypatch.setattr("agent_store.ticker.EVERY", 0)
    cut: list[Any] = []

    def let_go(done: int, _: int) -> None:
        if done > 600 and not cut:
            with psycopg.connect(server.server, autocommit=True, application_name="admin") as admin:
                sql = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = %s"
                cut.extend(admin.execute(sql, [server.name]).fetchall())

    with server.open() as store:
        with pytest.raises(StoreError):
            agent_store.copy(source, store, progress=let_go)
        assert cut
        assert store.position() == 512
        assert list(store.entries()) == list(source.entries())[:512]
        assert agent_store.copy(source, store).holds
        assert everything(store) == everything(source)
