"""What the tests of copying, exporting and importing share."""

import io
from typing import Any

import agent_store
from agent_store import Entry, Store

ROWS = [(f"s{number % 3}", f"w{number % 5}", b"%d" % number * (number % 7)) for number in range(1_200)]


def everything(store: Store) -> tuple[list[Entry], dict[str, int]]:
    """Entries and generations."""
    return list(store.entries()), dict(store._binding.backend.generations())


def fill(store: Store, rows: Any = ROWS) -> Store:
    """Logs of several writers, large and empty payloads, and generations."""
    store.append_many(rows)
    store.log("s", "large").append(bytes(range(256)) * 10_000)
    store.log("ström", "🔔\u2028\x7f").append(b"")
    store.generation("g").set(7)
    store.generation("ids\n").set(2**63 - 1)
    return store


def forced(store: Store, *rows: tuple[str, str, bytes]) -> None:
    """Under names that the store's own calls refuse, and the crate may have written."""
    store._binding.backend.append_rows(list(rows))


def exported(store: Store) -> bytes:
    file = io.BytesIO()
    agent_store.export(store, file)
    return file.getvalue()
