"""Fixtures of all tests, and the guard that what they test is the installed wheel."""

import signal
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

import agent_store

INSTALLED = Path(sysconfig.get_path("platlib")).resolve()
SOURCE = Path(__file__).resolve().parent.parent / "python"

# The same examples every time. To look for new ones: make test ARGS='-k model --hypothesis-profile=search'
FIXED = hypothesis.settings(max_examples=200, deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile("fixed", FIXED)
hypothesis.settings.register_profile("search", deadline=None, max_examples=2_000)
hypothesis.settings.load_profile("fixed")


def pytest_configure() -> None:
    # A shell without job control starts what runs in its background with Ctrl-C ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for module in (agent_store, agent_store._core):
        found = Path(module.__file__ or "").resolve()
        if not found.is_relative_to(INSTALLED) or found.is_relative_to(SOURCE):
            raise pytest.UsageError(f"{found} is not of the installed wheel in {INSTALLED}: run `make test`")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, path: Path) -> Iterator[agent_store.Store]:
    with agent_store.open(path if request.param == "file" else ":memory:") as opened:
        yield opened
