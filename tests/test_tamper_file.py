"""Damage below the rows: odd values, indexes that disagree, garbage, a file that is no store; and none at all."""

import struct
from pathlib import Path

import pytest

import agent_store
from agent_store import Verdict
from agent_store.errors import ChainBroken, CorruptDatabase, MalformedRow, StoreError, UnsupportedFormat
from tampering import BOB_SEVENTH, ENTRIES, LOGS, LOOSE, build, damage, garbage, payload, position, shorten
from verdicts import intact

pytestmark = pytest.mark.timeout(20)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    build(tmp_path / "app.db")
    return tmp_path / "app.db"


def verify(path: Path) -> Verdict:
    with agent_store.open(path, read_only=True) as store:
        return store.verify()


def kinds(verdict: Verdict) -> list[str]:
    return [found.kind for found in verdict.breaks]


@pytest.mark.parametrize("column", ["log", "seq"])
@pytest.mark.parametrize("value", ["'text'", "6.5", "x'00'", "NULL", "9e99"])
def test_a_value_of_another_type_is_malformed_and_never_raised(path: Path, column: str, value: str) -> None:
    damage(path, f"UPDATE _agent_store_entries SET {column} = {value} {BOB_SEVENTH}", loose=LOOSE)
    with agent_store.open(path, read_only=True) as store:
        verdict = store.verify()
        assert ("malformed", 20) in [(found.kind, found.position) for found in verdict.breaks]
        assert ("gap", "room", "bob", 7) in [(b.kind, b.stream, b.writer, b.seq) for b in verdict.breaks]
        with pytest.raises((ChainBroken, MalformedRow)):
            store.log("room", "bob").verify()
        store.log("room", "ada").verify()


@pytest.mark.parametrize("column", ["stream", "writer"])
@pytest.mark.parametrize("value", ["5", "x'00'", "NULL", "CAST(x'ff' AS TEXT)"])
def test_a_name_of_another_type_is_malformed(path: Path, column: str, value: str) -> None:
    bare = "CREATE TABLE _agent_store_logs (id INTEGER PRIMARY KEY, stream, writer, UNIQUE (stream, writer))"
    damage(path, f"UPDATE _agent_store_logs SET {column} = {value} WHERE id = 2", loose=bare)
    assert kinds(verify(path)) == ["malformed"]


def test_rows_that_their_index_lacks(path: Path) -> None:
    damage(path, f"CREATE TABLE kept AS SELECT * FROM _agent_store_entries {BOB_SEVENTH}")
    damage(path, f"DELETE FROM _agent_store_entries {BOB_SEVENTH}")
    damage(path, "INSERT INTO _agent_store_entries SELECT * FROM kept; DROP TABLE kept", detach="_agent_store_entries")
    with agent_store.open(path, read_only=True) as store:
        assert kinds(store.verify()) == ["index"]
        with pytest.raises(ChainBroken) as raised:
            store.log("room", "bob").verify()
    assert raised.value.seq == 7


def test_rows_that_only_their_index_has(path: Path) -> None:
    damage(path, f"DELETE FROM _agent_store_entries {BOB_SEVENTH}", detach="_agent_store_entries")
    with agent_store.open(path, read_only=True) as store:
        verdict = store.verify()
        assert kinds(verdict)[0] == "index"
        assert set(kinds(verdict)) <= {"index", "gap"}
        assert position(2, 7) in [found.position for found in verdict.breaks if found.kind == "gap"]
        with pytest.raises((ChainBroken, CorruptDatabase)):
            store.log("room", "bob").verify()


def test_an_index_with_another_seq(path: Path) -> None:
    damage(path, f"UPDATE _agent_store_entries SET seq = 70 {BOB_SEVENTH}", detach="_agent_store_entries")
    verdict = verify(path)
    assert kinds(verdict)[0] == "index"
    assert position(2, 7) in [found.position for found in verdict.breaks]


def test_an_index_in_another_order(path: Path) -> None:
    """It has every row of its table, and who looks for one goes astray."""
    root = "(SELECT rootpage FROM sqlite_schema WHERE name = 'other')"
    damage(
        path,
        f"""CREATE INDEX other ON _agent_store_entries (log, seq DESC);
        UPDATE sqlite_schema SET rootpage = {root} WHERE name = 'sqlite_autoindex__agent_store_entries_1';
        DELETE FROM sqlite_schema WHERE name = 'other'""",
    )
    verdict = verify(path)
    assert [(found.kind, found.stream) for found in verdict.breaks] == [("index", None)]
    assert "out of order" in verdict.breaks[0].detail
    assert (verdict.logs, verdict.entries_hold, verdict.broken_logs) == (len(LOGS), 60, 0)


def test_the_newest_entry_of_a_log_missing_at_the_end_of_a_range(tmp_path: Path) -> None:
    """Where there are several cores, the first has looked through the positions up to this one."""
    end, path = 4_097, tmp_path / "app.db"
    with agent_store.open(path, durability="normal") as store:
        store.append_many([("s", "x" if n in {end - 1, end} else "w", b"%d" % n) for n in range(1, 10_001)])
    damage(path, f"DELETE FROM _agent_store_entries WHERE position = {end}")
    assert [(found.kind, found.position, found.seq) for found in verify(path).breaks] == [("gap", end, None)]


def test_a_hole_is_explained_by_the_gaps_inside_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with agent_store.open(path) as store:
        store.append_many([("s", writer, b"x") for writer in ("a", "b", "a", "b", "a")])
    damage(path, "DELETE FROM _agent_store_entries WHERE position IN (3, 4)")
    found = [(found.writer, found.seq, found.position) for found in verify(path).breaks]
    assert found == [(None, None, 4), ("a", 2, 5)]


def test_a_page_of_garbage_costs_the_positions_on_it(path: Path) -> None:
    lost = garbage(path, holding=payload(2, 7))
    assert 1 < lost[0] <= position(2, 7) <= lost[-1] < 60
    with agent_store.open(path, read_only=True) as store:
        verdict = store.verify()
        assert kinds(verdict) == ["corrupt"]
        found = verdict.breaks[0]
        assert (found.stream, found.writer, found.seq, found.position) == (None, None, None, lost[0])
        assert f"positions {lost[0]} to {lost[-1]} " in found.detail
        assert verdict.entries == 60 - len(lost)
        assert 60 - len(lost) - len(LOGS) <= verdict.entries_hold < 60
        with pytest.raises(CorruptDatabase):
            store.log("room", "bob").verify()
        with pytest.raises(CorruptDatabase):
            verdict.raise_if_broken()


def test_the_newest_page_of_garbage(path: Path) -> None:
    lost = garbage(path, holding=payload(3, ENTRIES))
    verdict = verify(path)
    assert "corrupt" in kinds(verdict)
    assert lost[0] in [found.position for found in verdict.breaks]


@pytest.mark.parametrize("root", ["_agent_store_entries", "_agent_store_logs"])
@pytest.mark.parametrize("what", ["{}", "sqlite_autoindex_{}_1"])
def test_a_root_page_of_garbage_is_a_finding(path: Path, root: str, what: str) -> None:
    garbage(path, root=what.format(root))
    verdict = verify(path)
    assert "corrupt" in kinds(verdict)
    assert set(kinds(verdict)) <= {"corrupt", "index", "gap", "orphan"}


@pytest.mark.parametrize("root", ["_agent_store_meta", "sqlite_autoindex__agent_store_meta_1"])
def test_no_format_can_be_read(path: Path, root: str) -> None:
    garbage(path, root=root)
    with pytest.raises(CorruptDatabase):
        agent_store.open(path)


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("keep", [0.9, 0.5, 0.1, 0.01])
def test_a_file_cut_short(path: Path, keep: float, read_only: bool) -> None:
    shorten(path, keep)
    try:
        store = agent_store.open(path, read_only=read_only)
    except CorruptDatabase:
        return
    with store:
        verdict = store.verify()
    assert "corrupt" in kinds(verdict)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_header_of_garbage(path: Path, read_only: bool) -> None:
    garbage(path, holding=b"SQLite format 3")
    with pytest.raises(CorruptDatabase):
        agent_store.open(path, read_only=read_only)


TO_ENTRIES = "PRAGMA legacy_alter_table = ON; ALTER TABLE _agent_store_entries RENAME TO elsewhere;"


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("DELETE FROM _agent_store_meta WHERE key = '_agent_store.format'", CorruptDatabase),
        ("UPDATE _agent_store_meta SET ival = 'x' WHERE key = '_agent_store.format'", CorruptDatabase),
        ("UPDATE _agent_store_meta SET ival = 0 WHERE key = '_agent_store.format'", CorruptDatabase),
        ("UPDATE _agent_store_meta SET ival = 2 WHERE key = '_agent_store.format'", UnsupportedFormat),
        ("DROP TABLE _agent_store_meta", CorruptDatabase),
        ("DROP TABLE _agent_store_entries", CorruptDatabase),
        ("DROP TABLE _agent_store_logs", CorruptDatabase),
        (TO_ENTRIES + "CREATE VIEW _agent_store_entries AS SELECT * FROM elsewhere", CorruptDatabase),
        (
            "DROP TABLE _agent_store_entries; DROP TABLE _agent_store_logs; DROP TABLE _agent_store_meta",
            CorruptDatabase,
        ),
    ],
)
def test_a_file_that_is_no_store(path: Path, sql: str, error: type[StoreError], read_only: bool) -> None:
    damage(path, sql, guards="DROP" not in sql and "VIEW" not in sql)
    with pytest.raises(error):
        agent_store.open(path, read_only=read_only)


@pytest.mark.parametrize("logs", [0, 1, 2, 3_000])
def test_a_clean_store_is_never_accused(tmp_path: Path, logs: int) -> None:
    with agent_store.open(tmp_path / "app.db", durability="normal") as store:
        store.append_many([("s", f"w{log}", bytes([turn]) * log) for turn in range(3) for log in range(logs)])
        verdict = store.verify()
        assert verdict == intact(3 * logs, logs)
    assert verify(tmp_path / "app.db") == verdict


def test_the_child_leaves_no_trace_of_its_own(path: Path) -> None:
    damage(path)
    damage(path, loose=LOOSE)
    for table in ("_agent_store_entries", "_agent_store_logs", "_agent_store_meta"):
        damage(path, detach=table)
    damage(path, "CREATE TABLE notes (x); CREATE TRIGGER t AFTER INSERT ON notes BEGIN SELECT 1; END; VACUUM")
    assert verify(path).holds


def test_large_and_empty_payloads_hold(tmp_path: Path) -> None:
    with agent_store.open(tmp_path / "app.db", durability="normal") as store:
        store.log("s", "w").append_many([b"", b"x" * 10_000_000, b"", *(b"y" * 100_000 for _ in range(50))])
        assert store.verify() == intact(53, 1)
        assert store.log("s", "w").verify() == store.heads()[0]


def test_all_entries_of_a_log_deleted(path: Path) -> None:
    damage(path, "DELETE FROM _agent_store_entries WHERE log = 2")
    with agent_store.open(path, read_only=True) as store:
        first = store.verify().breaks[0]
        assert (first.kind, first.stream, first.writer, first.seq) == ("gap", "room", "bob", 1)
        with pytest.raises(ChainBroken) as raised:
            store.log("room", "bob").verify()
    assert (raised.value.stream, raised.value.writer, raised.value.seq) == ("room", "bob", 1)


@pytest.mark.parametrize("logs", [1, 7])
def test_a_hundred_thousand_rows_on_all_cores(tmp_path: Path, logs: int) -> None:
    path = tmp_path / "app.db"
    with agent_store.open(path, durability="normal") as store:
        store.append_many([("s", f"w{n % logs}", b"%d" % n) for n in range(100_000)])
        assert store.verify() == intact(100_000, logs)
    altered, missing = 33_333, 77_777
    damage(path, f"UPDATE _agent_store_entries SET payload = x'00' WHERE position = {altered}")
    damage(path, f"DELETE FROM _agent_store_entries WHERE position = {missing}")
    expected = [
        ("hash", "s", f"w{(altered - 1) % logs}", (altered - 1) // logs + 1),
        ("gap", "s", f"w{(missing - 1) % logs}", (missing - 1) // logs + 1),
    ]
    with agent_store.open(path) as store:
        verdict = store.verify()
        assert [(b.kind, b.stream, b.writer, b.seq) for b in verdict.breaks] == expected
        assert (verdict.entries, verdict.entries_hold, verdict.breaks_total) == (99_999, 99_997, 2)
        assert verdict.breaks[0].position == altered
        for _, stream, writer, seq in expected[: 2 if logs > 1 else 1]:
            assert writer is not None
            with pytest.raises(ChainBroken) as raised:
                store.log(stream, writer).verify()
            assert raised.value.seq == seq


def test_an_index_that_jumps(tmp_path: Path) -> None:
    """Its entry of one seq was overwritten with that of a later one, which a reading in its order goes on from."""
    path = tmp_path / "app.db"
    with agent_store.open(path, durability="normal") as store:
        store.append_many([("s", f"w{n % 3}", b"%d" % n) for n in range(3 * 9_100)])
    damage(path, "UPDATE _agent_store_entries SET payload = x'00' WHERE log = 1 AND seq = 4097")
    # A record of four columns' types (its own length, log 1, two numbers of two bytes) and those numbers.
    indexed = {seq: struct.pack(">4B2H", 4, 9, 2, 2, seq, 3 * seq - 2) for seq in (4_096, 9_000)}
    content = path.read_bytes()
    assert [content.count(record) for record in indexed.values()] == [1, 1]
    path.write_bytes(content.replace(indexed[4_096], indexed[9_000]))
    with agent_store.open(path, read_only=True) as store:
        assert kinds(store.verify()) == ["index", "hash"]
        with pytest.raises(ChainBroken):
            store.log("s", "w0").verify()
        store.log("s", "w1").verify()


def test_an_index_that_lacks_an_entry_of_the_only_log(tmp_path: Path) -> None:
    """The log is read in the order of the table, which has them all."""
    path = tmp_path / "app.db"
    with agent_store.open(path, durability="normal") as store:
        store.log("s", "w").append_many([b"x"] * 100)
    damage(path, "CREATE TABLE kept AS SELECT * FROM _agent_store_entries WHERE seq = 7")
    damage(path, "DELETE FROM _agent_store_entries WHERE seq = 7")
    damage(path, "INSERT INTO _agent_store_entries SELECT * FROM kept; DROP TABLE kept", detach="_agent_store_entries")
    with agent_store.open(path, read_only=True) as store:
        assert kinds(store.verify()) == ["index"]
        with pytest.raises(ChainBroken) as raised:
            store.log("s", "w").verify()
    assert raised.value.seq == 7
