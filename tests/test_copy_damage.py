"""Copying where the source or the target is damaged: nothing damaged is copied, and it is said which of them it is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import agent_store
from agent_store import Store
from agent_store.errors import ChainBroken, StoreError, TargetDiverged
from moving import ROWS, fill
from tampering import damage


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Store]:
    with agent_store.open(tmp_path / "source.db") as opened:
        yield fill(opened)


def test_damage_of_the_source_is_named(source: Store, tmp_path: Path, store: Store) -> None:
    source.close()
    path = tmp_path / "source.db"
    damage(path, "UPDATE _agent_store_entries SET payload = x'00' WHERE position = 700")
    with agent_store.open(path) as broken:
        with pytest.raises(ChainBroken) as caught:
            agent_store.copy(broken, store)
        entry = next(broken.entries(after=699))
        assert (caught.value.stream, caught.value.writer, caught.value.seq) == (entry.stream, entry.writer, entry.seq)
        assert "content_hash is " in str(caught.value)
        assert "in the source" in str(caught.value)
        assert store.position() == 0


DAMAGES = {
    "a hash": "UPDATE _agent_store_entries SET content_hash = zeroblob(32) WHERE position = 700",
    "a hash too short": "UPDATE _agent_store_entries SET content_hash = x'00' WHERE position = 700",
    "a row is missing": "DELETE FROM _agent_store_entries WHERE position = 700",
    "a log is not listed": "DELETE FROM _agent_store_logs WHERE id = 5",
    "a name that is no text": "UPDATE _agent_store_logs SET writer = CAST(x'ff' AS TEXT) WHERE id = 5",
}


@pytest.mark.parametrize("how", DAMAGES)
def test_no_damage_is_copied(source: Store, tmp_path: Path, how: str) -> None:
    source.close()
    path = tmp_path / "source.db"
    damage(path, DAMAGES[how])
    with agent_store.open(path) as broken, agent_store.open(":memory:") as store:
        with pytest.raises(StoreError) as caught:
            agent_store.copy(broken, store)
        assert not isinstance(caught.value, TargetDiverged)
        assert store.position() == 0


def test_a_damaged_target_is_no_beginning(source: Store, tmp_path: Path) -> None:
    target = tmp_path / "target.db"
    with agent_store.open(target) as store:
        store.append_many(ROWS[:100])
    damage(target, "DELETE FROM _agent_store_entries WHERE position = 50")
    with agent_store.open(target) as store:
        with pytest.raises(ChainBroken) as caught:
            agent_store.copy(source, store)
        assert caught.value.__notes__ == ["this is in the target"]
    damage(target, "DELETE FROM _agent_store_entries WHERE position = 98")
    with agent_store.open(target) as store, pytest.raises(TargetDiverged, match="or it is damaged, which verify would"):
        agent_store.copy(source, store)


def test_damage_of_the_target_is_in_the_verdict(source: Store, tmp_path: Path) -> None:
    target = tmp_path / "target.db"
    with agent_store.open(target) as store:
        agent_store.copy(source, store)
    damage(target, "UPDATE _agent_store_entries SET payload = x'00' WHERE position = 50")
    with agent_store.open(target) as store:
        verdict = agent_store.copy(source, store)
    assert [(found.kind, found.position) for found in verdict.breaks] == [("hash", 50)]
