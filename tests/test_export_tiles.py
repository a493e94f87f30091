"""A sealed store as a directory of static files: byte for byte what C2SP's tlog-tiles says, and carried on."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import agent_store
import tampering
from agent_store import Checkpoint, Store, export_tiles, verify_tiles
from agent_store.errors import ChainBroken, NotSealed, TargetDiverged, TransactionConflict
from agent_store.evidence.directory import path_of
from sealing import KEY, STRANGER, VECTORS, WITNESS, append, known
from tile_files import Files, files_of, leaves_of, read


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "tiles"


def expected(store: Store, checkpoint: str) -> Files:
    size = Checkpoint(checkpoint).size
    return files_of(leaves_of(entry for entry in store.entries() if entry.position <= size), checkpoint)


def sealed(store: Store, entries: int) -> Checkpoint:
    append(store, entries)
    return store.checkpoint(KEY)


def test_paths() -> None:
    """The first is the example of the specification."""
    assert path_of(0, 1_234_067) == "tile/0/x001/x234/067"
    assert path_of(63, 0) == "tile/63/000"
    assert path_of("entries", 999, 7) == "tile/entries/999.p/7"
    assert path_of(1, 1_000, 255) == "tile/1/x001/000.p/255"


def test_the_files_are_those_of_the_format(store: Store, directory: Path) -> None:
    checkpoint = sealed(store, 700)
    append(store, 5)
    assert export_tiles(store, directory) == checkpoint
    assert read(directory) == expected(store, checkpoint)
    assert sorted(read(directory)) == [
        "checkpoint", "tile/0/000", "tile/0/001", "tile/0/002.p/188", "tile/1/000.p/2",
        "tile/entries/000", "tile/entries/001", "tile/entries/002.p/188",
    ]  # fmt: skip
    verdict = verify_tiles(directory, KEY.verifier)
    assert verdict.holds, verdict
    assert (verdict.entries, verdict.logs, verdict.signed, verdict.chained) == (700, 3, 700, 700)


def test_the_published_store(path: Path, directory: Path) -> None:
    with agent_store.open(path) as store:
        known(store)
        store.checkpoint(KEY)
        line = VECTORS["checkpoint"].splitlines(keepends=True)[-1]
        store.add_cosignature(line, WITNESS.witness_verifier)
        export_tiles(store, directory)
    files = read(directory)
    assert files["checkpoint"].decode() == VECTORS["checkpoint"]
    leaves = [bytes.fromhex(leaf) for leaf in VECTORS["leaves"]]
    assert files == files_of(leaves, VECTORS["checkpoint"])
    assert files["tile/entries/000.p/4"] == b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)


def test_an_empty_store(path: Path, directory: Path) -> None:
    with agent_store.open(path) as store:
        checkpoint = store.checkpoint(KEY)
        export_tiles(store, directory)
    assert read(directory) == {"checkpoint": checkpoint.encode()}
    assert verify_tiles(directory, KEY.verifier).holds


@pytest.mark.parametrize("steps", [(1, 1), (300, 5), (256, 256), (255, 1, 1), (5, 0, 600), (512, 66_000, 37)])
def test_an_export_is_carried_on(path: Path, directory: Path, steps: tuple[int, ...]) -> None:
    with agent_store.open(path, durability="normal") as store:
        before: Files = {}
        for entries in steps:
            checkpoint = sealed(store, entries)
            times = {name: (directory / name).stat().st_mtime_ns for name in before}
            export_tiles(store, directory)
            files = read(directory)
            whole = expected(store, checkpoint)
            assert files == {**before, **whole}
            last = (checkpoint.size - entries) // 256
            for name in before.keys() - {"checkpoint"}:
                number = int(name.partition(".")[0].rpartition("/")[2])
                if name.startswith("tile/0/") and number < last:
                    assert (directory / name).stat().st_mtime_ns == times[name], "it was not written again"
            before = files
        assert verify_tiles(directory, KEY.verifier).holds


def test_a_new_cosignature_is_carried_over(path: Path, directory: Path) -> None:
    with agent_store.open(path) as store:
        known(store)
        store.checkpoint(KEY)
        export_tiles(store, directory)
        line = VECTORS["checkpoint"].splitlines(keepends=True)[-1]
        store.add_cosignature(line, WITNESS.witness_verifier)
        export_tiles(store, directory)
    assert (directory / "checkpoint").read_text() == VECTORS["checkpoint"]


def test_nothing_is_sealed(path: Path, directory: Path) -> None:
    with agent_store.open(path) as store:
        append(store, 3)
        with pytest.raises(NotSealed):
            export_tiles(store, directory)
        assert not directory.exists()
        store.checkpoint(KEY)
        with store.transaction(), pytest.raises(TransactionConflict):
            export_tiles(store, directory)
    with pytest.raises(TypeError, match="store must be a Store"):
        export_tiles(path, directory)  # type: ignore[arg-type]


def a_stranger(directory: Path) -> None:
    (directory / "notes.txt").write_text("mine")


def another_origin(directory: Path) -> None:
    with agent_store.open(":memory:") as other:
        append(other, 300)
        other.checkpoint(STRANGER)
        shutil.rmtree(directory)
        export_tiles(other, directory)


def another_history(directory: Path) -> None:
    with agent_store.open(":memory:") as other:
        sealed(other, 300)
        shutil.rmtree(directory)
        export_tiles(other, directory)


def a_later_one(directory: Path) -> None:
    with agent_store.open(":memory:") as other:
        sealed(other, 900)
        shutil.rmtree(directory)
        export_tiles(other, directory)


def no_checkpoint(directory: Path) -> None:
    (directory / "checkpoint").write_text("hello\n")


def a_lost_tile(directory: Path) -> None:
    (directory / "tile/1/000.p/1").unlink()


def an_altered_tile(directory: Path) -> None:
    tile = directory / "tile/0/001.p/44"
    tile.write_bytes(bytes(32) + tile.read_bytes()[32:])


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (another_origin, "it is of 'another.example/db'"),
        (another_history, "its checkpoint is not of the history of this store"),
        (a_later_one, "its checkpoint covers 900 entries, and the newest of the store 305"),
        (no_checkpoint, "this is no checkpoint"),
        (a_lost_tile, "its tiles are not those of its checkpoint"),
        (an_altered_tile, "its tiles are not those of its checkpoint"),
    ],
)
def test_what_is_no_earlier_export(path: Path, directory: Path, harm: Callable[[Path], None], why: str) -> None:
    with agent_store.open(path) as store:
        sealed(store, 300)
        export_tiles(store, directory)
        sealed(store, 5)
        harm(directory)
        before = read(directory)
        with pytest.raises(TargetDiverged, match=why):
            export_tiles(store, directory)
    assert read(directory) == before


def test_a_directory_with_something_else(path: Path, directory: Path) -> None:
    directory.mkdir()
    a_stranger(directory)
    with agent_store.open(path) as store:
        sealed(store, 3)
        with pytest.raises(TargetDiverged, match=r"'notes\.txt' is in it, and no checkpoint"):
            export_tiles(store, directory)
        with pytest.raises(NotADirectoryError):
            export_tiles(store, directory / "notes.txt")
    assert read(directory) == {"notes.txt": b"mine"}


class Stop(Exception):
    pass


def test_an_export_that_did_not_come_to_its_end(path: Path, directory: Path) -> None:
    """There is no checkpoint, or the one before; the next export is whole."""

    def stop(_done: int, _total: int) -> None:
        raise Stop

    with agent_store.open(path) as store:
        first = sealed(store, 300)
        with pytest.raises(Stop):
            export_tiles(store, directory, progress=stop)
        assert "checkpoint" not in read(directory)
        (directory / "checkpoint-unfinished-0123456789abcdef").write_bytes(first.encode()[:20])
        export_tiles(store, directory)
        second = sealed(store, 1_000)
        with pytest.raises(Stop):
            export_tiles(store, directory, progress=stop)
        assert verify_tiles(directory, KEY.verifier, checkpoint=first).signed == 300
        export_tiles(store, directory)
        assert read(directory) == {**read(directory), **expected(store, second)}
    assert verify_tiles(directory, KEY.verifier, checkpoint=second).holds


def test_a_file_that_cannot_be_written(path: Path, directory: Path) -> None:
    (directory / "tile/0/000.p/3").mkdir(parents=True)
    with agent_store.open(path) as store:
        sealed(store, 3)
        with pytest.raises(IsADirectoryError):
            export_tiles(store, directory)
        assert list(read(directory)) == ["tile/entries/000.p/3"]


def test_progress_is_told(path: Path, directory: Path) -> None:
    told: list[tuple[int, int]] = []
    with agent_store.open(path) as store:
        sealed(store, 600)
        export_tiles(store, directory, progress=lambda done, total: told.append((done, total)))
        assert told[-1] == (600, 600)
    verify_tiles(directory, KEY.verifier, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (600, 600)
    assert all(0 < done <= total == 600 for done, total in told)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE _agent_store_entries SET content_hash = zeroblob(32) WHERE position = 7",
        "DELETE FROM _agent_store_entries WHERE position = 7",
        "DELETE FROM _agent_store_entries WHERE position = 300",
        "UPDATE _agent_store_logs SET writer = 'another' WHERE id = 1",
        "UPDATE _agent_store_entries SET payload = x'00' WHERE position = 7",
    ],
)
def test_damage_is_not_handed_on(path: Path, directory: Path, sql: str) -> None:
    """A changed length is in the leaf; whether the payload is the hashed one is for verify to say."""
    with agent_store.open(path) as store:
        sealed(store, 300)
    tampering.damage(path, sql)
    with agent_store.open(path) as store, pytest.raises(ChainBroken, match=r"\(seal\)|entry 3 is missing"):
        export_tiles(store, directory)
    assert "checkpoint" not in read(directory)


def test_whoever_reads_meanwhile_sees_whole_files(path: Path, directory: Path) -> None:
    """Each step of an export leaves a directory that holds: the old checkpoint, or the new one."""
    with agent_store.open(path) as store:
        sealed(store, 300)
        export_tiles(store, directory)
        sealed(store, 700)
        seen = 0

        def look(_done: int, _total: int) -> None:
            nonlocal seen
            seen += 1
            assert verify_tiles(directory, KEY.verifier).holds

        export_tiles(store, directory, progress=look)
    assert seen >= 2
    assert not [name for name in read(directory) if "unfinished" in name]


def test_only_what_came_since_is_read(path: Path, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with agent_store.open(path) as store:
        sealed(store, 1_000)
        export_tiles(store, directory)
        sealed(store, 10)
        asked: list[Any] = []
        entries = Store.entries

        def told(self: Store, **how: Any) -> Any:
            asked.append(how)
            return entries(self, **how)

        monkeypatch.setattr(Store, "entries", told)
        export_tiles(store, directory)
    assert asked == [{"after": 768}]


def test_the_facts_of_a_receipt_are_in_the_bundle(path: Path, directory: Path) -> None:
    """Whoever has the directory can check a receipt against it, and needs no store."""
    with agent_store.open(path) as store:
        sealed(store, 300)
        export_tiles(store, directory)
        entry = next(iter(store.entries(after=289)))
        receipt = store.receipt(entry)
    stream, writer, seq, prev_hash, content_hash, payload_len = agent_store._core.unbundle(
        (directory / "tile/entries/001.p/44").read_bytes()
    )[1][33]  # type: ignore[misc]
    facts = {
        "stream": stream, "writer": writer, "seq": seq, "prev_hash": prev_hash and prev_hash.hex(),
        "content_hash": content_hash.hex(), "payload_len": payload_len,
    }  # fmt: skip
    agent_store.verify_receipt(receipt, json.loads(json.dumps(facts)), KEY.verifier)


def test_an_erased_entry_is_exported_like_any_other(path: Path, directory: Path) -> None:
    """Its leaf has the hash and the length, which stay."""
    with agent_store.open(path) as store:
        sealed(store, 300)
        export_tiles(store, directory)
        before = read(directory)
        store.erase([7, 300], KEY)
        shutil.rmtree(directory)
        export_tiles(store, directory)
    assert read(directory) == before


SEALER = """
import sys, agent_store
from pathlib import Path
from sealing import KEY, append
with agent_store.open(sys.argv[1], durability="normal") as store:
    while True:
        append(store, 700)
        store.checkpoint(KEY)
        agent_store.export_tiles(store, sys.argv[2])
        print("exported", flush=True)
"""


def test_an_exporter_that_is_killed(path: Path, directory: Path) -> None:
    """Whenever: what others read holds, and the next one carries it on."""
    last = None
    for number in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", SEALER, path, directory],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        )
        with process:
            assert process.stdout is not None
            for _ in range(number):
                assert process.stdout.readline() == b"exported\n"
            time.sleep(0.003 * number)
            process.kill()
        if number == 0:
            continue
        verdict = verify_tiles(directory, KEY.verifier, checkpoint=last)
        assert verdict.holds, verdict
        last = verdict.checkpoint
    with agent_store.open(path) as store:
        assert store.position() > 0
        newest = store.checkpoint(KEY)
        export_tiles(store, directory)
    assert verify_tiles(directory, KEY.verifier, checkpoint=newest).signed == newest.size
