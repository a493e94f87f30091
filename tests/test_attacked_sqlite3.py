"""What a caller, or whoever made his schema, does to the store on his sqlite3 connection."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

import agent_store
from agent_store.errors import BackendError, TransactionConflict


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(tmp_path / "app.db", isolation_level=None)
    yield made
    made.close()


def test_a_trigger_that_leaves_entries_out_is_told_of(connection: sqlite3.Connection) -> None:
    store = agent_store.open(connection)
    log = store.log("s", "w")
    log.append(b"0")
    connection.execute("CREATE TRIGGER no BEFORE INSERT ON _agent_store_entries BEGIN SELECT RAISE(IGNORE); END")
    for count in (1, 20):
        with pytest.raises(BackendError, match=f"0 of {count} entries were written"):
            log.append_many([b"x"] * count)
    with pytest.raises(BackendError, match="0 of 2 entries were written"):
        store.append_many([("s", "w", b"x"), ("s", "v", b"x")])
    assert not connection.in_transaction
    assert [head.writer for head in store.heads()] == ["w"]


def test_what_a_commit_inside_a_block_keeps_is_said(connection: sqlite3.Connection) -> None:
    store = agent_store.open(connection)
    block = store.transaction()
    block.__enter__()
    store.log("s", "w").append(b"kept")
    connection.execute("COMMIT")
    with pytest.raises(TransactionConflict, match="before a COMMIT is kept"):
        block.__exit__(None, None, None)
    assert store.position() == 1
