"""What no program of ours wrote stands in the tables of evidence: it is damage, told as such, and proves nothing."""

import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import agent_store
import tampering
from agent_store import Checkpoint, SigningKey, Store, errors, export_tiles, verify_tiles
from agent_store._core import Fingerprint
from agent_store.evidence import erasure
from agent_store.evidence.facts import facts_of
from sealing import KEY, OTHER, WITNESS, append
from stores import Lent, Place

ALICE = SigningKey.from_seed("alice", bytes([9]) * 32)
FINGERPRINT = Fingerprint.from_ed25519_public_key(ALICE.public_key).hex
NOTES = "CREATE TABLE _agent_store_notes (kind, name, number, note, PRIMARY KEY (kind, name, number))"
TILES = "CREATE TABLE _agent_store_tiles (level, number, hashes, PRIMARY KEY (level, number))"
ERASURES = "CREATE TABLE _agent_store_erasures (position INTEGER PRIMARY KEY NOT NULL, payload_len, note)"
KINDS = ("checkpoint", "cosignature", "rotation", "head", "witnessed")
ODD = ("1.5", "x'ff'", "zeroblob(64)", "CAST(x'ff' AS TEXT)", "CAST(x'61000a62' AS TEXT)", "-1")
DAMAGES = [
    *((NOTES, f"UPDATE _agent_store_notes SET note = {odd} WHERE kind = '{kind}'") for kind in KINDS for odd in ODD),
    *((NOTES, f"UPDATE _agent_store_notes SET name = {odd} WHERE kind = 'checkpoint'") for odd in ODD),
    *((NOTES, f"UPDATE OR IGNORE _agent_store_notes SET number = {odd}") for odd in (*ODD, "NULL")),
    *((TILES, f"UPDATE _agent_store_tiles SET hashes = {odd} WHERE level = 0") for odd in (*ODD, "NULL")),
    *((TILES, f"UPDATE _agent_store_tiles SET hashes = {odd} WHERE level = 1") for odd in (*ODD, "NULL")),
    *((ERASURES, f"UPDATE _agent_store_erasures SET note = {odd}") for odd in (*ODD, "NULL")),
    *((ERASURES, f"UPDATE _agent_store_erasures SET payload_len = {odd}") for odd in (*ODD, "NULL")),
]


def with_everything(store: Store) -> Checkpoint:
    """Every kind of what is kept; the newest checkpoint."""
    append(store, 260)
    log = store.log("own", FINGERPRINT)
    log.append(b"mine")
    log.sign(ALICE)
    store.checkpoint(KEY)
    store.rotate(KEY, OTHER)
    append(store, 3)
    last = store.checkpoint(OTHER)
    line = store.witness(WITNESS, [OTHER.verifier]).cosign(last, store.consistency(0))
    store.add_cosignature(line, WITNESS.witness_verifier)
    store.erase([5], OTHER)
    assert store.verify(keys=KEY.verifier, checkpoint=last, witnesses=WITNESS.witness_verifier).holds
    return last


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Checkpoint]:
    path = tmp_path_factory.mktemp("sealed") / "sealed.db"
    with agent_store.open(path) as store:
        return path, with_everything(store)


def calls(store: Store, last: Checkpoint, directory: Path) -> Iterator[Callable[[], object]]:
    """All that reads what is kept."""
    witness = store.witness(WITNESS, [OTHER.verifier])
    yield lambda: list(store.checkpoints())
    yield lambda: list(store.checkpoints(reverse=True))
    yield lambda: store.receipt(next(store.entries()))
    yield lambda: store.consistency(last)
    yield lambda: store.consistency(260, last)
    yield lambda: witness.seen(KEY.name)
    yield witness.forks
    yield lambda: witness.cosign(last)
    yield lambda: store.add_cosignature(next(iter(last.splitlines())), WITNESS.witness_verifier)
    yield lambda: [entry.payload_len for entry in store.entries()]
    yield lambda: agent_store.export(store, io.BytesIO())
    yield lambda: export_tiles(store, directory)
    yield lambda: store.erase([5, 7], OTHER)
    yield lambda: store.log("own", FINGERPRINT).sign(ALICE)
    yield lambda: store.rotate(OTHER, KEY)
    yield lambda: store.log("s", "new").append(b"goes on")
    yield lambda: store.checkpoint(OTHER, after=last)


@pytest.mark.parametrize("lent", [False, True], ids=["file", "connection"])
def test_values_of_any_type(sealed: tuple[Path, Checkpoint], path: Path, tmp_path: Path, lent: bool) -> None:
    """A few of them each, as there are many: nothing but errors of ours, and a verdict, which does not hold."""
    source, last = sealed
    for number, (table, sql) in enumerate(DAMAGES[lent::5]):
        shutil.copy(source, path)
        tampering.damage(path, sql, loose=table)
        with suppress(errors.StoreError):
            agent_store.open(path, at_least=last).close()
        place = Lent("connection", path)
        store = place.open() if lent else agent_store.open(path)
        try:
            verdict = store.verify(keys=KEY.verifier, checkpoint=last, witnesses=WITNESS.witness_verifier)
            assert verdict.holds == ("'witnessed'" in sql), sql  # What it saw of others is of no verdict on itself.
            store.verify(checkpoint=last)
            for call in calls(store, last, tmp_path / f"tiles{number}"):
                with suppress(errors.StoreError):
                    call()
        finally:
            store.close()
            for connection in place.connections:
                connection.close()


@pytest.mark.differs("no second opening")
def test_a_forged_record_is_not_taken_for_an_erasure(place: Place) -> None:
    """Somebody removed a payload and says that it was erased: whoever erases it then learns of it."""
    with place.open() as store:
        append(store, 4)
        store.checkpoint(KEY)
        _, second, *_ = store.entries()
    record = erasure.Record(KEY.name, 2, second.payload_len, facts_of(second).leaf_hash()).sign(OTHER)
    add = "INSERT INTO _agent_store_erasures (position, payload_len, note)"
    empty = "'\\x'" if place.kind in {"postgres", "psycopg"} else "x''"
    place.damage(
        f"{add} VALUES (2, {second.payload_len}, '{record}'); "
        f"UPDATE _agent_store_entries SET payload = {empty} WHERE position = 2"
    )
    with place.open() as store:
        with pytest.raises(errors.EvidenceRefused):
            store.erase([1, 2], KEY)
        assert [entry.erased for entry in store.entries()] == [False, True, False, False]
        assert [found.kind for found in store.verify(keys=KEY).breaks] == ["erasure"]


def test_what_was_erased_under_an_older_key_is_erased(store: Store) -> None:
    append(store, 4)
    store.checkpoint(KEY)
    before = store.erase([2], KEY)
    store.rotate(KEY, OTHER)
    append(store, 1)
    store.checkpoint(OTHER)
    assert store.erase([2], OTHER).notes == before.notes


def test_a_truth_is_no_size(store: Store) -> None:
    """Its proof would begin with `old True`."""
    append(store, 1)
    store.checkpoint(KEY)
    with pytest.raises(TypeError):
        store.consistency(True)


@pytest.mark.timeout(30)
def test_a_pipe_in_a_directory_of_tiles(tmp_path: Path) -> None:
    """Nobody writes into it: who reads does not wait for that."""
    with agent_store.open(":memory:") as store:
        append(store, 300)
        store.checkpoint(KEY)
        export_tiles(store, tmp_path / "tiles")
    for name in ("checkpoint", "tile/0/000", "tile/entries/000"):
        file = tmp_path / "tiles" / name
        data = file.read_bytes()
        file.unlink()
        os.mkfifo(file)
        assert not verify_tiles(tmp_path / "tiles", KEY.verifier).holds
        file.unlink()
        file.write_bytes(data)
    assert verify_tiles(tmp_path / "tiles", KEY.verifier).holds
