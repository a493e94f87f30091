"""The guards in the server, and the roles of docs/postgres.md: what they can and what they cannot."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

import agent_store
from agent_store import SigningKey, Store
from agent_store.errors import BackendError, ReadOnlyStore
from postgres_server import Server
from stores import Schema, a_schema

PAGE = Path(__file__).parent.parent / "docs" / "postgres.md"
SCRIPT = re.compile(r"^```sql\n(CREATE ROLE.*?)^```$", re.MULTILINE | re.DOTALL)
KEY = SigningKey.from_seed("audit.example/db", bytes(range(32)))
ROLES = ("app_writer", "app_reader", "app_sealer", "app_eraser")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def schema(server: Server) -> Iterator[Schema]:
    with a_schema("postgres", server.url()) as place:
        with place.open() as store:
            store.log("s", "w").append_many([b"x"] * 3)
            store.generation("g").bump()
            store.checkpoint(KEY)
            store.erase(3, KEY)
        yield place


@pytest.fixture
def roles(server: Server, schema: Schema) -> Iterator[Callable[[str], str]]:
    """The URL of each."""
    (script,) = SCRIPT.findall(PAGE.read_text())
    names = {name: f"{schema.name}_{name}" for name in ROLES}
    for name, unique in names.items():
        script = script.replace(name, unique)
    script = script.replace("LOGIN", f"LOGIN PASSWORD '{server.password}'").replace("agent_store.", f"{schema.name}.")
    schema.run(script.replace("SCHEMA agent_store", f"SCHEMA {schema.name}"))
    yield lambda name: server.url(user=names[name], schema=schema.name)
    for unique in names.values():
        schema.run(f"DROP OWNED BY {unique}")
        schema.run(f"DROP ROLE {unique}")


FORBIDDEN = [
    "UPDATE {s}._agent_store_entries SET content_hash = payload",
    "UPDATE {s}._agent_store_notes SET note = 'other'",
    "UPDATE {s}._agent_store_notes SET number = 4",
    "DELETE FROM {s}._agent_store_notes",
    "TRUNCATE {s}._agent_store_notes",
    "UPDATE {s}._agent_store_erasures SET note = 'other'",
    "DELETE FROM {s}._agent_store_erasures",
    "TRUNCATE {s}._agent_store_erasures",
    "UPDATE {s}._agent_store_entries SET payload = ''",
    "DELETE FROM {s}._agent_store_entries",
    "TRUNCATE {s}._agent_store_entries",
    "DELETE FROM {s}._agent_store_logs",
    "UPDATE {s}._agent_store_meta SET key = 'other' WHERE key = 'g'",
    "DELETE FROM {s}._agent_store_meta",
    "ALTER TABLE {s}._agent_store_entries DISABLE TRIGGER ALL",
    "DROP TRIGGER _agent_store_entries_update ON {s}._agent_store_entries",
    "CREATE OR REPLACE FUNCTION {s}._agent_store_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "CREATE TABLE {s}.more (x int)",
    "DROP TABLE {s}._agent_store_entries CASCADE",
    "COMMENT ON TABLE {s}._agent_store_entries IS 'mine'",
    "ALTER SCHEMA {s} RENAME TO mine",
]


def writes(store: Store) -> None:
    store.log("s", "w").append(b"a")
    store.log("s", "w").append_many([b"b"] * 100)
    store.append_many([("s", f"w{number}", b"c") for number in range(20)])
    with store.transaction():
        store.log("new", "log").append(b"d")
        store.generation("g").bump()
        store.generation("h").reserve(5)


def reads(store: Store) -> None:
    assert store.verify().holds
    assert len(list(store.entries())) == store.position() == store.info()["position"]
    assert store.log("s", "w").verify() in store.heads("s")
    assert store.generation("g").current() > 0


APPENDS = "INSERT INTO {s}._agent_store_entries VALUES (4, 1, 4, decode(repeat('00', 32), 'hex'), '')"
NOTES = "INSERT INTO {s}._agent_store_notes VALUES ('checkpoint', 'db', 4, 'note')"
TILES = "INSERT INTO {s}._agent_store_tiles VALUES (0, 0, decode(repeat('00', 32), 'hex'))"
ERASES = "INSERT INTO {s}._agent_store_erasures VALUES (1, 1, 'note')"
BEYOND = {
    "app_writer": [NOTES, TILES, ERASES],
    "app_reader": [APPENDS, NOTES, TILES, ERASES],
    "app_sealer": [APPENDS, ERASES],
    "app_eraser": [APPENDS, NOTES, TILES],
}
"""What others of them may."""


def test_the_roles_of_the_page(schema: Schema, roles: Callable[[str], str]) -> None:
    with agent_store.open(roles("app_writer")) as store:
        writes(store)
        reads(store)
    for read_only in (False, True):
        with agent_store.open(roles("app_reader"), read_only=read_only) as store:
            reads(store)
            with pytest.raises((BackendError, ReadOnlyStore), match=r"permission denied|read_only"):
                store.log("s", "w").append(b"no")
    for role in ROLES:
        with psycopg.connect(roles(role).partition("?")[0], autocommit=True) as connection:
            for statement in FORBIDDEN + BEYOND[role]:
                with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.RestrictViolation)):
                    connection.execute(statement.format(s=schema.name))
    with schema.open() as store:
        assert store.position() == 3 + 101 + 20 + 1
        reads(store)


def test_who_seals_and_who_erases(schema: Schema, roles: Callable[[str], str]) -> None:
    with agent_store.open(roles("app_writer")) as store:
        writes(store)
        with pytest.raises(BackendError, match="permission denied"):
            store.checkpoint(KEY)
    with agent_store.open(roles("app_sealer")) as store:
        assert store.checkpoint(KEY).size == store.position()
        store._binding.backend.change("renew_note", "cosignature", "db", 4, "one")
        store._binding.backend.change("renew_note", "cosignature", "db", 4, "two")
        with pytest.raises(BackendError, match="permission denied"):
            store.erase(1, KEY)
        reads(store)
    with agent_store.open(roles("app_eraser")) as store:
        assert store.erase([1, 2], KEY).gone is None
        assert [entry.erased for entry in store.entries()][:4] == [True, True, True, False]
        with pytest.raises(BackendError, match="an entry is never changed"):
            store._binding.backend.change("erase", 4)
    with agent_store.open(roles("app_reader"), read_only=True) as store:
        newest = next(store.entries(reverse=True))
        assert agent_store.verify_receipt(store.receipt(newest), newest, KEY).size == newest.position
        verdict = store.verify(keys=KEY)
        assert (verdict.holds, verdict.erased, verdict.signed) == (True, 3, store.position())


FOLLOW_ON = "INSERT INTO {s}._agent_store_entries VALUES (5, 1, 4, decode(repeat('00', 32), 'hex'), '')"
OWNERS = [
    ("UPDATE {s}._agent_store_entries SET payload = ''", "never changed"),
    ("DELETE FROM {s}._agent_store_entries WHERE position = 3", "never removed"),
    ("TRUNCATE {s}._agent_store_entries", "never removed"),
    ("UPDATE {s}._agent_store_logs SET stream = 'other'", "never renamed"),
    ("DELETE FROM {s}._agent_store_logs", "never removed"),
    ("TRUNCATE {s}._agent_store_logs", "never removed"),
    ("UPDATE {s}._agent_store_meta SET ival = 0 WHERE key = 'g'", "only rises"),
    ("UPDATE {s}._agent_store_meta SET key = 'other' WHERE key = 'g'", "keeps its key"),
    ("UPDATE {s}._agent_store_meta SET ival = 9 WHERE key = '_agent_store.id'", "the store's own"),
    ("INSERT INTO {s}._agent_store_meta VALUES ('_agent_store.x', 1)", "the store's own"),
    ("DELETE FROM {s}._agent_store_meta", "never removed"),
    ("TRUNCATE {s}._agent_store_meta", "never removed"),
    ("UPDATE {s}._agent_store_notes SET note = ''", "a signed note is never changed"),
    ("UPDATE {s}._agent_store_notes SET kind = 'cosignature'", "a signed note is never changed"),
    ("DELETE FROM {s}._agent_store_notes", "a signed note is never removed"),
    ("TRUNCATE {s}._agent_store_notes", "a signed note is never removed"),
    ("UPDATE {s}._agent_store_erasures SET payload_len = 1", "record of an erasure is never changed"),
    ("DELETE FROM {s}._agent_store_erasures", "record of an erasure is never removed"),
    ("TRUNCATE {s}._agent_store_erasures", "record of an erasure is never removed"),
    (FOLLOW_ON, "follow on"),
    (
        "INSERT INTO {s}._agent_store_entries SELECT 2*seq + 2, 1, seq + 3, content_hash, '' FROM {s}._agent_store_log",
        "follow on",
    ),
    ("INSERT INTO {s}._agent_store_entries VALUES (4, 1, 4, '', '')", "hash_check"),
    ("INSERT INTO {s}._agent_store_entries VALUES (4, 1, 0, decode(repeat('00', 32), 'hex'), '')", "seq_check"),
    ("INSERT INTO {s}._agent_store_log (stream) VALUES ('s')", "cannot insert into view"),
]


@pytest.mark.parametrize("role", ["origin", "replica"])
def test_the_owner_too_is_refused(schema: Schema, role: str) -> None:
    with psycopg.connect(schema.server, autocommit=True) as connection:
        connection.execute(f"SET session_replication_role = {role}")
        for statement, words in OWNERS:
            with pytest.raises(psycopg.Error, match=words):
                connection.execute(statement.format(s=schema.name))
        for statement in (f"SET search_path = {schema.name}", "CREATE TEMP TABLE _agent_store_entries (position int)"):
            connection.execute(statement)
        with pytest.raises(psycopg.Error, match="follow on"):
            connection.execute(FOLLOW_ON.format(s=schema.name))
    with schema.open() as store:
        reads(store)
        assert store.position() == 3


def test_rows_of_ones_own_that_fit_are_taken(schema: Schema) -> None:
    """And found by verify, as the hash is not theirs to make."""
    schema.run(
        f"INSERT INTO {schema.name}._agent_store_entries VALUES (4, 1, 4, decode(repeat('00', 32), 'hex'), 'forged')"
    )
    with schema.open() as store:
        (found,) = store.verify().breaks
        assert (found.kind, found.seq, found.position) == ("hash", 4, 4)


def test_a_renamed_schema_is_a_store(schema: Schema) -> None:
    renamed = f"{schema.name}_renamed"
    with schema.open() as store:
        schema.run(f"ALTER SCHEMA {schema.name} RENAME TO {renamed}")
        with agent_store.open(schema.url.replace(f"schema={schema.name}", f"schema={renamed}")) as other:
            writes(other)
            reads(other)
        schema.run(f"ALTER SCHEMA {renamed} RENAME TO {schema.name}")
        writes(store)
        reads(store)
