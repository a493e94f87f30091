"""The store of coroutines has the names, arguments and defaults of the plain one, which imports none of it."""

import inspect
import sqlite3
import subprocess
import sys
from typing import Any

import psycopg
import pytest

import agent_store
from agent_store import (
    AsyncDoorbell,
    AsyncGeneration,
    AsyncStore,
    AsyncSubscription,
    AsyncWatch,
    AsyncWriterLog,
    Doorbell,
    Generation,
    Store,
    Subscription,
    Watch,
    WriterLog,
)
from agent_store.aio.sealed import AsyncSealed
from agent_store.aio.witness import AsyncWitness
from agent_store.evidence.witness import Witness
from agent_store.sealed import Sealed

PAIRS: tuple[tuple[type[object], type[object]], ...] = (
    (Store, AsyncStore),
    (Sealed, AsyncSealed),
    (WriterLog, AsyncWriterLog),
    (Generation, AsyncGeneration),
    (Doorbell, AsyncDoorbell),
    (Subscription, AsyncSubscription),
    (Watch, AsyncWatch),
    (Witness, AsyncWitness),
)
PLAIN = {"log", "generation", "transaction", "entries", "watch", "subscribe", "checkpoints", "witness"}
"""What gives something to be awaited, entered or iterated over. All else is awaited itself."""


def public(kind: type[object]) -> dict[str, object]:
    return {name: value for name, value in vars(kind).items() if not name.startswith("_")}


def arguments(call: object) -> list[tuple[str, object, object]]:
    assert callable(call)
    return [(each.name, each.kind, each.default) for each in inspect.signature(call).parameters.values()]


@pytest.mark.parametrize(("plain", "awaited"), PAIRS, ids=lambda kind: kind.__name__)
def test_each_call(plain: type[object], awaited: type[object]) -> None:
    assert public(plain).keys() == public(awaited).keys()
    for name, call in public(plain).items():
        other = public(awaited)[name]
        assert inspect.getdoc(other), name
        if isinstance(call, property):
            assert isinstance(other, property), name
            continue
        assert arguments(other) == arguments(call), name
        assert inspect.iscoroutinefunction(other) == (name not in PLAIN), name


def test_opening() -> None:
    assert arguments(agent_store.open_async) == arguments(agent_store.open)


def test_importing_the_package_imports_none_of_it() -> None:
    code = (
        "import sys, agent_store; print(*sorted({'asyncio', 'concurrent', 'agent_store.aio'} & sys.modules.keys()));"
        "print(set(agent_store.__all__) <= set(dir(agent_store)), hasattr(agent_store, 'nothing'));"
        "from agent_store import open_async, AsyncStore; print(AsyncStore is agent_store.AsyncStore)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "\nTrue False\nTrue\n"


def test_a_connection_of_the_callers_is_refused(postgres: str) -> None:
    open_async: Any = agent_store.open_async
    with sqlite3.connect(":memory:") as db, psycopg.connect(postgres) as other:
        for connection in (db, other):
            with pytest.raises(TypeError, match="run in threads"):
                open_async(connection)
    db.close()
    with pytest.raises(TypeError, match="not by a"):
        open_async(5)
