"""Whatever is done with a store, in whatever order: it is as a list and two dicts would be."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import hypothesis
import pytest
from hypothesis.stateful import initialize, precondition, rule

from agent_store import bulk, reading
from lent_machine import Lent, NoAutocommit
from machine import Machine
from shared_machine import Shared
from stores import File, a_file, a_lent_file, a_schema


class InMemory(Machine):
    @initialize()
    def open(self) -> None:
        self.place = File("memory", Path())
        self.store = self.place.open()
        self.make_notes()


class OnAFile(Shared):
    options: ClassVar[dict[str, Any]] = {"durability": "normal"}

    def arrange(self, stack: ExitStack) -> None:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        self.place = stack.enter_context(a_file("file", Path(folder) / "app.db"))

    @precondition(lambda self: not self.blocks)
    @rule()
    def read_alone(self) -> None:
        with self.place.open(read_only=True) as between:
            assert list(between.entries()) == self.model.now.entries


class OnAServer(OnAFile):
    has_view = False

    def arrange(self, stack: ExitStack) -> None:
        self.place = stack.enter_context(a_schema("postgres", self.server))


class OnASqliteConnection(Lent):
    options: ClassVar[dict[str, Any]] = {"timeout": 0.5}

    def arrange(self, stack: ExitStack) -> None:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        self.place = stack.enter_context(a_lent_file(Path(folder) / "app.db"))


class OnAPsycopgConnection(Lent):
    has_view = False

    def arrange(self, stack: ExitStack) -> None:
        self.place = stack.enter_context(a_schema("psycopg", self.server))


class InTransactionsOfSqlite(NoAutocommit, OnASqliteConnection):
    options: ClassVar[dict[str, Any]] = {"timeout": 0.5, "isolation_level": "DEFERRED"}


class InTransactionsOfPsycopg(NoAutocommit, OnAPsycopgConnection):
    options: ClassVar[dict[str, Any]] = {"autocommit": False}


@pytest.fixture(autouse=True)
def _small_chunks_and_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few entries are several chunks to be written and pages to be read, as thousands would be."""
    monkeypatch.setattr(bulk, "ROWS", 3)
    monkeypatch.setattr(reading, "FIRST_PAGE", 2)
    monkeypatch.setattr(reading, "LARGEST_PAGE", 4)


@pytest.fixture
def _a_server(postgres: str) -> None:
    Shared.server = postgres


# Where each step goes to a server and back, fewer examples.
FEWER = hypothesis.settings(max_examples=max(hypothesis.settings().max_examples // 4, 1))

TestInMemory = InMemory.TestCase
TestOnAFile = OnAFile.TestCase
TestOnASqliteConnection = OnASqliteConnection.TestCase
TestInTransactionsOfSqlite = InTransactionsOfSqlite.TestCase
TestOnAServer = OnAServer.TestCase
TestOnAPsycopgConnection = OnAPsycopgConnection.TestCase
TestInTransactionsOfPsycopg = InTransactionsOfPsycopg.TestCase
for test in (TestOnAServer, TestOnAPsycopgConnection, TestInTransactionsOfPsycopg):
    test.settings = FEWER
    pytest.mark.usefixtures("_a_server")(test)
