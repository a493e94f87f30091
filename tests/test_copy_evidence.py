"""Copies carry evidence: every signed text and erasure is looked at and comes along, and the tree is made anew."""

import io
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import agent_store
from agent_store import Checkpoint, Store, _core
from agent_store.errors import ChainBroken, EvidenceRefused, MalformedEvidence, PayloadErased, TargetDiverged
from agent_store.evidence import cosignature
from agent_store.evidence.erasure import Record
from agent_store.evidence.shelf import CHECKPOINT, COSIGNATURE, Shelf
from agent_store.moving import arrival
from carried import ERASED, NEW, OLD, ROWS, carried, kept, sealed
from moving import exported
from notes import WITNESS
from tampering import damage


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("carried") / "source.db"
    with agent_store.open(made, durability="normal") as store:
        sealed(store)
    return made


@pytest.fixture
def source(whole: Path, tmp_path: Path) -> Iterator[Store]:
    """Each test has its own."""
    shutil.copy(whole, tmp_path / "own.db")
    with agent_store.open(tmp_path / "own.db", durability="normal") as store:
        yield store


def test_a_copy_has_all_of_it(source: Store, store: Store) -> None:
    wanted = carried(source)
    assert wanted[-1] == ((), (), 300, 300, 1, len(ERASED))
    verdict = agent_store.copy(source, store)
    assert (verdict.holds, verdict.erased) == (True, len(ERASED))
    assert carried(store) == wanted
    entry = next(entry for entry in store.entries() if entry.position == ERASED[0])
    with pytest.raises(PayloadErased):
        _ = entry.payload
    assert agent_store.copy(source, store).holds
    assert carried(store) == wanted


def test_and_comes_back_from_each_kind_of_store(source: Store, store: Store) -> None:
    agent_store.copy(source, store)
    with agent_store.open(":memory:") as back:
        agent_store.copy(store, back)
        assert carried(back) == carried(source)


def test_an_export_has_all_of_it(source: Store, store: Store) -> None:
    data = exported(source)
    assert agent_store.import_(store, io.BytesIO(data)).holds
    assert carried(store) == carried(source)
    assert exported(store).splitlines()[1:-1] == data.splitlines()[1:-1]
    assert agent_store.import_(store, io.BytesIO(data)).holds


def test_a_backup_has_all_of_it(source: Store, tmp_path: Path) -> None:
    assert source.backup(tmp_path / "backup.db").holds
    with agent_store.open(tmp_path / "backup.db") as store:
        assert carried(store) == carried(source)


def test_the_copy_can_be_sealed_on_and_what_is_new_follows(source: Store, store: Store) -> None:
    with agent_store.open(":memory:") as middle:
        agent_store.copy(source, middle)
        agent_store.copy(middle, store)
        middle.log("s0", "w0").append_many([b"more"] * 700)
        newest = middle.checkpoint(NEW)
        middle.erase([10, 600], NEW)
        assert agent_store.copy(middle, store).holds
        assert carried(store) == carried(middle)
        assert list(store.checkpoints())[-1] == newest
        middle.erase([11, 12], NEW)
        agent_store.import_(store, io.BytesIO(exported(middle)))
        assert carried(store) == carried(middle)
        assert len([entry for entry in store.entries() if entry.erased]) == len(ERASED) + 4


def holding(secret: bytes, folder: Path) -> list[str]:
    """Which of the target's files have these bytes: another process looks, as the store is open here."""
    code = "import pathlib, sys; print(*[f.name for f in pathlib.Path(sys.argv[1]).glob('target.db*') "
    code += "if sys.argv[2].encode() in f.read_bytes()])"
    return subprocess.check_output([sys.executable, "-c", code, folder, secret], text=True).split()


def test_an_erased_payload_leaves_the_files_of_a_copy(source: Store, tmp_path: Path) -> None:
    secret = b"what is to be forgotten"
    source.log("s", "secret").append(secret)
    target = tmp_path / "target.db"
    with agent_store.open(target) as store:
        agent_store.copy(source, store)
        source.checkpoint(NEW)
        source.erase(next(source.entries(reverse=True)), NEW)
        assert holding(secret, tmp_path) == ["target.db-wal"]
        agent_store.copy(source, store)
        assert holding(secret, tmp_path) == []


def test_a_newer_cosignature_follows(source: Store, store: Store) -> None:
    agent_store.copy(source, store)
    [name, number, line] = next(row[1:] for row in kept(source) if row[0] == COSIGNATURE)
    shelf = Shelf(source._binding)
    newer = _line(shelf, 2**40)
    shelf.written("test", lambda tx: shelf.renew_note(COSIGNATURE, name, number, newer, tx))
    agent_store.copy(source, store)
    assert Shelf(store._binding).note(COSIGNATURE, name, number) == newer
    shelf.written("test", lambda tx: shelf.renew_note(COSIGNATURE, name, number, line, tx))
    agent_store.copy(source, store)
    assert Shelf(store._binding).note(COSIGNATURE, name, number) == newer


def _line(shelf: Shelf, time: int) -> str:
    last = shelf.last_checkpoint()
    assert last is not None
    return cosignature.cosign(Checkpoint(last.note or ""), WITNESS, time).line


def test_what_is_sealed_meanwhile_is_not_in_it(source: Store, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = kept(source)

    def go_on(*_: object) -> None:
        source.log("s", "new").append(b"x")
        source.checkpoint(NEW)

    monkeypatch.setattr("agent_store.ticker.EVERY", 0)
    assert agent_store.copy(source, store, progress=go_on).holds
    assert source.position() > store.position() == 320
    assert kept(store) == [row for row in before if row in kept(store)] == before


@pytest.mark.parametrize("wrong", [[(0, 0), (0, 1), (1, 0)], [(1, 0)]], ids=["cut off", "of another root"])
def test_tiles_are_made_anew(source: Store, store: Store, wrong: list[tuple[int, int]]) -> None:
    """Whatever those of the source say, and those that the target had."""
    agent_store.copy(source, store)
    backend = store._binding.backend
    for place in wrong:
        backend.change("set_tile", *place, bytes(32))
    source.log("s", "w").append_many([b"x"] * 300)
    source.checkpoint(NEW)
    wanted = carried(source)
    source._binding.backend.change("set_tile", 0, 0, bytes(32 * 256))
    assert agent_store.copy(source, store).holds
    assert carried(store) == wanted


def test_a_copy_that_was_interrupted_has_no_checkpoint_yet(
    source: Store, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrival, "ENTRIES", 64)
    monkeypatch.setattr("agent_store.moving.evidence.Evidence.take", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        agent_store.copy(source, store)
    assert store.position() == 320
    assert kept(store) == []
    assert store.verify().erased == len(ERASED)
    monkeypatch.undo()
    assert agent_store.copy(source, store).holds
    assert carried(store) == carried(source)


def seals(store: Store) -> None:
    store.checkpoint(OLD)


def another_origin(store: Store) -> None:
    store.checkpoint(WITNESS)


@pytest.mark.parametrize(
    ("diverge", "said"),
    [(seals, "the checkpoint of 'audit.example/moved' at 100"), (another_origin, "'witness.example/w1' at 100")],
)
def test_a_target_with_evidence_of_its_own(store: Store, diverge: Any, said: str) -> None:
    store.append_many(ROWS[:100])
    diverge(store)
    before = list(store.entries()), kept(store)
    with agent_store.open(":memory:") as source:
        source.append_many(ROWS)
        data = exported(source)
        with pytest.raises(TargetDiverged) as caught:
            agent_store.copy(source, store)
        assert said in str(caught.value)
        with pytest.raises(TargetDiverged) as caught:
            agent_store.import_(store, io.BytesIO(data))
        assert said in str(caught.value)
    assert (list(store.entries()), kept(store)) == before


def test_an_erased_payload_does_not_come_back(source: Store, store: Store) -> None:
    data = exported(source)
    agent_store.copy(source, store)
    store.erase(20, NEW)
    before = list(store.entries()), kept(store)
    with pytest.raises(TargetDiverged, match="has erased position 20, whose payload"):
        agent_store.copy(source, store)
    with pytest.raises(TargetDiverged, match="has erased position 20, whose payload"):
        agent_store.import_(store, io.BytesIO(data))
    assert (list(store.entries()), kept(store)) == before


CHANGED = "UPDATE _agent_store_notes SET note = replace(note, '{}', '{}') WHERE kind = '{}'"
MOVED = "UPDATE _agent_store_notes SET number = number + 1 WHERE kind = '{}'"
RECORDS = "UPDATE _agent_store_erasures"
RECORD = Record(NEW.name, ERASED[0], 1, bytes(32)).sign(NEW)
DAMAGES: dict[str, tuple[str, type[Exception]]] = {
    "a checkpoint of another size": (CHANGED.format("\n300\n", "\n299\n", CHECKPOINT), EvidenceRefused),
    "a checkpoint of another root": (CHANGED.format("\n300\n", "\n300\nAAAA", CHECKPOINT), MalformedEvidence),
    "no checkpoint": ("UPDATE _agent_store_notes SET note = 'x' WHERE kind = 'checkpoint'", MalformedEvidence),
    "a rotation moved": (MOVED.format("rotation"), EvidenceRefused),
    "a rotation altered": (CHANGED.format("rotation/v1", "rotation/v2", "rotation"), MalformedEvidence),
    "a head moved": (MOVED.format("head"), EvidenceRefused),
    "a cosignature of another witness": (CHANGED.format("example", "exampl3", "cosignature"), EvidenceRefused),
    "what was witnessed moved": (MOVED.format("witnessed"), EvidenceRefused),
    "no record of an erasure": ("DELETE FROM _agent_store_erasures WHERE position = 7", ChainBroken),
    "the record of another entry": (f"{RECORDS} SET note = '{RECORD}' WHERE position = 7", ChainBroken),
}  # fmt: skip


@pytest.mark.parametrize("how", DAMAGES)
def test_damage_of_the_source_does_not_come_along(whole: Path, tmp_path: Path, how: str) -> None:
    sql, error = DAMAGES[how]
    shutil.copy(whole, tmp_path / "own.db")
    damage(tmp_path / "own.db", sql)
    with agent_store.open(tmp_path / "own.db") as source, agent_store.open(":memory:") as store:
        with pytest.raises(error):
            agent_store.copy(source, store)
        assert kept(store) == []
        assert not store.verify(keys=NEW).holds


def test_more_leaves_than_are_kept_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_store.moving.leaves.BATCH", 300)
    with agent_store.open(":memory:") as source:
        source.append_many([("s", f"w{number % 9}", b"%d" % number) for number in range(2_000)])
        last = source.checkpoint(NEW)
        data = exported(source)
        agent_store.import_(store, io.BytesIO(data))
        assert store.verify(keys=NEW).signed == last.size
        needs = _core.edge_of(last.size)
        tiles = [Shelf(each._binding).tiles(needs) for each in (source, store)]
        assert tiles[0] == tiles[1]


def test_the_source_is_told_in_the_error(whole: Path, tmp_path: Path) -> None:
    shutil.copy(whole, tmp_path / "own.db")
    damage(tmp_path / "own.db", MOVED.format("witnessed"))
    with (
        agent_store.open(tmp_path / "own.db") as source,
        agent_store.open(":memory:") as store,
        pytest.raises(EvidenceRefused) as caught,
    ):
        agent_store.copy(source, store)
    assert caught.value.__notes__ == ["this is in the source"]


def test_evidence_is_on_disk_when_it_returns(source: Store, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    backend, begun = store._binding.backend, []

    class Backend:
        """The store's, which is asked how its transactions began."""

        def __getattr__(self, name: str) -> Any:
            return begin if name == "begin" else getattr(backend, name)

    def begin(within: Any = None, *, synced: bool = False) -> Any:
        begun.append(synced)
        return backend.begin(within, synced=synced)

    monkeypatch.setattr(store._binding, "backend", Backend())
    agent_store.copy(source, store)
    assert begun == [False, True]
    begun.clear()
    agent_store.copy(source, store)
    assert begun == []
