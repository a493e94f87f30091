"""The one change of an entry that passes, whoever makes it: a payload to an empty one, once its erasure is recorded."""

import pytest

from agent_store import Store
from agent_store.errors import BackendError, StoreError
from sealing import KEY
from stores import Place

NOTE = "agent-store/erasure/v1\norigin\n2\n5\nhash\n\n\n— origin x\n"


@pytest.fixture
def recorded(place: Place, store: Store) -> Store:
    """Of three entries, the erasure of the second is recorded, and no more."""
    store.append_many([("s", "w", b"first"), ("s", "w", b"later"), ("s", "v", b"third")])
    store.execute(place.sql("INSERT INTO _agent_store_erasures (position, payload_len, note) VALUES (2, 5, ?)"), [NOTE])
    return store


def empty(place: Place) -> str:
    return "''::bytea" if place.kind in {"postgres", "psycopg"} else "x''"


def bytes_of(place: Place, text: str) -> str:
    return f"'{text}'::bytea" if place.kind in {"postgres", "psycopg"} else f"CAST('{text}' AS BLOB)"


def refused(store: Store, sql: str) -> None:
    before = [entry.payload for entry in store.entries()]
    with pytest.raises(StoreError, match="agent-store: "):
        store.execute(sql)
    assert [entry.payload for entry in store.entries()] == before


def test_with_its_record_it_passes_and_once(place: Place, recorded: Store) -> None:
    erase = place.sql(f"UPDATE _agent_store_entries SET payload = {empty(place)} WHERE position = 2")
    assert recorded.execute(erase) == 1
    assert [entry.erased for entry in recorded.entries()] == [False, True, False]
    refused_ = place.sql(f"UPDATE _agent_store_entries SET payload = {bytes_of(place, 'later')} WHERE position = 2")
    with pytest.raises(BackendError, match="an entry is never changed"):
        recorded.execute(refused_)
    verdict = recorded.verify()
    assert verdict.holds, verdict
    assert verdict.erased == 1


@pytest.mark.parametrize(
    "change",
    [
        "payload = {empty} WHERE position = 1",
        "payload = {empty}",
        "payload = {other} WHERE position = 2",
        "payload = {empty}, seq = 7 WHERE position = 2",
        "payload = {empty}, log = 2 WHERE position = 2",
        "payload = {empty}, position = 9 WHERE position = 2",
        "payload = {empty}, content_hash = (SELECT min(content_hash) FROM _agent_store_entries) WHERE position = 3",
        "content_hash = content_hash WHERE position = 2",
    ],
)
def test_nothing_else_does(place: Place, recorded: Store, change: str) -> None:
    if "min(" in change and place.kind in {"postgres", "psycopg"}:
        change = change.replace("min(content_hash)", "content_hash").replace("_entries)", "_entries LIMIT 1)")
    change = change.format(empty=empty(place), other=bytes_of(place, "other"))
    refused(recorded, place.sql(f"UPDATE _agent_store_entries SET {change}"))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("2, 5", "never replaced|duplicate key"),
        ("1, 4", "how long its payload was"),
        ("1, 0", "how long its payload was"),
        ("9, 5", "how long its payload was"),
    ],
)
@pytest.mark.parametrize("conflict", ["", " OR REPLACE", " OR IGNORE"])
def test_a_record_is_of_an_entry_and_its_length(
    place: Place, recorded: Store, values: str, said: str, conflict: str
) -> None:
    if conflict and place.kind in {"postgres", "psycopg"}:
        return
    sql = f"INSERT{conflict} INTO _agent_store_erasures (position, payload_len, note) VALUES ({values}, 'x')"
    with pytest.raises(StoreError, match=said):
        recorded.execute(place.sql(sql))


@pytest.mark.parametrize("sql", ["UPDATE _agent_store_erasures SET note = note", "DELETE FROM _agent_store_erasures"])
def test_a_record_stays_as_it_is(place: Place, recorded: Store, sql: str) -> None:
    with pytest.raises(BackendError, match="agent-store: the record of an erasure is never"):
        recorded.execute(place.sql(sql))


@pytest.mark.differs("of SQLite")
def test_the_view_shows_it_as_empty_and_goes_on_refusing(store: Store) -> None:
    store.append_many([("s", "w", b"first"), ("s", "w", b"later")])
    store.checkpoint(KEY)
    store.erase(1, KEY)
    assert store.query("SELECT seq, payload FROM _agent_store_log") == [(1, b""), (2, b"later")]
    with pytest.raises(BackendError, match="an entry is never changed"):
        store.execute("UPDATE _agent_store_log SET payload = x'' WHERE seq = 2")
    [(first,)] = store.query("SELECT content_hash FROM _agent_store_log WHERE seq = 2")
    store.execute("INSERT INTO _agent_store_log VALUES ('s', 'w', 3, ?, ?, x'00')", [first, bytes(32)])
    assert [entry.erased for entry in store.entries()] == [True, False, False]
