"""What a server refuses: a clear error that says what to do, without a password in it; and the next call works."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

import agent_store
from agent_store import Store
from agent_store.errors import BackendError, BusyError, ReadOnlyStore, StoreError, StoreReplaced
from postgres_server import Server, free_port, url_of
from stores import Schema
from threads import Threads, check, turn_taken

pytestmark = pytest.mark.timeout(60)
SECRET = "p%ss:w@rd/?#s"
LATE = 1.0


@pytest.fixture
def store(schema: Schema) -> Iterator[Store]:
    with schema.open() as opened:
        yield opened


@pytest.fixture
def role(schema: Schema) -> Iterator[str]:
    """One that may connect, and no more."""
    name = f"{schema.name}_role"
    # A statement of this kind takes no parameters.
    schema.run(f"CREATE ROLE {name} LOGIN PASSWORD '{SECRET}'")
    try:
        yield name
    finally:
        schema.run(f"DROP OWNED BY {name}")
        schema.run(f"DROP ROLE {name}")


def as_role(server: Server, schema: Schema, role: str, **parameters: object) -> str:
    url = server.url(user=role, password=SECRET, schema=schema.name, application_name=schema.name)
    return url_of(url, **parameters)


def test_what_cannot_be_connected_to(server: Server, schema: Schema, role: str) -> None:
    wrong = {
        "password": server.url(user=role, password="wrong secret"),
        "no such database|there is no database": server.url("nowhere"),
        "role|user": server.url(user="nobody_at_all", password=SECRET),
        "server": server.url(port=free_port(), password=SECRET),
        "host": f"postgresql://u:{quote(SECRET, safe='')}@no-such-host.invalid/x?connect_timeout=2",
    }
    for words, url in wrong.items():
        for read_only in (False, True):
            with pytest.raises(BackendError, match=rf"(?i){words}") as raised:
                agent_store.open(url, read_only=read_only)
            for secret in (SECRET, "wrong secret", server.password):
                assert secret not in str(raised.value)
                assert secret not in repr(raised.value)


def test_passwords_are_shown_nowhere(schema: Schema, server: Server, role: str) -> None:
    schema.open().close()
    schema.run(f"GRANT USAGE ON SCHEMA {schema.name} TO {role}")
    schema.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema.name} TO {role}")
    with agent_store.open(as_role(server, schema, role), read_only=True) as store:
        shown = [repr(store), str(store.info())]
        with pytest.raises(StoreError) as raised:
            store.log("s", "w").append(b"x")
        shown += [repr(raised.value), str(raised.value)]
    for text in shown:
        assert SECRET not in text
        assert "p%25ss" not in text


def test_a_role_without_rights(schema: Schema, server: Server, role: str) -> None:
    url = as_role(server, schema, role)
    with pytest.raises(BackendError, match="may not make one"):
        agent_store.open(url)
    with schema.open() as store:
        store.log("s", "w").append(b"x")
    with agent_store.open(url) as other:
        for call in (
            other.position,
            other.heads,
            lambda: list(other.entries()),
            lambda: other.log("s", "w").append(b"y"),
        ):
            with pytest.raises(BackendError, match=r"permission denied.*docs/postgres.md"):
                call()
    schema.run(f"GRANT USAGE ON SCHEMA {schema.name} TO {role}")
    schema.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema.name} TO {role}")
    with agent_store.open(url) as other:
        assert other.position() == 1
        assert other.verify().holds
        for write in (
            lambda: other.log("s", "w").append(b"y"),
            lambda: other.log("s", "w").append_many([b"y"] * 3_000),
            lambda: other.generation("g").bump(),
        ):
            with pytest.raises(BackendError, match=r"permission denied.*docs/postgres.md"):
                write()
        assert other.position() == 1
    with schema.open() as store:
        assert store.log("s", "w").append(b"z").position == 2
        check(store, 2)


def test_a_schema_that_is_not_there(schema: Schema) -> None:
    with pytest.raises(StoreError, match=schema.name):
        schema.open(read_only=True)
    assert schema.run("SELECT to_regnamespace(%s)", schema.name) == [(None,)]
    for wrong in ("pg_mine", "x" * 64, "information_schema", ""):
        with pytest.raises(ValueError, match="schema"):
            agent_store.open(url_of(schema.server, schema=wrong))


def test_a_schema_that_is_dropped_under_it(schema: Schema, store: Store) -> None:
    store.log("s", "w").append(b"x")
    schema.run(f"DROP SCHEMA {schema.name} CASCADE")
    for call in (store.position, store.verify, lambda: store.log("s", "w").append(b"y"), store.generation("g").bump):
        with pytest.raises(StoreReplaced, match=schema.name):
            call()
    with schema.open() as other:
        other.log("s", "w").append(b"of another store")
        for write in (lambda: store.log("s", "w").append(b"y"), store.generation("g").bump):
            with pytest.raises(StoreReplaced, match="reopen"):
                write()
        check(other, 1)
        assert other.generation("g").current() == 0


def test_read_only_writes_nothing(schema: Schema) -> None:
    with schema.open() as store:
        store.log("s", "w").append(b"x")
        store.execute("CREATE TABLE notes (text text)")
    with schema.open(read_only=True) as store:
        writes: list[Callable[[], object]] = [
            lambda: store.log("s", "w").append(b"y"),
            lambda: store.append_many([("s", "w", b"y")]),
            lambda: store.generation("g").bump(),
            lambda: store.execute("CREATE TABLE more (text text)"),
            lambda: store.query("INSERT INTO notes VALUES ('x') RETURNING text"),
            lambda: store.transaction().__enter__(),
        ]
        for write in writes:
            with pytest.raises(ReadOnlyStore):
                write()
        check(store, 1)


@pytest.mark.parametrize("timeout", [0.0, 0.4])
def test_a_lock_that_is_not_to_be_had_in_time(schema: Schema, store: Store, timeout: float) -> None:
    with schema.open(timeout=timeout) as hurried:
        hurried.log("s", "w").append(b"x")
        with turn_taken(store):
            writes: list[Callable[[], object]] = [
                lambda: hurried.log("s", "w").append(b"lost"),
                lambda: hurried.log("s", "new").append(b"lost"),
                lambda: hurried.log("s", "w").append_many([b"lost"] * 2_000),
                lambda: hurried.generation("g").bump(),
                lambda: hurried.transaction().__enter__(),
            ]
            for write in writes:
                began = time.monotonic()
                with pytest.raises(BusyError) as busy:
                    write()
                taken = time.monotonic() - began
                assert timeout <= taken < timeout + LATE
                assert timeout * 0.9 <= busy.value.waited <= taken
                assert "write lock" in busy.value.what
            assert hurried.position() == 1
        assert hurried.log("s", "w").append(b"y").position == 2
        check(hurried, 2)


@pytest.mark.parametrize("setting", ["statement_timeout", "lock_timeout"])
def test_the_servers_own_timeouts(schema: Schema, store: Store, setting: str) -> None:
    options = f"-csearch_path={schema.own} -c{setting}=300"
    with agent_store.open(url_of(schema.admin, schema=schema.name, options=options)) as other:
        other.log("s", "w").append(b"x")
        with turn_taken(store):
            for write in (
                lambda: other.log("s", "w").append(b"lost"),
                lambda: other.log("s", "w").append_many([b"lost"] * 2_000),
                other.generation("g").bump,
            ):
                began = time.monotonic()
                if (
                    setting == "lock_timeout"
                ):  # Our own takes its place: the store's lock is waited for as we were told.
                    break
                with pytest.raises((BusyError, BackendError)):
                    write()
                assert time.monotonic() - began < 0.3 + LATE
        other.execute("CREATE TABLE notes (text text)")
        with psycopg.connect(schema.server) as holder:
            holder.execute("LOCK TABLE notes")
            with pytest.raises((BusyError, BackendError), match=r"lock|timeout"):
                other.execute("INSERT INTO notes VALUES ('lost')")
            with pytest.raises((BusyError, BackendError), match=r"lock|timeout"):
                other.query("SELECT * FROM notes")
        assert other.query("SELECT * FROM notes") == []
        assert other.log("s", "w").append(b"y").position == 2
        check(other, 2)


@contextmanager
def limited(schema: Schema, role: str, most: int) -> Iterator[None]:
    schema.run(f"GRANT USAGE, CREATE ON SCHEMA {schema.name} TO {role}")
    schema.run(f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA {schema.name} TO {role}")
    schema.run(f"ALTER ROLE {role} CONNECTION LIMIT {most}")
    yield


def test_a_server_without_a_connection_left(schema: Schema, server: Server, role: str) -> None:
    schema.open().close()
    with (
        limited(schema, role, 1),
        agent_store.open(as_role(server, schema, role)) as store,
        ThreadPoolExecutor(1) as pool,
    ):
        with store.transaction():
            store.log("s", "w").append(b"x")
            with pytest.raises(BackendError, match=r"too many connections.*close connections|raise the limit"):
                pool.submit(store.position).result(30)
        assert pool.submit(store.position).result(30) == 1
        check(store, 1)


def test_a_database_of_another_encoding(server: Server) -> None:
    with psycopg.connect(server.url(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
        try:
            with pytest.raises(agent_store.errors.UnsupportedFormat, match="UTF8"):
                agent_store.open(server.url("latin"))
        finally:
            admin.execute("DROP DATABASE latin WITH (FORCE)")


def test_a_newer_format_and_what_is_no_store(schema: Schema) -> None:
    schema.open().close()
    schema.run(f"COMMENT ON TABLE {schema.name}._agent_store_entries IS 'agent-store format 2'")
    for options in ({}, {"read_only": True}):
        with pytest.raises(agent_store.errors.UnsupportedFormat, match="format 2"):
            schema.open(**options)
    schema.run(f"COMMENT ON TABLE {schema.name}._agent_store_entries IS 'mine'")
    with pytest.raises(agent_store.errors.UnsupportedFormat, match="mine"):
        schema.open()


def test_positions_follow_on(schema: Schema, store: Store) -> None:
    """Also for whoever writes by hand."""
    store.log("s", "w").append_many([b"x"] * 3)
    row = f"INSERT INTO {schema.name}._agent_store_entries SELECT %s, 1, 4, decode(repeat('00', 32), 'hex'), ''"
    for position in (5, 100, 0, 3, -1):
        with pytest.raises(psycopg.Error, match=r"agent-store|constraint"):
            schema.run(row, position)
    check(store, 3)


def test_no_files_are_made(schema: Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with schema.open() as store:
        store.log("s", "w").append(b"x")
        with pytest.raises(BackendError, match=r"agent-store copy.*pg_dump"):
            store.backup(tmp_path / "copy.db")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("level", ["read committed", "repeatable read", "serializable"])
def test_whatever_the_servers_defaults_are(schema: Schema, level: str) -> None:
    options = (
        f"-csearch_path={schema.own} -cdefault_transaction_isolation={level.replace(' ', chr(92) + ' ')} "
        "-csynchronous_commit=off -cstandard_conforming_strings=on -cbytea_output=escape -cDateStyle=German"
    )
    url = url_of(schema.admin, schema=schema.name, options=options)
    with ExitStack() as stack:
        stores = [stack.enter_context(agent_store.open(url)) for _ in range(3)]

        def work(number: int) -> None:
            for n in range(10):
                stores[number % 3].log("s", "w").append(b"%d" % n)
                stores[number % 3].append_many([("s", "w", b"x"), ("s", str(number), b"x")] * 10)
                stores[number % 3].generation("g").bump()

        with Threads(work, 6) as threads:
            threads.results()
        check(stores[0], 6 * 10 * 21)
        assert stores[0].generation("g").current() == 60
