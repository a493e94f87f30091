"""Whatever is done with a store, in whatever order: it is as a list and two dicts would be."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

import agent_store
from agent_store import bulk, reading
from machine import Machine, keys, logs, payloads


class InMemory(Machine):
    @initialize()
    def open(self) -> None:
        self.store = agent_store.open(":memory:")
        self.store.execute("CREATE TABLE notes (text)")


class OnAFile(Machine):
    """Another store on the same file writes between, and the file is opened anew."""

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "app.db"
        self.store = agent_store.open(self.path, durability="normal")
        self.other = agent_store.open(self.path, durability="normal", timeout=0)
        self.store.execute("CREATE TABLE notes (text)")

    def teardown(self) -> None:
        super().teardown()
        self.other.close()
        self.folder.cleanup()

    @precondition(lambda self: not self.blocks)
    @rule(log=logs, payload=payloads)
    def append_by_another(self, log: tuple[str, str], payload: bytes) -> None:
        assert self.other.log(*log).append(payload) == self.model.append(*log, payload)

    @precondition(lambda self: not self.blocks)
    @rule(key=keys)
    def count_by_another(self, key: str) -> None:
        assert self.other.generation(key).bump() == self.model.raise_to(key, self.model.now.generations.get(key, 0) + 1)

    @precondition(lambda self: not self.blocks)
    @rule(read_only=st.booleans())
    def reopen(self, read_only: bool) -> None:
        self.store.close()
        self.readings.clear()
        with agent_store.open(self.path, read_only=read_only) as between:
            assert list(between.entries()) == self.model.now.entries
        self.store = agent_store.open(self.path, durability="normal")

    @invariant()
    def others_see_what_is_committed(self) -> None:
        assert list(self.other.entries()) == self.model.committed.entries


@pytest.fixture(autouse=True)
def _small_chunks_and_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few entries are several chunks to be written and pages to be read, as thousands would be."""
    monkeypatch.setattr(bulk, "ROWS", 3)
    monkeypatch.setattr(reading, "FIRST_PAGE", 2)
    monkeypatch.setattr(reading, "LARGEST_PAGE", 4)


TestInMemory = InMemory.TestCase
TestOnAFile = OnAFile.TestCase
