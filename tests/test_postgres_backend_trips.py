"""How many round trips each call takes, as docs/postgres.md has it; and the URL."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

import agent_store
from agent_store import Store
from agent_store.backends.postgres import address
from agent_store.errors import BackendError
from postgres_server import url_of
from stores import Schema, a_schema


@pytest.fixture
def schema(postgres: str) -> Iterator[Schema]:
    with a_schema("postgres", postgres) as place:
        yield place


def trips(store: Store) -> int:
    backend: Any = store._binding.backend
    return sum(wire.round_trips for wire in (*backend.pool._idle, *backend.pool._lent))


def taken(store: Store, call: Callable[[], object]) -> int:
    before = trips(store)
    call()
    return trips(store) - before


def test_round_trips(schema: Schema) -> None:
    schema.open().close()
    with schema.open() as store:
        assert trips(store) == 1
        log, other, generation = store.log("s", "w"), store.log("s", "other"), store.generation("g")
        assert taken(store, lambda: log.append(b"first of all")) == 2
        for _ in range(3):
            assert taken(store, lambda: log.append(b"x")) == 1
        assert taken(store, lambda: log.append(b"x", expected=log.head())) == 1 + taken(store, log.head)
        with schema.open() as somebody:
            somebody.log("s", "w").append(b"y")
        assert taken(store, lambda: log.append(b"x")) == 1 + 2
        assert taken(store, lambda: log.append_many([b"x"] * 8)) == 2
        assert taken(store, lambda: log.append_many([b"x"] * 1_000)) == 3
        assert taken(store, lambda: log.append_many([b"x"] * 3_000, batch=1_000)) == 9
        assert taken(store, lambda: other.append_many([b"x"] * 1_000)) == 4
        assert taken(store, lambda: log.append_many([b"x"] * 5_000)) == 3 + 2 * 5
        assert taken(store, lambda: store.append_many([("s", f"w{n}", b"x") for n in range(1_000)])) == 4
        assert taken(store, lambda: store.append_many([("s", f"w{n}", b"x") for n in range(1_000)])) == 3
        for change in (generation.bump, lambda: generation.reserve(5), lambda: generation.advance_to(50)):
            assert taken(store, change) == 2
        assert taken(store, generation.current) == 1
        assert taken(store, store.position) == taken(store, store.heads) == 1
        assert 1 <= taken(store, log.head) <= 4
        assert 1 <= taken(store, lambda: log.entry(5)) <= 4
        assert 1 <= taken(store, lambda: next(store.entries(stream="s", reverse=True))) <= 4

        def block() -> None:
            with store.transaction():
                assert taken(store, lambda: log.append(b"a")) == 2
                assert taken(store, lambda: log.append(b"b")) == 1
                assert taken(store, lambda: log.append_many([b"c"] * 1_000)) == 2

        assert taken(store, block) == 1 + 2 + 1 + 2 + 1
        assert store.verify().holds


@contextmanager
def without_pipelines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from agent_store.backends.postgres import wire

    with monkeypatch.context() as patched:
        patched.setattr(wire, "_PIPELINES", False)
        patched.setattr(psycopg.Pipeline, "is_supported", lambda: False)
        yield


def test_an_older_libpq_has_no_pipeline(schema: Schema, monkeypatch: pytest.MonkeyPatch) -> None:
    with without_pipelines(monkeypatch), schema.open() as store:
        log = store.log("s", "w")
        log.append(b"a")
        assert taken(store, lambda: log.append(b"b")) == 4
        log.append_many([b"c"] * 2_000)
        with store.transaction():
            log.append(b"d")
            store.generation("g").bump()
            assert store.query("SELECT 1") == [(1,)]
        assert store.verify().entries == store.position() == 2_003


URLS = {
    "postgresql://h/db": ("postgresql://h/db", "agent_store", "postgresql://h/db"),
    "postgres://u:p%40w@h:5/db?schema=a%20b&sslmode=require": (
        "postgres://u:p%40w@h:5/db?sslmode=require",
        "a b",
        "postgres://u:***@h:5/db?schema=a%20b&sslmode=require",
    ),
    "postgresql:///db?host=/tmp&schema=x": ("postgresql:///db?host=/tmp", "x", "postgresql:///db?host=/tmp&schema=x"),
    "postgresql://u:a?b@[::1]:5432,other:5433/db?schema=x": (
        "postgresql://u:a?b@[::1]:5432,other:5433/db",
        "x",
        "postgresql://u:***@[::1]:5432,other:5433/db?schema=x",
    ),
    "postgresql://?service=s&password=hidden&schema=x": (
        "postgresql://?service=s&password=hidden",
        "x",
        "postgresql://?service=s&password=***&schema=x",
    ),
}


@pytest.mark.parametrize("url", URLS)
def test_urls(url: str) -> None:
    found = address.parse(url)
    assert (found.conninfo, found.schema, found.shown) == URLS[url]
    for secret in ("p%40w", "p@w", "a?b", "hidden"):
        assert secret not in repr(found) + found.shown


@pytest.mark.parametrize("schema", ["", "pg_x", "information_schema", "x" * 64, "ü" * 32, "a%00b"])
def test_schemas_that_cannot_be(schema: str) -> None:
    with pytest.raises(ValueError, match="schema"):
        agent_store.open(f"postgresql://h/db?schema={schema}")
    with pytest.raises(ValueError, match="two schemas"):
        agent_store.open("postgresql://h/db?schema=a&schema=b")


def test_a_url_that_libpq_cannot_read_is_shown_without_its_password() -> None:
    for url in ("postgresql://u:secret%zz@h/db", "postgresql://u:secret@h:port/db?x=y", "postgresql://u:secret@[h/db"):
        with pytest.raises(BackendError, match=r"libpq|no connection") as raised:
            agent_store.open(url)
        assert "secret" not in str(raised.value)


def test_schemas_with_any_name(schema: Schema) -> None:
    for name in ('Ein "Schema"', "it's", "back\\slash", "100%s", "{first} {schema}", "ünïcode", "select"):
        quoted = psycopg.sql.Identifier(name).as_string()
        with agent_store.open(url_of(schema.server, schema=name)) as store:
            store.log("s", "w").append_many([b"x"] * 20)
            store.log("s", "w").append(b"y")
            assert store.verify().holds
            assert store.info()["schema"] == name
        schema.run(f"DROP SCHEMA {quoted} CASCADE")
