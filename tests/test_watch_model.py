"""Whoever follows, whatever is written between: each is given what a list of all commits says, once and in order."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest

from agent_store import follow
from stores import a_file, a_schema
from watching_machine import WatchingMachine


class InMemory(WatchingMachine):
    def arrange(self, stack: ExitStack) -> None:
        self.place = stack.enter_context(a_file("memory", Path()))


class OnAFile(WatchingMachine):
    def arrange(self, stack: ExitStack) -> None:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        self.place = stack.enter_context(a_file("file", Path(folder) / "app.db"))


class OnAServer(WatchingMachine):
    def arrange(self, stack: ExitStack) -> None:
        self.place = stack.enter_context(a_schema("postgres", self.server))


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few entries are several pages, as thousands would be."""
    monkeypatch.setattr(follow, "LARGEST_PAGE", 3)


@pytest.fixture
def _a_server(postgres: str) -> None:
    WatchingMachine.server = postgres


def at_most(part: int) -> hypothesis.settings:
    """Where each step costs more, fewer examples."""
    return hypothesis.settings(max_examples=max(hypothesis.settings().max_examples // part, 1))


TestInMemory = InMemory.TestCase
TestInMemory.settings = at_most(3)
TestOnAFile = OnAFile.TestCase
TestOnAFile.settings = at_most(5)
TestOnAServer = OnAServer.TestCase
TestOnAServer.settings = at_most(20)
pytest.mark.usefixtures("_a_server")(TestOnAServer)
