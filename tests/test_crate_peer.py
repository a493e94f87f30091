"""The crate and this package on one file: in turn, and at the same time."""

from pathlib import Path

import pytest

import agent_store
import crate
from agent_store.errors import NonMonotonicGeneration

PAYLOADS = (b"", b"hello", bytes(range(256)), b"\0", "Grüße, 世界".encode(), b"x" * 70_000, b"")
NAMES = (("s", "w"), ("конв:демо", "алиса 🖋"), ("with 'quotes' \"too\"", "a\nb"), ("s", "w2"))
RACE = "seq must be one more than the head of the log"


def test_the_crate_goes_on_in_a_file_of_ours(path: Path) -> None:
    with agent_store.open(path) as store:
        for stream, writer in NAMES[:3]:
            store.log(stream, writer).append_many(PAYLOADS)
        store.generation("report").set(7)
        for stream, writer in NAMES:
            before = store.log(stream, writer).head()
            told = crate.append(path, stream, writer, PAYLOADS)
            assert [seq for seq, _ in told] == [(before.seq if before else 0) + n + 1 for n in range(len(PAYLOADS))]
            ours = list(store.log(stream, writer).entries(start=told[0][0]))
            assert [(entry.seq, entry.content_hash) for entry in ours] == told
            assert store.log(stream, writer).append(b"and on").prev_hash == told[-1][1]
        assert crate.run("bump", path, "report", 2) == [{"value": 8}, {"value": 9}]
        assert store.generation("report").bump() == 10
        assert crate.run("set", path, "new", 3) == [{"value": 3}]
        assert store.generation("new").current() == 3
        with pytest.raises(NonMonotonicGeneration):
            store.generation("new").set(2)
    logs = crate.same(path)
    assert sorted(logs) == sorted(NAMES)
    assert all([row.payload for row in rows] == [*PAYLOADS * (len(rows) // 7), b"and on"] for rows in logs.values())


def test_we_go_on_in_a_file_of_the_crates(path: Path) -> None:
    for stream, writer in NAMES[:3]:
        crate.append(path, stream, writer, PAYLOADS)
    crate.run("set", path, "report", 7)
    before = crate.same(path)
    with agent_store.open(path) as store:
        for stream, writer in NAMES:
            log = store.log(stream, writer)
            log.append_many(PAYLOADS)
            told = crate.append(path, stream, writer, [b"and on"])
            assert log.entry(told[0][0]) == log.head()
        assert store.generation("report").bump() == 8
        assert crate.run("bump", path, "report") == [{"value": 9}]
    after = crate.same(path)
    assert all(after[name][:7] == rows for name, rows in before.items())
    assert [len(after[name]) for name in NAMES] == [15, 15, 15, 8]


def test_names_that_only_the_crate_gives(path: Path) -> None:
    agent_store.open(path).close()
    names = [("", ""), ("", "w"), ("s" * 2_000, "w" * 3_000)]
    for stream, writer in names:
        crate.append(path, stream, writer, [b"1", b"2"])
    assert sorted(crate.same(path)) == sorted(names)


def test_many_logs(path: Path) -> None:
    [made] = crate.run("make", path, 300, 60, 10)
    with agent_store.open(path) as store:
        names = [(head.stream, head.writer) for head in store.heads()]
        store.append_many((*name, b"%d" % n) for n in range(3) for name in names)
    for name in names[::6]:
        crate.append(path, *name, [b"last"])
    logs = crate.same(path)
    assert len(logs) == 60
    assert sum(map(len, logs.values())) == 300 + 180 + 10
    assert (made["stream"], made["first_writer"]) in logs


def test_the_crate_finds_its_schema_in_our_file(path: Path) -> None:
    agent_store.open(path).close()
    schema = "SELECT type, name, sql FROM sqlite_schema ORDER BY name"
    with crate.Session("crate", path) as session:
        before = session.ask(schema)
        assert crate.run("append", path, "s", "w") == []  # Opens, ensures its schema and reads an empty standard input.
        assert session.ask(schema) == before
    assert len(before["rows"]) > 10


@pytest.mark.parametrize("made_by", ["us", "crate"])
def test_a_generation_falls_for_nobody(path: Path, made_by: str) -> None:
    if made_by == "crate":
        crate.run("bump", path, "report")
    with agent_store.open(path) as store:
        store.generation("report").set(7)
        [told] = crate.run("set", path, "report", 6)
        assert "report" in told["error"]
        # What the crate does when another process sets the counter between its two statements.
        late = (
            "INSERT INTO _agent_store_meta (key, ival) VALUES (?, ?) "
            "ON CONFLICT (key) DO UPDATE SET ival = excluded.ival"
        )
        with crate.Session("crate", path) as session:
            assert "only rises" in session.ask(late, ["report", 6])["error"]
            assert "error" not in session.ask(late, ["report", 8])
        assert store.generation("report").current() == 8
        store.generation("report").set(2**63 - 1)
        [told] = crate.run("bump", path, "report")
        assert "only rises" in told["error"]
        assert store.generation("report").current() == 2**63 - 1


def test_both_at_once(path: Path) -> None:
    each = 500
    with agent_store.open(path, durability="normal") as store:
        own, common = store.log("s", "ours"), store.log("s", "common")
        with crate.Loop(path, "s", "crate") as alone, crate.Loop(path, "s", "common") as shared:
            for loop in (alone, shared):
                loop.wait_for(1)
            ours = []
            for n in range(each):
                if n % 50 == 0:  # A crate that waits for its turn may sleep through all of ours.
                    shared.wait_for(1)
                own.append(b"%d" % n)
                ours.append(common.append(b"ours-%d" % n))
            values = [store.generation("g").bump() for _ in range(10)]
            for loop in (alone, shared):
                loop.wait_for(each)
        assert values == list(range(1, 11))
    logs = crate.same(path)
    assert alone.refused == []
    assert [(row.seq, row.content_hash, row.payload) for row in logs["s", "crate"]] == alone.written
    assert [row.payload for row in logs["s", "ours"]] == [b"%d" % n for n in range(each)]
    # The crate reads the head and writes in two transactions: whoever comes in between makes it fail, nothing written.
    assert [error for _, error in shared.refused if RACE not in error] == []
    told = [(entry.seq, entry.content_hash, entry.payload) for entry in ours] + shared.written
    assert [(row.seq, row.content_hash, row.payload) for row in logs["s", "common"]] == sorted(told)


def test_reading_the_crates_layout_while_it_is_written(path: Path) -> None:
    crate.append(path, "s", "w", [b"1"])
    with (
        crate.Loop(path, "s", "w") as one,
        crate.Loop(path, "s", "w2") as two,
        agent_store.open(path, read_only=True) as store,
    ):
        seen: list[agent_store.Entry] = []
        for _ in range(8):
            entries = list(store.entries())
            assert [entry.position for entry in entries] == list(range(1, len(entries) + 1))
            assert entries[: len(seen)] == seen
            verdict = store.verify()
            assert verdict.holds, verdict.breaks
            assert verdict.entries >= len(entries)
            assert verdict.entries <= store.position()
            seen = entries
            one.wait_for(20)
            two.wait_for(20)
        assert store.info()["layout"] == "crate"
    assert one.refused == two.refused == []
    assert {name: len(rows) for name, rows in crate.same(path).items()} == {
        ("s", "w"): 1 + len(one.written),
        ("s", "w2"): len(two.written),
    }
