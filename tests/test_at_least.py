"""`open(at_least=)`: an older copy that was put back is not opened."""

import shutil
from pathlib import Path

import pytest

import agent_store
from agent_store.errors import MalformedEvidence, StoreReplaced
from sealing import KEY, STRANGER, append
from stores import Place

pytestmark = pytest.mark.differs("no second opening")


def test_the_store_that_it_is_of(place: Place) -> None:
    with place.open() as store:
        append(store, 300)
        first = store.checkpoint(KEY)
        append(store, 3)
        second = store.checkpoint(KEY)
        append(store, 3)
    for known in (first, second, str(second)):
        with opened(place, known) as store:
            assert store.position() == 306


def opened(place: Place, known: str) -> agent_store.Store:
    if place.kind in {"file", "postgres"}:
        return place.open(at_least=known)
    connection = place.connect()  # type: ignore[attr-defined]
    schema = {"schema": place.name} if place.kind == "psycopg" else {}  # type: ignore[attr-defined]
    return agent_store.open(connection, at_least=known, **schema)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with agent_store.open(":memory:") as store:
        append(store, 1)
        known = store.checkpoint(KEY)
    for bad, error in ((known, FileNotFoundError), ("nothing", MalformedEvidence)):
        with pytest.raises(error):
            agent_store.open(tmp_path / "app.db", at_least=bad)
        assert not list(tmp_path.iterdir()), "nothing was made"


def test_an_older_state_or_another_history(place: Place) -> None:
    with place.open() as store:
        append(store, 3)
        store.checkpoint(KEY)
    with agent_store.open(":memory:") as elsewhere:
        with place.open() as store:
            elsewhere.append_many([(each.stream, each.writer, each.payload) for each in store.entries()])
        append(elsewhere, 1)
        larger = elsewhere.checkpoint(KEY)
        with pytest.raises(StoreReplaced, match="covers 4 entries and the store has 3"):
            opened(place, larger)
        with place.open() as store:
            append(store, 1)
        with pytest.raises(StoreReplaced, match="another history"):
            opened(place, larger)
        with place.open() as store:
            store.checkpoint(KEY)
        with pytest.raises(StoreReplaced, match="another history"):
            opened(place, larger)
    with agent_store.open(":memory:") as other, pytest.raises(StoreReplaced, match="seals under"):
        opened(place, other.checkpoint(STRANGER))
    with pytest.raises(MalformedEvidence):
        opened(place, "nothing")


def test_a_checkpoint_that_the_store_has_not_yet(place: Place) -> None:
    """The entries are those, whoever sealed them."""
    with place.open() as store, agent_store.open(":memory:") as copy:
        append(store, 3)
        copy.append_many([(each.stream, each.writer, each.payload) for each in store.entries()])
        known = copy.checkpoint(KEY)
        empty = agent_store.open(":memory:")
        nothing = empty.checkpoint(KEY)
        empty.close()
    for each in (known, nothing):
        opened(place, each).close()


def test_a_copy_of_the_file(path: Path, tmp_path: Path) -> None:
    with agent_store.open(path) as store:
        append(store, 3)
        store.checkpoint(KEY)
    old = tmp_path / "old.db"
    shutil.copy(path, old)
    with agent_store.open(path) as store:
        append(store, 1)
        known = store.checkpoint(KEY)
    with agent_store.open(path, at_least=known, read_only=True) as store:
        assert store.position() == 4
    shutil.copy(old, path)
    with pytest.raises(StoreReplaced):
        agent_store.open(path, at_least=known)
    with agent_store.open(path) as store:  # Nothing was done to it, and nothing holds it.
        assert store.position() == 3
