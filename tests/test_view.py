"""What other programs may do through the view `_agent_store_log`, and what is refused, whatever the conflict clause."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import agent_store
import crate
from agent_store import Entry
from blake3_rule import chain

COLUMNS = "_agent_store_log (stream, writer, seq, prev_hash, content_hash, payload)"
CLAUSES = ("", "OR ABORT", "OR FAIL", "OR IGNORE", "OR REPLACE", "OR ROLLBACK")
PAYLOADS = (b"one", b"two", b"three")
HASHES = chain([*PAYLOADS, b"four"])
HEAD, NEXT, ANY = HASHES[2], HASHES[3], b"\xa5" * 32
LONG = "w" * 65_401

FORGED: dict[str, tuple[object, ...]] = {
    "seq of the head again": ("s", "w", 3, HEAD, NEXT, b"four"),
    "seq of the head again, as it is": ("s", "w", 3, HASHES[1], HEAD, b"three"),
    "seq of the first again": ("s", "w", 1, None, HASHES[0], b"one"),
    "seq left out": ("s", "w", 5, HEAD, NEXT, b"four"),
    "seq zero": ("s", "w", 0, HEAD, NEXT, b"four"),
    "seq negative": ("s", "w", -4, HEAD, NEXT, b"four"),
    "seq the largest": ("s", "w", 2**63 - 1, HEAD, NEXT, b"four"),
    "seq NULL": ("s", "w", None, HEAD, NEXT, b"four"),
    "seq a real": ("s", "w", 4.0, HEAD, NEXT, b"four"),
    "seq a text": ("s", "w", "4", HEAD, NEXT, b"four"),
    "seq a blob": ("s", "w", b"4", HEAD, NEXT, b"four"),
    "prev_hash another": ("s", "w", 4, ANY, NEXT, b"four"),
    "prev_hash that of the entry before": ("s", "w", 4, HASHES[1], NEXT, b"four"),
    "prev_hash NULL": ("s", "w", 4, None, NEXT, b"four"),
    "prev_hash cut": ("s", "w", 4, HEAD[:31], NEXT, b"four"),
    "prev_hash a text": ("s", "w", 4, HEAD.hex(), NEXT, b"four"),
    "content_hash cut": ("s", "w", 4, HEAD, NEXT[:31], b"four"),
    "content_hash too long": ("s", "w", 4, HEAD, NEXT + b"0", b"four"),
    "content_hash empty": ("s", "w", 4, HEAD, b"", b"four"),
    "content_hash a text": ("s", "w", 4, HEAD, "0" * 32, b"four"),
    "content_hash NULL": ("s", "w", 4, HEAD, None, b"four"),
    "payload a text": ("s", "w", 4, HEAD, NEXT, "four"),
    "payload a number": ("s", "w", 4, HEAD, NEXT, 4),
    "payload NULL": ("s", "w", 4, HEAD, NEXT, None),
    "stream a blob": (b"s", "w", 1, None, ANY, b""),
    "stream NULL": (None, "w", 1, None, ANY, b""),
    "writer a number": ("s", 1, 1, None, ANY, b""),
    "names too long": ("", LONG, 1, None, ANY, b""),
    "first entry with seq 2": ("s", "new", 2, None, ANY, b""),
    "first entry with a prev_hash": ("s", "new", 1, ANY, ANY, b""),
}
REFUSED = {
    "UPDATE {} _agent_store_log SET payload = x'00' WHERE seq = 2": "never changed",
    "UPDATE {} _agent_store_log SET seq = seq": "never changed",
    "UPDATE {} _agent_store_log SET stream = 't'": "never changed",
    "UPDATE {} _agent_store_entries SET payload = x'00' WHERE seq = 2": "never changed",
    "UPDATE {} _agent_store_logs SET writer = 'x'": "never renamed",
    "INSERT {} INTO _agent_store_logs (id, stream, writer) VALUES (1, 'x', 'y')": "never replaced",
    "INSERT {} INTO _agent_store_logs (id, stream, writer) VALUES (9, 's', 'w')": "never replaced",
    "INSERT {} INTO _agent_store_log SELECT * FROM _agent_store_log": "seq must be one more",
    "UPDATE {} _agent_store_meta SET ival = 6 WHERE key = 'g'": "only rises",
    "UPDATE {} _agent_store_meta SET ival = 7.5 WHERE key = 'g'": "only rises",
    "UPDATE {} _agent_store_meta SET ival = 'x' WHERE key = 'g'": "only rises",
    "UPDATE {} _agent_store_meta SET key = 'h' WHERE key = 'g'": "keeps its key",
    "UPDATE {} _agent_store_meta SET ival = 2 WHERE key = '_agent_store.format'": "only rises",
    "INSERT {} INTO _agent_store_meta (key, ival) VALUES ('_agent_store.mine', 1)": "key outside",
    "INSERT {} INTO _agent_store_meta (key, ival) VALUES ('n', -1)": "integer from 0",
    "INSERT {} INTO _agent_store_meta (key, ival) VALUES (NULL, 1)": "key outside",
}
REMOVED = ("_agent_store_log", "_agent_store_entries", "_agent_store_logs", "_agent_store_meta")

Everything = tuple[list[Entry], list[tuple[object, ...]], list[tuple[object, ...]]]


@pytest.fixture
def store(path: Path) -> Iterator[agent_store.Store]:
    with agent_store.open(path, durability="normal") as opened:
        opened.log("s", "w").append_many(PAYLOADS)
        opened.generation("g").set(7)
        yield opened


@pytest.fixture(params=["crate", "python"])
def session(request: pytest.FixtureRequest, store: agent_store.Store, path: Path) -> Iterator[crate.Session]:
    with crate.Session(request.param, path) as session:
        yield session


def everything(store: agent_store.Store) -> Everything:
    assert store.verify().holds
    meta, logs = store.query("SELECT * FROM _agent_store_meta"), store.query("SELECT * FROM _agent_store_logs")
    return list(store.entries()), meta, logs


def insert(clause: str, rows: int = 1) -> str:
    return f"INSERT {clause} INTO {COLUMNS} VALUES {', '.join(['(?, ?, ?, ?, ?, ?)'] * rows)}"


@pytest.mark.parametrize("clause", CLAUSES)
def test_what_extends_the_head_is_taken(store: agent_store.Store, session: crate.Session, clause: str) -> None:
    assert "error" not in session.ask(insert(clause), ["s", "w", 4, HEAD, NEXT, b"four"])
    assert "error" not in session.ask(insert(clause), ["s", "new", 1, None, HASHES[0], b"one"])
    assert "error" not in session.ask(
        f"INSERT {clause} INTO _agent_store_meta (key, ival) VALUES ('new', 1)",
    )
    assert store.verify().entries_hold == 5
    assert store.log("s", "w").head() == Entry("s", "w", 4, HEAD, NEXT, b"four", 4)
    assert store.log("s", "new").append(b"two").content_hash == HASHES[1]
    assert store.generation("new").bump() == 2


@pytest.mark.parametrize("clause", CLAUSES)
def test_a_forged_entry_is_refused(store: agent_store.Store, session: crate.Session, clause: str) -> None:
    before = everything(store)
    for what, row in FORGED.items():
        assert "agent-store: " in session.ask(insert(clause), row).get("error", ""), what
        assert everything(store) == before, what
        # Nor may it take along, or leave behind, what the same statement did before it came to this row.
        both = session.ask(insert(clause, 2), ["s", "w", 4, HEAD, NEXT, b"four", *row])
        assert "agent-store: " in both.get("error", ""), what
        assert everything(store) == before, what


@pytest.mark.parametrize("clause", CLAUSES)
def test_what_is_there_stays(store: agent_store.Store, session: crate.Session, clause: str) -> None:
    before = everything(store)
    for sql, why in REFUSED.items():
        assert why in session.ask(sql.format(clause)).get("error", ""), sql
        assert everything(store) == before, sql
    for table in REMOVED:
        assert "never removed" in session.ask(f"DELETE FROM {table}").get("error", ""), table
        assert everything(store) == before, table


@pytest.mark.parametrize("clause", CLAUSES)
def test_a_refusal_inside_a_transaction_takes_only_its_statement(
    store: agent_store.Store, session: crate.Session, clause: str
) -> None:
    session.ask("BEGIN IMMEDIATE")
    assert "error" not in session.ask(insert(clause), ["s", "w", 4, HEAD, NEXT, b"four"])
    assert "prev_hash must be" in session.ask(insert(clause), ["s", "w", 5, HEAD, NEXT, b"five"])["error"]
    assert "error" not in session.ask("COMMIT")
    assert [entry.payload for entry in store.log("s", "w").entries()] == [*PAYLOADS, b"four"]
    assert store.verify().holds
