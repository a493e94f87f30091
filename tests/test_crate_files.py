"""Files that the Rust crate 0.1.2 wrote: read as they are, brought to the present layout, or refused and left alone."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import agent_store
import crate
from agent_store.errors import ChainBroken, ReadOnlyStore, UnsupportedFormat
from crate import sql
from processes import run

DATA = Path(__file__).parent / "data"
FACTS: dict[str, Any] = json.loads((DATA / "crate-0.1.2.json").read_text())
HEADS = sorted((log["stream"], log["writer"], log["head_seq"], log["head_hash"]) for log in FACTS["logs"])


@pytest.fixture
def file(path: Path) -> Path:
    shutil.copy(DATA / "crate-0.1.2.db", path)
    return path


def digest(path: Path) -> str:
    """Of a file that nobody has open."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def heads(store: agent_store.Store) -> list[tuple[str, str, int, str]]:
    return [(head.stream, head.writer, head.seq, head.content_hash.hex()) for head in store.heads()]


def check(store: agent_store.Store) -> None:
    assert heads(store) == HEADS
    assert {key: store.generation(key).current() for key in FACTS["generations"]} == FACTS["generations"]
    verdict = store.verify()
    assert verdict.holds
    assert (verdict.entries, verdict.entries_hold, verdict.logs) == (120, 120, 6)
    for log in FACTS["logs"]:
        entries = list(store.log(log["stream"], log["writer"]).entries())
        assert [entry.seq for entry in entries] == list(range(1, log["head_seq"] + 1))
        assert sum(len(entry.payload) for entry in entries) == log["payload_bytes"]
    assert [entry.position for entry in store.entries()] == list(range(1, 121))


def test_read_only_reads_the_crates_layout_and_changes_nothing(file: Path) -> None:
    before = digest(file)
    with agent_store.open(file, read_only=True) as store:
        assert store.info()["layout"] == "crate"
        check(store)
        with pytest.raises(ReadOnlyStore):
            store.log("s", "w").append(b"x")
    assert digest(file) == before


def test_opening_to_write_brings_it_to_our_layout(file: Path) -> None:
    with agent_store.open(file, read_only=True) as store:
        old = list(store.entries())
    told: list[tuple[int, int]] = []
    with agent_store.open(file, progress=lambda done, total: told.append((done, total))) as store:
        assert store.info()["layout"] == "compact"
        check(store)
        assert list(store.entries()) == old
        log = store.log(HEADS[0][0], HEADS[0][1])
        assert log.append(b"on").seq == HEADS[0][2] + 1
        assert store.verify().holds
    assert told
    assert all(done <= total for done, total in told)


def test_a_reader_follows_the_upgrade(file: Path) -> None:
    with agent_store.open(file, read_only=True) as reader:
        assert len(list(reader.entries())) == 120
        with agent_store.open(file) as store:
            store.log("s", "w").append(b"x")
            assert len(list(reader.entries())) == 121
            assert reader.verify().holds
            assert reader.info()["layout"] == "compact"


def test_rows_out_of_seq_order_take_their_chains_places_in_seq_order(file: Path) -> None:
    sql(
        file,
        "CREATE TABLE t AS SELECT * FROM _agent_store_log ORDER BY seq DESC",
        "DELETE FROM _agent_store_log",
        "INSERT INTO _agent_store_log SELECT * FROM t ORDER BY rowid",
        "DROP TABLE t",
    )
    with agent_store.open(file, read_only=True) as store:
        old = list(store.entries())
        check(store)
    with agent_store.open(file) as store:
        assert list(store.entries()) == old
        check(store)


def test_a_broken_chain_is_named_and_the_file_left_alone(file: Path) -> None:
    stream, writer = HEADS[3][:2]
    sql(
        file,
        f"UPDATE _agent_store_log SET payload = x'00' WHERE stream = '{stream}' AND writer = '{writer}' AND seq = 5",
    )
    before = digest(file)
    with pytest.raises(ChainBroken) as broken:
        agent_store.open(file)
    assert (broken.value.stream, broken.value.writer, broken.value.seq) == (stream, writer, 5)
    assert digest(file) == before
    with agent_store.open(file, read_only=True) as store:
        verdict = store.verify()
        assert [(found.kind, found.stream, found.seq) for found in verdict.breaks] == [("hash", stream, 5)]


def test_a_forged_prev_hash_is_found(file: Path) -> None:
    stream, writer = HEADS[3][:2]
    sql(
        file,
        f"UPDATE _agent_store_log SET prev_hash = zeroblob(32) WHERE seq = 5"
        f" AND stream = '{stream}' AND writer = '{writer}'",
    )
    with agent_store.open(file, read_only=True) as store:
        verdict = store.verify()
        assert [(found.kind, found.seq) for found in verdict.breaks] == [("link", 5)]
        assert (verdict.entries, verdict.entries_hold) == (120, 119)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("CREATE INDEX mine ON _agent_store_log (seq)", "index mine"),
        ("CREATE TRIGGER mine AFTER INSERT ON _agent_store_log BEGIN SELECT 1; END", "trigger mine"),
        ("CREATE VIEW mine AS SELECT * FROM _agent_store_log", "view mine"),
        ("CREATE INDEX mine ON _agent_store_meta (ival)", "index mine"),
        ("CREATE TRIGGER mine AFTER INSERT ON _agent_store_meta BEGIN SELECT 1; END", "trigger mine"),
        (
            "CREATE TABLE mine (a, b, c, FOREIGN KEY (a, b, c) REFERENCES _agent_store_log (stream, writer, seq))",
            "foreign key of table mine",
        ),
    ],
)
def test_what_the_host_hung_on_the_table_is_named(file: Path, statement: str, named: str) -> None:
    sql(file, statement)
    before = digest(file)
    with pytest.raises(UnsupportedFormat, match=named):
        agent_store.open(file)
    assert digest(file) == before


@pytest.mark.parametrize(
    ("stream", "named"),
    [
        ("CAST('s' AS BLOB)", 'stream of type Blob and the writer "w"'),
        ("CAST(x'61ff62' AS TEXT)", 'stream "a\ufffdb" and the writer "w"'),
        ("'s' || hex(zeroblob(40000))", r'stream "s0{39}"… of 80001 bytes and the writer "w"'),
    ],
)
def test_names_that_cannot_be_kept_are_refused(file: Path, stream: str, named: str) -> None:
    with agent_store.open(":memory:") as store:
        content_hash = store.log("s", "w").append(b"x").content_hash.hex()
    sql(file, f"INSERT INTO _agent_store_log VALUES ({stream}, 'w', 1, NULL, x'{content_hash}', x'78')")
    before = digest(file)
    with pytest.raises(UnsupportedFormat, match=named) as refused:
        agent_store.open(file)
    assert len(str(refused.value)) < 300
    assert digest(file) == before
    with agent_store.open(file, read_only=True) as opened:
        assert opened.position() == 121


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ("'k', -1", "holds 'k' with -1"),
        ("'k', 1.5", "holds 'k' with 1.5"),
        ("'k', 'x'", "holds 'k' with 'x'"),
        ("NULL, 1", "holds NULL with 1"),
        ("'_agent_store.id', 1", "holds '_agent_store.id' with 1"),
    ],
)
def test_generations_that_no_store_may_have_are_refused(file: Path, row: str, named: str) -> None:
    sql(file, f"INSERT INTO _agent_store_meta VALUES ({row})")
    before = digest(file)
    with pytest.raises(UnsupportedFormat, match=named):
        agent_store.open(file)
    assert digest(file) == before
    with agent_store.open(file, read_only=True) as store:
        check(store)


def test_a_counter_that_the_crate_set_past_the_largest_integer_is_refused(file: Path) -> None:
    crate.run("set", file, "k", 2**63)
    with pytest.raises(UnsupportedFormat, match="'k' with -9223372036854775808"):
        agent_store.open(file)


@pytest.mark.parametrize("dropped", ["_agent_store_log", "_agent_store_meta", None])
def test_a_file_with_one_of_the_two_tables_or_both_empty(file: Path, dropped: str | None) -> None:
    if dropped is None:
        sql(file, "DELETE FROM _agent_store_log", "DELETE FROM _agent_store_meta")
    else:
        sql(file, f"DROP TABLE {dropped}")
    entries = 120 if dropped == "_agent_store_meta" else 0
    counters = FACTS["generations"] if dropped == "_agent_store_log" else {}
    for read_only in (True, False):
        with agent_store.open(file, read_only=read_only) as store:
            assert store.position() == entries
            assert store.verify().entries_hold == entries
            assert store.verify().holds
            assert {key: store.generation(key).current() for key in FACTS["generations"]} == {
                key: counters.get(key, 0) for key in FACTS["generations"]
            }


def test_a_reader_sees_the_tables_that_the_crate_makes_later(file: Path) -> None:
    sql(file, "DROP TABLE _agent_store_log")
    with agent_store.open(file, read_only=True) as store:
        assert store.position() == 0
        crate.append(file, "s", "w", [b"1", b"2"])
        assert [entry.payload for entry in store.log("s", "w").entries()] == [b"1", b"2"]
    sql(file, "DROP TABLE _agent_store_meta")
    with agent_store.open(file, read_only=True) as store:
        assert store.generation("report").current() == 0
        crate.run("set", file, "report", 3)
        assert store.generation("report").current() == 3


def test_a_verification_goes_on_where_the_file_is_upgraded_meanwhile(file: Path) -> None:
    def upgrade(_done: int, _total: int) -> None:
        run("import agent_store, sys; agent_store.open(sys.argv[1]).close()", file)

    with agent_store.open(file, read_only=True) as store:
        verdict = store.verify(progress=upgrade)
        assert verdict.holds, verdict.breaks
        assert (verdict.entries, verdict.entries_hold, verdict.logs) == (120, 120, 6)
        assert store.info()["layout"] == "compact"
