"""Tables of another make than ours: a finding, whatever statement of ours does not fit them."""

from pathlib import Path

import pytest

import agent_store
from agent_store import Verdict
from agent_store.errors import ChainBroken
from tampering import build, damage


@pytest.fixture
def path(tmp_path: Path) -> Path:
    build(tmp_path / "app.db")
    return tmp_path / "app.db"


def kinds(verdict: Verdict) -> list[str]:
    return [found.kind for found in verdict.breaks]


ENTRIES_AS = "CREATE TABLE {} (position {} PRIMARY KEY, log INTEGER, seq INTEGER, content_hash BLOB, payload BLOB{});"
COPY = "INSERT INTO copy SELECT {} FROM _agent_store_entries; DROP VIEW _agent_store_log;"
RENAME = "DROP TABLE _agent_store_entries; ALTER TABLE copy RENAME TO _agent_store_entries;"


@pytest.mark.parametrize(
    "sql",
    [
        ENTRIES_AS.format("copy", "INTEGER", "") + COPY.format("*") + RENAME,
        "DROP VIEW _agent_store_log; ALTER TABLE _agent_store_entries RENAME COLUMN payload TO other",
        "DROP VIEW _agent_store_log; ALTER TABLE _agent_store_logs RENAME COLUMN stream TO other",
    ],
    ids=["no index", "another column", "another column of logs"],
)
def test_tables_that_no_statement_fits_are_a_finding(path: Path, sql: str) -> None:
    damage(path, sql, guards=False)
    with agent_store.open(path, read_only=True) as store:
        verdict = store.verify()
        assert set(kinds(verdict)) == {"schema"}
        with pytest.raises(ChainBroken):
            verdict.raise_if_broken()


@pytest.mark.timeout(10)
def test_positions_that_are_no_integers_come_to_an_end(tmp_path: Path) -> None:
    """More between two whole numbers than one read takes."""
    path = tmp_path / "app.db"
    with agent_store.open(path, durability="normal") as store:
        store.log("s", "w").append_many([b"x"] * 10_000)
    unique = ", UNIQUE (log, seq)"
    columns = "iif(position = 10000, position, 1 + position / 1e6), log, seq, content_hash, payload"
    copy = COPY.format(columns)
    damage(path, ENTRIES_AS.format("copy", "", unique) + copy + RENAME, guards=False)
    with agent_store.open(path, read_only=True) as store:
        assert "schema" in kinds(store.verify())
