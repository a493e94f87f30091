"""Exporting a store to lines of JSON, and importing them: what the lines are, and that nothing is lost."""

import base64
import gzip
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import agent_store
from agent_store import Store
from agent_store.errors import ChainBroken, StoreClosed, TargetDiverged, TransactionConflict, UnsupportedFormat
from moving import ROWS, everything, exported, fill, forced
from stores import Place, a_schema
from tampering import damage


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Store]:
    with agent_store.open(tmp_path / "source.db") as opened:
        yield fill(opened)


def test_each_line_is_what_the_format_says(store: Store) -> None:
    log = store.log("ström\n\u2028", 'wri"ter')
    first = log.append(b"\x00\xff")
    second = log.append(b"")
    store.generation("g").set(2**63 - 1)
    data = exported(store)
    *lines, end = data.splitlines(keepends=True)
    assert "".join(map(chr, range(0x20))) not in data.decode()
    assert [json.loads(line) for line in lines] == [
        {"format": "agent-store export", "version": 1, "id": store.info()["id"], "position": 2, "sealed": 0},
        {"generation": "g", "value": 2**63 - 1},
        *(
            {
                "position": entry.position,
                "stream": "ström\n\u2028",
                "writer": 'wri"ter',
                "seq": entry.seq,
                "prev_hash": entry.prev_hash and entry.prev_hash.hex(),
                "content_hash": entry.content_hash.hex(),
                "payload": base64.b64encode(entry.payload).decode(),
            }
            for entry in (first, second)
        ),
    ]
    digest = hashlib.sha256(b"".join(lines)).hexdigest()
    assert json.loads(end) == {"entries": 2, "generations": 1, "evidence": 0, "position": 2, "sha256": digest}
    assert "ström".encode() in data  # UTF-8, and no escapes that need not be


def test_everything_is_exported_from_each_kind_of_store_and_imported_into_it(source: Store, place: Place) -> None:
    data = exported(source)
    with place.open() as store, agent_store.open(":memory:") as back:
        assert agent_store.import_(store, io.BytesIO(data)).holds
        assert everything(store) == everything(source)
        again = exported(store)
        assert again.splitlines()[1:-1] == data.splitlines()[1:-1]
        verdict = agent_store.import_(back, io.BytesIO(again))
        assert (verdict.holds, verdict.entries) == (True, len(ROWS) + 2)
        assert everything(back) == everything(source)


def test_to_a_path_and_from_it(source: Store, tmp_path: Path, store: Store) -> None:
    path = tmp_path / "app.jsonl"
    assert agent_store.export(source, path) == source.position()
    assert path.read_bytes() == exported(source)
    assert sorted(file.name for file in tmp_path.iterdir() if "source" not in file.name and "db" not in file.name) == [
        "app.jsonl"
    ]
    assert agent_store.import_(store, str(path)).holds
    assert everything(store) == everything(source)


def test_through_a_pipe_that_has_a_name(source: Store, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool, agent_store.open(tmp_path / "target.db") as store:
        reading = pool.submit(agent_store.import_, store, pipe)
        agent_store.export(source, pipe)
        assert reading.result(60).holds
        assert everything(store) == everything(source)
    assert pipe.is_fifo()


def test_through_other_files(source: Store, tmp_path: Path) -> None:
    path = tmp_path / "app.jsonl.gz"
    with gzip.open(path, "wb") as file:
        agent_store.export(source, file)
    with gzip.open(path, "rb") as file, agent_store.open(":memory:") as store:
        assert agent_store.import_(store, file).holds
        assert everything(store) == everything(source)


def test_a_newer_export_adds_what_is_new(source: Store, store: Store) -> None:
    for _ in range(2):
        assert agent_store.import_(store, io.BytesIO(exported(source))).holds
        assert everything(store) == everything(source)
        source.log("s", "new").append_many([b"x"] * 600)
        source.generation("g").bump()


def test_an_empty_store(store: Store) -> None:
    data = exported(store)
    assert data.count(b"\n") == 2
    assert agent_store.import_(store, io.BytesIO(data)).holds


def test_nothing_is_written_over_and_no_half_file_is_left(source: Store, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="an export writes over nothing"):
        agent_store.export(source, there)
    assert there.read_bytes() == b"mine"
    with pytest.raises(FileNotFoundError, match=r"the directory that the export is to be in does not exist: '.*no'"):
        agent_store.export(source, tmp_path / "no" / "app.jsonl")
    with pytest.raises(NotADirectoryError, match=r"the export is to be in it, and it is no directory: '.*there'"):
        agent_store.export(source, there / "app.jsonl")
    with pytest.raises(FileExistsError):
        agent_store.export(source, tmp_path)
    with pytest.raises(ValueError, match="the path is empty"):
        agent_store.export(source, "")

    def look(*_: int) -> None:
        names = [file.name for file in tmp_path.glob("app*")]
        assert len(names) == 1
        assert names[0].startswith("app.jsonl-unfinished-")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        agent_store.export(source, tmp_path / "app.jsonl", progress=look)
    assert not list(tmp_path.glob("app*"))


def test_who_makes_the_file_meanwhile_keeps_it(source: Store, tmp_path: Path) -> None:
    path = tmp_path / "app.jsonl"
    with pytest.raises(FileExistsError, match="somebody else made it meanwhile"):
        agent_store.export(source, path, progress=lambda *_: path.write_bytes(b"theirs"))
    assert path.read_bytes() == b"theirs"
    assert [file.name for file in tmp_path.glob("app*")] == ["app.jsonl"]


def test_where_there_are_no_hard_links(source: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    path = tmp_path / "app.jsonl"
    agent_store.export(source, path)
    assert path.read_bytes() == exported(source)
    assert [file.name for file in tmp_path.glob("app*")] == ["app.jsonl"]


def test_damage_is_named_and_nothing_left(source: Store, tmp_path: Path) -> None:
    source.close()
    path = tmp_path / "source.db"
    damage(path, "UPDATE _agent_store_entries SET payload = x'00' WHERE position = 700")
    with agent_store.open(path) as broken:
        with pytest.raises(ChainBroken, match="content_hash is "):
            agent_store.export(broken, tmp_path / "app.jsonl")
        assert not list(tmp_path.glob("app*"))
        file = io.BytesIO()
        with pytest.raises(ChainBroken):
            agent_store.export(broken, file)
    assert b"sha256" not in file.getvalue()


def test_it_is_of_the_moment_at_which_it_began(source: Store, store: Store) -> None:
    before = everything(source)
    file = io.BytesIO()

    def go_on(*_: int) -> None:
        source.log("s", "new").append(b"x")
        source.generation("g").bump()

    agent_store.export(source, file, progress=go_on)
    assert source.position() > len(before[0])
    agent_store.import_(store, io.BytesIO(file.getvalue()))
    assert everything(store) == before


def test_progress(source: Store, store: Store) -> None:
    entries = source.position()
    told: list[tuple[int, int]] = []
    file = io.BytesIO()
    agent_store.export(source, file, progress=lambda *at: told.append(at))
    assert told[0] == (512, entries)
    assert told == sorted(told)
    told.clear()
    agent_store.import_(store, io.BytesIO(file.getvalue()), progress=lambda *at: told.append(at))
    assert told[0] == (512, 2 * entries)
    assert told == sorted(told)
    assert told[-1] == (2 * entries, 2 * entries)


DIVERGED: dict[str, tuple[Callable[[Store], object], str]] = {
    "another entry": (lambda store: store.append_many(ROWS[:7] + ROWS[8:9]), "at position 8 the target has entry 1 of"),
    "one more": (lambda store: fill(store).log("s", "w").append(b"x"), "has 1203 entries, and only 1202 are to come"),
    "a generation": (lambda store: store.generation("g").set(8), "stands at 8, and is to be 7"),
}


@pytest.mark.parametrize("how", DIVERGED)
def test_a_target_that_has_diverged(source: Store, store: Store, how: str) -> None:
    diverge, said = DIVERGED[how]
    diverge(store)
    before = everything(store)
    with pytest.raises(TargetDiverged) as caught:
        agent_store.import_(store, io.BytesIO(exported(source)))
    assert said in str(caught.value)
    assert everything(store) == before


def test_names_that_postgres_cannot_hold(postgres: str) -> None:
    with a_schema("postgres", postgres) as place, place.open() as store, agent_store.open(":memory:") as source:
        source.log("s", "w").append_many([b"x"] * 700)
        forced(source, ("s", "w\0", b"x"))
        with pytest.raises(
            UnsupportedFormat, match="line 702: the target cannot hold the log of stream 's', writer 'w"
        ):
            agent_store.import_(store, io.BytesIO(exported(source)))
        assert everything(store) == ([], {})


def test_a_write_from_inside_the_file_is_refused(source: Store, store: Store) -> None:
    """It would wait for the lock of its own import."""

    class Writing(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 200_000:  # in the second page
                store.log("s", "w").append(b"x")
            return super().readline(size)

    with pytest.raises(TransactionConflict):
        agent_store.import_(store, Writing(exported(source)))
    assert everything(store) == ([], {})


def test_inside_a_transaction_and_closed(source: Store, store: Store) -> None:
    data = exported(source)
    with store.transaction(), pytest.raises(TransactionConflict):
        agent_store.import_(store, io.BytesIO(data))
    with source.transaction(), pytest.raises(TransactionConflict):
        exported(source)
    source.close()
    with pytest.raises(StoreClosed):
        exported(source)
    with pytest.raises(StoreClosed):
        agent_store.import_(source, io.BytesIO(data))


def test_what_is_no_file(source: Store) -> None:
    for what in (None, 3, ["x"]):
        with pytest.raises(TypeError, match="file must be a path or a file opened to write bytes"):
            agent_store.export(source, what)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="file must be a path or a file opened to read bytes"):
            agent_store.import_(source, what)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        agent_store.export(source, io.StringIO())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="the file must be opened to read bytes, not text"):
        agent_store.import_(source, io.StringIO("{}"))  # type: ignore[arg-type]
