"""What any program's SQL writes through the view `_agent_store_log` extends the head of a log or is refused."""

import pytest

from agent_store import Entry, Store
from agent_store.errors import BackendError
from model import Model

pytestmark = pytest.mark.differs("of SQLite")
COLUMNS = ("stream", "writer", "seq", "prev_hash", "content_hash", "payload")
FORGED: dict[str, list[object]] = {
    "seq": [0, 1, 2, 4, -3, None, "3", 3.5, 2**63 - 1],
    "prev_hash": [None, bytes(32), b"", bytes(31), "text"],
    "content_hash": [None, bytes(31), bytes(33), b"", "t" * 32, 5],
    "payload": [None, "text", 5],
    "stream": [None, b"s", 5, "s" * 65_400, "another"],
    "writer": [None, b"w", 5, "w" * 65_400, "another"],
}


def insert(store: Store, entry: Entry, conflict: str, **forged: object) -> None:
    row: dict[str, object] = {name: getattr(entry, name) for name in COLUMNS} | forged
    columns = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    store.execute(f"INSERT {conflict} INTO _agent_store_log ({columns}) VALUES ({values})", row)


@pytest.mark.parametrize("conflict", ["", "OR REPLACE", "OR IGNORE", "OR FAIL", "OR ABORT", "OR ROLLBACK"])
def test_only_what_extends_the_head_goes_in(store: Store, conflict: str) -> None:
    model = Model()
    model.append_all([("s", "w", b"1"), ("s", "w", b"2"), ("other", "w", b"3")])
    store.append_many((entry.stream, entry.writer, entry.payload) for entry in model.now.entries)
    before = list(model.now.entries)
    entry = model.append("s", "w", b"next")
    for column, values in FORGED.items():
        for value in values:
            with pytest.raises(BackendError, match="agent-store: "):
                insert(store, entry, conflict, **{column: value})
            assert list(store.entries()) == before, (column, value)
    insert(store, entry, conflict)
    with pytest.raises(BackendError, match="seq must be"):
        insert(store, entry, conflict)
    first = model.append("s", "new", b"first of its log")
    insert(store, first, conflict)
    assert store.log("s", "w").append(b"native", expected=entry) == model.append("s", "w", b"native")
    assert list(store.entries()) == model.now.entries
    assert store.verify().holds


@pytest.mark.parametrize("conflict", ["", "OR REPLACE", "OR IGNORE", "OR FAIL"])
def test_nothing_is_changed_or_removed_through_it(store: Store, conflict: str) -> None:
    entry = store.log("s", "w").append(b"x")
    for sql in (f"UPDATE {conflict} _agent_store_log SET payload = x''", "DELETE FROM _agent_store_log"):
        with pytest.raises(BackendError, match="never"):
            store.execute(sql)
    assert list(store.entries()) == [entry]


ROW = {"position": 2, "log": 1, "seq": 2, "content_hash": bytes(32), "payload": b"x"}
UNFIT: dict[str, list[object]] = {
    "position": [0, -1],
    "log": [0, -1, None, "text"],
    "seq": [0, -1, None, "text", 2.5],
    "content_hash": [bytes(31), bytes(33), b"", "t" * 32, None],
    "payload": ["text", 5, None],
}


def test_tables_refuse_rows_that_no_store_has(store: Store) -> None:
    """Whoever writes past the view is bound by what the tables say, and leaves nothing there that cannot be read."""
    entry = store.log("s", "w").append(b"x")
    add = "INSERT INTO _agent_store_entries VALUES (:position, :log, :seq, :content_hash, :payload)"
    for column, values in UNFIT.items():
        for value in values:
            with pytest.raises(BackendError, match=r"CHECK|NOT NULL|cannot store"):
                store.execute(add, ROW | {column: value})
    for unfit in ("0, 't', 'v'", "9, NULL, 'v'", "9, 't', x'00'"):
        with pytest.raises(BackendError, match=r"CHECK|NOT NULL|cannot store"):
            store.execute(f"INSERT INTO _agent_store_logs VALUES ({unfit})")
    assert list(store.entries()) == [entry]
    assert store.verify().holds
