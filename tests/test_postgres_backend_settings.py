"""How a caller set up his psycopg connection, and uses it: adapters, encodings and pipeline mode have no influence."""

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.adapt import Dumper, Loader
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

import agent_store
from agent_store import Store
from agent_store.errors import BackendError, HeadMoved
from stores import Schema, a_schema

IDLE, INTRANS = TransactionStatus.IDLE, TransactionStatus.INTRANS


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


class Shout(Loader):
    def load(self, data: Any) -> str:
        return "LOADED"


class Mumble(Dumper):
    oid = 25  # text

    def dump(self, obj: Any) -> bytes:
        return b"DUMPED"


def test_how_the_caller_set_it_up_has_no_influence(schema: Schema) -> None:
    connection, store = schema.lent(row_factory=dict_row, cursor_factory=psycopg.ClientCursor)
    for name in ("int8", "bytea", "text", "oid", "int4"):
        connection.adapters.register_loader(name, Shout)
    for kind in (str, int, bytes, list):
        connection.adapters.register_dumper(kind, Mumble)
    connection.prepare_threshold = 0
    log = store.log("s", "w")
    log.append_many([b"x"] * 20)
    assert log.append(b"a").position == 21
    assert store.generation("g").bump() == 1
    assert [entry.seq for entry in store.entries(stream="s", after=19)] == [20, 21]
    assert store.verify().holds
    assert connection.row_factory is dict_row
    assert connection.cursor_factory is psycopg.ClientCursor
    assert connection.execute("SELECT 1::int8 AS one").fetchone() == {"one": "LOADED"}
    assert connection.execute("SELECT name FROM pg_prepared_statements").fetchall() == []


def test_sql_of_the_callers_has_his_adapters(schema: Schema) -> None:
    connection, store = schema.lent(row_factory=dict_row)
    connection.adapters.register_loader("int8", Shout)
    assert store.query("SELECT 1::int8, %s::text", ["x"]) == [("LOADED", "x")]


def test_another_encoding_of_the_callers(schema: Schema, other: Store) -> None:
    connection, store = schema.lent()
    connection.execute("SET client_encoding = 'LATIN1'")
    store.log("grün", "w").append_many([b"a"] * 20)
    assert [head.stream for head in store.heads()] == [head.stream for head in other.heads()] == ["grün"]


def test_pipeline_mode(schema: Schema, other: Store) -> None:
    connection, store = schema.lent()
    connection.execute("CREATE TABLE notes (x int)")
    log = store.log("s", "w")
    with connection.pipeline():
        mine = connection.execute("INSERT INTO notes VALUES (7) RETURNING x")
        assert log.append(b"a").position == 1
        assert log.append_many([b"b"] * 3_000).seq == 3_001  # type: ignore[union-attr]
        assert store.append_many([("s", f"w{number}", b"c") for number in range(20)]) == 3_021
        after = connection.execute("SELECT count(*) FROM notes")
        with store.transaction():
            store.generation("g").bump()
            connection.execute("INSERT INTO notes VALUES (8)")
        assert store.query("SELECT x FROM notes") == [(7,), (8,)]
        assert len(list(store.entries())) == 3_021
        assert store.verify().holds
        assert log.verify() == log.append_many([])
        assert (mine.fetchall(), after.fetchall()) == ([(7,)], [(1,)])
        with pytest.raises(HeadMoved):
            log.append(b"no", expected=None)
        connection.execute("INSERT INTO nowhere VALUES (1)")
        with pytest.raises(psycopg.errors.UndefinedTable):
            log.append(b"no")
    assert (other.position(), status(connection)) == (3_021, IDLE)
    assert connection.pgconn.pipeline_status == 0


def test_opening_is_one_select_and_changes_nothing(schema: Schema) -> None:
    connection = schema.connect(autocommit=False)
    before = vars(connection).copy()
    store = agent_store.open(connection, schema=schema.name)
    backend: Any = store._binding.backend
    assert backend._wire.round_trips == 1
    assert status(connection) == IDLE
    store.close()
    assert not connection.closed
    assert {name: value for name, value in vars(connection).items() if before.get(name) is not value} == {}
    connection.execute("SELECT 1")
    agent_store.open(connection, schema=schema.name)
    assert status(connection) == INTRANS


def test_what_is_for_stores_of_their_own(schema: Schema, postgres: str) -> None:
    connection = schema.connect()
    options: list[dict[str, Any]] = [{"timeout": 1.0}, {"durability": "full"}, {"read_only": True}]
    for option in options:
        with pytest.raises(ValueError, match="of yours"):
            agent_store.open(connection, **option)

    async def open_async() -> None:
        async with await psycopg.AsyncConnection.connect(postgres) as unfit:
            with pytest.raises(TypeError, match="AsyncConnection"):
                agent_store.open(unfit)  # type: ignore[arg-type]

    asyncio.run(open_async())
    connection.close()
    with pytest.raises(BackendError, match="closed"):
        agent_store.open(connection)
