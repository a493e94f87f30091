"""The caller's own SQL: what it binds and returns, and what is refused of it."""

from collections.abc import Callable

import pytest

from agent_store import Store
from agent_store.errors import BackendError


def test_own_sql_binds_and_returns_every_type(store: Store, sql: Callable[[str], str]) -> None:
    row = (None, -(2**63), 1.5, "tëxt", b"\0bytes", 1)
    assert store.execute("CREATE TABLE t (a bytea, b bigint, c double precision, d text, e bytea, f bigint)") == 0
    assert store.execute(sql("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)"), row) == 1
    assert store.query("SELECT * FROM t") == [row]
    named = {"a": bytearray(b"x"), "e": memoryview(b"y")}
    assert store.execute(sql("INSERT INTO t (a, e) VALUES (:a, :e)"), named) == 1
    assert store.query(sql("SELECT a, e FROM t WHERE a = ?"), [b"x"]) == [(b"x", b"y")]
    assert store.execute("UPDATE t SET f = 2") == 2
    assert store.execute("DELETE FROM t WHERE a IS NULL") == 1
    assert store.execute("DELETE FROM t WHERE a IS NULL") == 0
    assert store.query(sql("INSERT INTO t (b) VALUES (?) RETURNING b"), [5]) == [(5,)]
    assert store.query("SELECT count(*) FROM t") == [(2,)]
    assert store.verify().holds


@pytest.mark.differs("of SQLite")
def test_own_sql_of_sqlite_has_no_types(store: Store) -> None:
    store.execute("CREATE TABLE t (a, b)")
    assert store.query("INSERT INTO t VALUES (?, ?) RETURNING a, b", [5, True]) == [(5, 1)]
    assert store.query("PRAGMA user_version") == [(0,)]


@pytest.mark.differs("of SQLite")
@pytest.mark.parametrize(
    "statement",
    [
        *("BEGIN", "begin immediate", "COMMIT", "END", "ROLLBACK", "SAVEPOINT a", "RELEASE a", "/* x */ ROLLBACK TO a"),
        *("VACUUM", "VACUUM INTO 'x'", "ATTACH ':memory:' AS x", "DETACH x", "", " -- nothing", "SELECT 1; SELECT 2"),
        *("PRAGMA journal_mode = delete", "PRAGMA main.synchronous(0)", "PRAGMA locking_mode=exclusive"),
        *("PRAGMA reverse_unordered_selects = 1", "PRAGMA count_changes = on"),
        *("PRAGMA recursive_triggers=0", "PRAGMA trusted_schema=1", "PRAGMA writable_schema=1", "; -- x\n commit"),
        *(" \vCOMMIT", "\n\vVACUUM", "PRAGMA \vsynchronous = 0"),
        *('PRAGMA "synchronous" = 0', "PRAGMA [recursive_triggers] = 0", 'PRAGMA "main".trusted_schema = 1'),
    ],
)
def test_sql_that_would_take_the_store_out_of_our_hands_is_refused(store: Store, statement: str) -> None:
    for call in (store.execute, store.query):
        with pytest.raises(ValueError, match=r"\w"):
            call(statement)
        with store.transaction(), pytest.raises(ValueError, match=r"\w"):
            call(statement)
    assert store.log("s", "w").append(b"still works").seq == 1


def test_wrong_parameters_are_refused(store: Store, sql: Callable[[str], str]) -> None:
    # psycopg takes a statement without parameters as it stands, so that a % in it need not be written twice.
    with pytest.raises((ValueError, BackendError), match=r"placeholder|bindings|syntax"):
        store.query(sql("SELECT ?"), [])
    with pytest.raises(ValueError, match=r"placeholder|bindings"):
        store.query(sql("SELECT ?"), [1, 2])
    with pytest.raises(ValueError, match=r"\ba\b"):
        store.query(sql("SELECT :a"), {"b": 1})
    with pytest.raises(TypeError):
        store.query(sql("SELECT ?"), [object()])


@pytest.mark.differs("of SQLite")
def test_integers_of_more_than_64_bits_are_refused(store: Store) -> None:
    with pytest.raises(OverflowError):
        store.query("SELECT ?", [2**63])


def test_guards_refuse_sql_that_alters_the_log(store: Store, sql: Callable[[str], str]) -> None:
    entry = store.log("s", "w").append(b"a")
    store.generation("g").set(5)
    for statement in (
        "UPDATE _agent_store_entries SET payload = payload",
        "DELETE FROM _agent_store_entries",
        "UPDATE _agent_store_logs SET stream = 'x'",
        "DELETE FROM _agent_store_logs",
        "UPDATE _agent_store_meta SET ival = 1 WHERE key = 'g'",
        "UPDATE _agent_store_meta SET key = 'h' WHERE key = 'g'",
        "UPDATE _agent_store_meta SET ival = 9 WHERE key = '_agent_store.id'",
        "INSERT INTO _agent_store_meta VALUES ('_agent_store.x', 1)",
        "DELETE FROM _agent_store_meta",
    ):
        with pytest.raises(BackendError, match="agent-store"):
            store.execute(sql(statement))
    assert list(store.entries()) == [entry]
    assert store.verify().holds
    assert store.generation("g").current() == 5


@pytest.mark.differs("of native SQLite")
def test_guards_refuse_an_insert_that_replaces(store: Store) -> None:
    store.log("s", "w").append(b"a")
    with pytest.raises(BackendError):
        store.execute("INSERT OR REPLACE INTO _agent_store_entries SELECT 1, 1, 1, zeroblob(32), x''")
    assert store.verify().holds
