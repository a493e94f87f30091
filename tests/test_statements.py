"""The store's own statements by name, and transactions that are on disk at their commit, on every kind of store."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

import agent_store
from agent_store import Store
from agent_store.errors import BackendError, ReadOnlyStore, StoreClosed, TransactionConflict
from postgres_server import url_of
from stores import Place, Schema

HASH = bytes(range(32))
NOTE = "audit.example/db\n1\nAAAA\n\n— audit.example/db 🔔\n"
REFUSED = (BackendError, TransactionConflict)
"""On a lent connection to a server what is there already may have come after the caller's snapshot."""


def backend(store: Store) -> Any:
    return store._binding.backend


def put(one: Any, kind: str, name: str, number: int, note: str, **how: Any) -> int:
    changed: int = one.change("add_note", kind, name, number, note, **how)
    return changed


def test_notes_are_kept_and_read_in_order(store: Store) -> None:
    one = backend(store)
    for number in (1, 5, 3):
        assert put(one, "checkpoint", "a", number, f"{number}\n") == 1
    assert put(one, "checkpoint", "ä\n+", 2**63 - 1, NOTE) == 1
    assert put(one, "rotation", "a", 4, "") == 1
    assert one.fetch("note", "checkpoint", "a", 3) == [("3\n",)]
    assert one.fetch("note", "checkpoint", "a", 4) == []
    assert one.fetch("note", "checkpoint", "ä\n+", 2**63 - 1) == [(NOTE,)]
    assert one.fetch("newest_note", "checkpoint", "a") == [(5, "5\n")]
    assert one.fetch("notes_forward", "checkpoint", "a", 1, 9) == [(3, "3\n"), (5, "5\n")]
    assert one.fetch("notes_forward", "checkpoint", "a", 0, 2) == [(1, "1\n"), (3, "3\n")]
    assert one.fetch("notes_reverse", "checkpoint", "a", 5, 9) == [(3, "3\n"), (1, "1\n")]
    everything = [("a", 1, "1\n"), ("a", 3, "3\n"), ("a", 5, "5\n"), ("ä\n+", 2**63 - 1, NOTE)]
    assert one.fetch("notes_of_kind", "checkpoint", "", 0, 9) == everything
    assert one.fetch("notes_of_kind", "checkpoint", "a", 3, 1) == everything[2:3]


def test_only_a_cosignature_is_ever_replaced(store: Store) -> None:
    one = backend(store)
    for kind in ("checkpoint", "head", "fork", "cosignature"):
        put(one, kind, "a", 1, "first")
    for statement in ("add_note", "renew_note"):
        for kind in ("checkpoint", "head", "fork"):
            with pytest.raises(REFUSED):
                one.change(statement, kind, "a", 1, "second")
    assert one.change("renew_note", "cosignature", "a", 1, "second") == 1
    assert one.change("renew_note", "cosignature", "b", 1, "third") == 1
    assert [one.fetch("note", kind, "a", 1) for kind in ("checkpoint", "cosignature")] == [
        [("first",)],
        [("second",)],
    ]


def test_tiles_grow_and_erasures_stay(store: Store) -> None:
    one = backend(store)
    assert one.change("set_tile", 0, 7, HASH) == 1
    assert one.change("set_tile", 0, 7, HASH * 256) == 1
    assert one.fetch("tile", 0, 7) == [(HASH * 256,)]
    assert one.fetch("tile", 1, 7) == []
    for wrong in (b"", HASH[:31], HASH * 257):
        with pytest.raises(BackendError):
            one.change("set_tile", 0, 8, wrong)
    store.log("s", "w").append_many([b"12345"] * 9)
    for position in (9, 2):
        assert one.change("add_erasure", position, 5, NOTE) == 1
    with pytest.raises(REFUSED):
        one.change("add_erasure", 2, 5, "another")
    assert one.fetch("erasure", 9) == [(5, NOTE)]
    assert one.fetch("erasure", 3) == []
    assert one.fetch("erasures", 0, 9) == [(2, 5, NOTE), (9, 5, NOTE)]
    assert one.fetch("erasures", 2, 9) == [(9, 5, NOTE)]


def test_in_a_transaction_they_vanish_with_it(store: Store) -> None:
    one = backend(store)
    tx = one.begin()
    put(one, "checkpoint", "a", 1, NOTE, tx=tx)
    assert one.fetch("note", "checkpoint", "a", 1, tx=tx) == [(NOTE,)]
    one.rollback(tx)
    assert one.fetch("note", "checkpoint", "a", 1) == []
    tx = one.begin()
    put(one, "checkpoint", "a", 1, NOTE, tx=tx)
    store.log("s", "w")
    one.append("s", "w", [b"x"], tx=tx)
    one.commit(tx)
    assert one.fetch("note", "checkpoint", "a", 1) == [(NOTE,)]
    assert store.position() == 1
    with pytest.raises(TransactionConflict):
        put(one, "checkpoint", "a", 2, NOTE, tx=tx)


def test_an_entry_that_a_statement_added_is_gone_on_from(store: Store) -> None:
    """Whatever the backend remembered of the head before it."""
    one = backend(store)
    log = store.log("s", "w")
    first = log.append(b"1")
    with agent_store.open(":memory:") as model:
        second = model.log("s", "w").append_many([b"1", b"2"])
    assert second is not None
    tx = one.begin()
    one.append("s", "w", [b"other"], tx=tx)
    one.rollback(tx)
    tx = one.begin()
    assert one.position(tx) == first.position
    assert one.change("add_erased", 2, "s", "w", 2, second.content_hash, tx=tx) == 1
    one.append("s", "w", [b"3"], tx=tx)
    one.commit(tx)
    log.append(b"4")
    assert [head.seq for head in store.heads()] == [4]
    assert [found.seq for found in store.verify().breaks] == [2]  # nothing says yet that it is erased


def test_what_is_synced_commits_and_is_a_transaction_of_its_own(store: Store) -> None:
    one = backend(store)
    tx = one.begin(synced=True)
    put(one, "checkpoint", "a", 1, NOTE, tx=tx)
    one.append("s", "w", [b"x"], tx=tx)
    with pytest.raises(TransactionConflict, match="on disk when the call returns"):
        one.begin(tx, synced=True)
    inner = one.begin(tx)
    put(one, "checkpoint", "a", 2, NOTE, tx=inner)
    one.rollback(inner)
    one.commit(tx)
    assert [number for number, _ in one.fetch("notes_forward", "checkpoint", "a", 0, 9)] == [1]
    tx = one.begin(synced=True)
    put(one, "checkpoint", "a", 3, NOTE, tx=tx)
    one.rollback(tx)
    assert one.fetch("newest_note", "checkpoint", "a") == [(1, NOTE)]
    store.log("s", "w").append(b"y")
    assert store.verify().holds


def test_of_a_store_that_is_closed_or_takes_no_writes(place: Place) -> None:
    store = place.open()
    put(backend(store), "checkpoint", "a", 1, NOTE)
    store.close()
    with pytest.raises(StoreClosed):
        backend(store).fetch("note", "checkpoint", "a", 1)
    with pytest.raises(StoreClosed):
        put(backend(store), "checkpoint", "a", 2, NOTE)
    if place.kind not in {"file", "postgres"}:
        return
    with place.open(read_only=True) as reading:
        assert backend(reading).fetch("note", "checkpoint", "a", 1) == [(NOTE,)]
        with pytest.raises(ReadOnlyStore):
            put(backend(reading), "checkpoint", "a", 2, NOTE)
        with pytest.raises(ReadOnlyStore):
            backend(reading).begin(synced=True)


SETTINGS = ("synchronous", "secure_delete", "fullfsync")


def settings(connection: sqlite3.Connection) -> list[int]:
    return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in SETTINGS]


@pytest.fixture
def lent(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "lent.db", isolation_level=None)
    yield connection
    connection.close()


@pytest.mark.parametrize("how", ["commit", "rollback", "ended by the caller"])
def test_a_lent_connection_is_as_it_was_afterwards(lent: sqlite3.Connection, how: str) -> None:
    for name, value in zip(SETTINGS, ("OFF", "FAST", "OFF"), strict=True):
        lent.execute(f"PRAGMA {name} = {value}").close()
    before = settings(lent)
    one = backend(agent_store.open(lent))
    tx = one.begin(synced=True)
    assert settings(lent) == [2, 1, 1]
    put(one, "checkpoint", "a", 1, NOTE, tx=tx)
    if how == "commit":
        one.commit(tx)
    elif how == "rollback":
        one.rollback(tx)
    else:
        lent.execute("ROLLBACK").close()
        with pytest.raises(TransactionConflict):
            one.commit(tx)
    assert settings(lent) == before == [0, 2, 0]
    assert len(one.fetch("note", "checkpoint", "a", 1)) == (how == "commit")
    lent.execute("PRAGMA synchronous = 3").close()
    tx = one.begin(synced=True)
    assert settings(lent)[0] == 3
    one.rollback(tx)


def test_what_is_removed_in_it_is_written_over(lent: sqlite3.Connection) -> None:
    one = backend(agent_store.open(lent))
    lent.execute("PRAGMA secure_delete = 0").close()
    lent.execute("CREATE TABLE mine (x)").close()
    lent.execute("INSERT INTO mine VALUES (?)", [b"a secret that is to go " * 9]).close()
    tx = one.begin(synced=True)
    lent.execute("DELETE FROM mine").close()
    one.commit(tx)
    assert b"a secret that is to go" not in lent.serialize()


def test_not_in_a_transaction_that_the_caller_ends(lent: sqlite3.Connection) -> None:
    one = backend(agent_store.open(lent))
    lent.execute("BEGIN").close()
    with pytest.raises(TransactionConflict, match="autocommit"):
        one.begin(synced=True)
    lent.execute("COMMIT").close()
    lent.isolation_level = "DEFERRED"
    with pytest.raises(TransactionConflict, match="autocommit"):
        one.begin(synced=True)
    assert not lent.in_transaction


@pytest.mark.parametrize("server_says", ["off", "on", "remote_apply"])
def test_a_server_waits_for_the_disk(postgres: str, server_says: str) -> None:
    place = Schema("postgres", postgres)
    place.run(f"CREATE SCHEMA {place.own}")
    asked = "SELECT current_setting('synchronous_commit')"
    wanted = "on" if server_says == "off" else server_says
    url = url_of(place.server, options=f"-csynchronous_commit={server_says}", schema=place.name)
    try:
        with agent_store.open(url, durability="normal") as store:
            one = backend(store)
            for synced, said in ((True, wanted), (False, "off"), (True, wanted)):
                tx = one.begin(synced=synced)
                assert one.query(asked, (), tx) == [(said,)]
                one.commit(tx)
        with psycopg.connect(place.server, autocommit=True) as connection:
            connection.execute(f"SET synchronous_commit = {server_says}")
            one = backend(agent_store.open(connection, schema=place.name))
            tx = one.begin(synced=True)
            assert one.query(asked, (), tx) == [(wanted,)]
            one.commit(tx)
            assert one.query(asked, ()) == [(server_says,)]
            with connection.transaction(), pytest.raises(TransactionConflict, match="autocommit"):
                one.begin(synced=True)
            connection.autocommit = False
            with pytest.raises(TransactionConflict, match="autocommit"):
                one.begin(synced=True)
    finally:
        place.run(f"DROP SCHEMA IF EXISTS {place.name}, {place.own} CASCADE")
