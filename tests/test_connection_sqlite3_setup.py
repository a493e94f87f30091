"""A caller's sqlite3.Connection stays as it was set up, and has no say in what a store reads and writes."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

import agent_store
import crate
from agent_store import Store
from agent_store.errors import (
    BackendError,
    MalformedRow,
    ReadOnlyStore,
    StoreClosed,
    UnsupportedFormat,
)
from tampering import LOOSE, damage

PRAGMAS = (
    *("journal_mode", "synchronous", "busy_timeout", "foreign_keys", "recursive_triggers", "trusted_schema"),
    *("cell_size_check", "cache_size", "temp_store", "locking_mode", "user_version", "application_id", "query_only"),
)


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def use(store: Store) -> list[Any]:
    """Each way to write and to read, once; what came back."""
    log = store.log("ströme", "wríter")
    first = log.append(b"\xff\0one")
    log.append_many([b"two", b"", b"x" * 1_000])
    store.append_many([("ströme", "b", b"1"), ("other", "b", b"2"), ("ströme", "b", b"3")])
    generation = store.generation("gén")
    verdict = store.verify()
    found = [
        log.append(b"five", expected=log.head()),
        *(generation.bump(), generation.set(5), generation.advance_to(7), generation.reserve(3), generation.current()),
        *(list(log.entries()), list(log.entries(2, 4)), list(log.entries(reverse=True)), log.entry(1)),
        *(list(store.entries()), list(store.entries(reverse=True, after=2)), list(store.entries(stream="ströme"))),
        *(list(store.entries(writer="b", reverse=True, after=1)), store.heads(), store.heads("ströme")),
        *(store.position(), verdict, log.verify(since=first), log.verify(contains=first)),
        list(store._binding.backend.generations()),
    ]
    with store.transaction():
        found.append(log.append(b"six"))
    assert verdict.holds, verdict.breaks
    return found


@contextmanager
def registered(**converters: Callable[[bytes], Any]) -> Iterator[None]:
    """For the whole process, as sqlite3 has it; there is no official way back."""
    tables: list[Any] = [sqlite3.converters, sqlite3.adapters]
    before = [dict(table) for table in tables]
    try:
        for name, converter in converters.items():
            sqlite3.register_converter(name, converter)
        yield
    finally:
        for table, kept in zip(tables, before, strict=True):
            table.clear()
            table.update(kept)


def harmful(*_: Any) -> Any:
    raise AssertionError("this is for the caller's own values")


class OwnCursor(sqlite3.Cursor):
    execute = executemany = fetchall = fetchone = __next__ = harmful


class OwnConnection(sqlite3.Connection):
    execute = executemany = executescript = commit = rollback = harmful

    def cursor(self, *_: Any) -> Any:
        return OwnCursor(self)


def expected(tmp_path: Path) -> list[Any]:
    with agent_store.open(tmp_path / "native.db") as store:
        return use(store)


def test_a_connection_gives_what_the_file_gives(tmp_path: Path, connection: sqlite3.Connection) -> None:
    assert use(agent_store.open(connection)) == expected(tmp_path)


@pytest.mark.parametrize("row_factory", [sqlite3.Row, harmful])
@pytest.mark.parametrize("text_factory", [bytes, bytearray, lambda text: text.decode("latin-1"), harmful])
def test_factories(
    tmp_path: Path, connection: sqlite3.Connection, row_factory: Callable[..., Any], text_factory: Callable[..., Any]
) -> None:
    connection.row_factory, connection.text_factory = row_factory, text_factory
    assert use(agent_store.open(connection)) == expected(tmp_path)
    assert (connection.row_factory, connection.text_factory) == (row_factory, text_factory)


def test_converters_and_connections_of_another_class(tmp_path: Path) -> None:
    types = sqlite3.PARSE_DECLTYPES | sqlite3.PARSE_COLNAMES
    names = dict.fromkeys(("integer", "text", "blob"), harmful)
    with (
        registered(**names),
        closing(
            sqlite3.connect(tmp_path / "app.db", detect_types=types, isolation_level=None, factory=OwnConnection)
        ) as connection,
    ):
        assert use(agent_store.open(connection)) == expected(tmp_path)


@pytest.mark.parametrize("type_", [int, str, bytes])
def test_adapters(tmp_path: Path, connection: sqlite3.Connection, type_: type) -> None:
    wanted = expected(tmp_path)
    with registered():
        sqlite3.register_adapter(type_, lambda _: "adapted")
        assert use(agent_store.open(connection)) == wanted
        value = {int: 1, str: "a", bytes: b"a"}[type_]
        # The caller's own SQL is the caller's.
        assert agent_store.open(connection).query("SELECT ?", [value]) == [("adapted",)]


def test_pragmas_stay_and_nothing_is_closed(connection: sqlite3.Connection) -> None:
    def settings() -> list[Any]:
        return [connection.execute(f"PRAGMA {name}").fetchall() for name in PRAGMAS]

    before = settings()
    store = agent_store.open(connection)
    use(store)
    store.close()
    store.close()
    assert settings() == before
    with pytest.raises(StoreClosed):
        store.position()
    assert agent_store.open(connection).position() == 9


def test_a_store_that_is_forgotten_warns_of_nothing(connection: sqlite3.Connection) -> None:
    store = agent_store.open(connection)
    store.position()
    del store


def test_open_on_a_database_that_is_set_up_costs_one_select(path: Path, connection: sqlite3.Connection) -> None:
    agent_store.open(connection)
    with closing(sqlite3.connect(path)) as another:
        ran: list[str] = []
        another.set_trace_callback(ran.append)
        agent_store.open(another)
        assert len(ran) == 1
        assert ran[0].split()[0] == "SELECT"
        assert not another.in_transaction


@pytest.mark.parametrize("options", [{}, {"isolation_level": None}], ids=str)
def test_a_store_is_made_in_the_open_transaction_or_at_once(path: Path, options: dict[str, Any]) -> None:
    """As a CREATE TABLE of the caller's would be."""
    with closing(sqlite3.connect(path, **options)) as connection, closing(sqlite3.connect(path)) as other:
        connection.execute("BEGIN")
        store = agent_store.open(connection)
        store.log("s", "w").append(b"lost")
        assert other.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)
        connection.execute("ROLLBACK")
        with pytest.raises(BackendError, match=r"call it again"):
            store.position()
        with pytest.raises(BackendError, match=r"call it again"):
            store.log("s", "w").append(b"x")
        connection.rollback()
        store = agent_store.open(connection)
        assert not connection.in_transaction
        assert other.execute("SELECT count(*) FROM _agent_store_entries").fetchone() == (0,)
        assert store.log("s", "w").append(b"x").seq == 1


def test_memory(tmp_path: Path) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        store = agent_store.open(connection)
        assert use(store) == expected(tmp_path)
        assert (store.info()["path"], store.info()["locks"]) == (":memory:", None)


def test_tables_of_the_same_names_elsewhere_are_nothing_to_it(tmp_path: Path, connection: sqlite3.Connection) -> None:
    store = agent_store.open(connection)
    for name in ("_agent_store_entries", "_agent_store_logs", "_agent_store_meta"):
        connection.execute(f"CREATE TEMP TABLE {name} (a)")
    assert use(store) == expected(tmp_path)
    assert connection.execute("SELECT count(*) FROM temp._agent_store_entries").fetchone() == (0,)


def test_a_file_of_the_crate_is_to_be_opened_by_its_path_once(path: Path, connection: sqlite3.Connection) -> None:
    crate.append(path, "s", "w", [b"one"])
    with pytest.raises(UnsupportedFormat, match="by its path"):
        agent_store.open(connection)
    connection.close()
    agent_store.open(path).close()
    with closing(sqlite3.connect(path)) as again:
        assert [entry.payload for entry in agent_store.open(again).entries()] == [b"one"]


def test_a_newer_format_is_refused(path: Path, connection: sqlite3.Connection) -> None:
    agent_store.open(connection)
    damage(path, "UPDATE _agent_store_meta SET ival = 2 WHERE key = '_agent_store.format'")
    with pytest.raises(UnsupportedFormat, match="newer agent-store"):
        agent_store.open(connection)


def test_an_sqlite_without_strict_tables_is_refused(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    with pytest.raises(UnsupportedFormat, match=r"3\.37"):
        agent_store.open(connection)


@pytest.mark.parametrize("option", [{"durability": "full"}, {"read_only": False}, {"timeout": 5.0}, {"schema": "a"}])
def test_options_that_are_the_callers_to_set(connection: sqlite3.Connection, option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(option))}="):
        agent_store.open(connection, **option)


def test_a_connection_that_only_reads(path: Path, connection: sqlite3.Connection) -> None:
    agent_store.open(connection).log("s", "w").append(b"x")
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reading:
        store = agent_store.open(reading)
        assert len(list(store.entries())) == 1
        assert store.verify().holds
        for write in (
            lambda: store.log("s", "w").append(b"x"),
            store.generation("g").bump,
            lambda: store.execute("CREATE TABLE t (a)"),
        ):
            with pytest.raises(ReadOnlyStore):
                write()
            assert not reading.in_transaction


def test_backups_are_of_files(tmp_path: Path, connection: sqlite3.Connection) -> None:
    with pytest.raises(BackendError, match=r"agent-store copy.*pg_dump"):
        agent_store.open(connection).backup(tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


def test_a_payload_that_is_no_blob_is_found_whatever_the_text_factory(
    path: Path, connection: sqlite3.Connection
) -> None:
    store = agent_store.open(connection)
    store.log("s", "w").append_many([b"1", b"2", b"3"])
    damage(path, "UPDATE _agent_store_entries SET payload = 'text' WHERE position = 2", loose=LOOSE)
    connection.text_factory = bytes
    with pytest.raises(MalformedRow):
        list(store.entries())
    assert [found.kind for found in store.verify().breaks] == ["malformed"]
