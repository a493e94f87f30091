"""What the tests of waiting at a server look at: who listens there, and a store as another process has it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import agent_store
from agent_store import Store
from agent_store.backends.postgres.waiter import Waiter
from postgres_server import url_of
from stores import Schema
from threads import A_MOMENT

PRESENCE = 1634165621
DEADLINE = 20.0


def apart(schema: Schema, number: int = 1) -> Store:
    """As another process has it: it shares no bell with a store that was opened by the schema's own URL."""
    name = f"{schema.name}&fallback_application_name=other{number}"
    return agent_store.open(url_of(schema.server) + f"&schema={name}")


def key(schema: Schema) -> int:
    """Of the locks of the store."""
    table = f"{schema.name}._agent_store_entries"
    ((oid,),) = schema.run("SELECT %s::regclass::oid::bigint", table)
    return int(oid) - 2**31


def listeners(schema: Schema, *, granted: bool = True) -> list[int]:
    """The processes of the server that are there for who listens."""
    found = schema.run(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid::bigint = %s AND objid::bigint = %s "
        "AND granted = %s ORDER BY pid",
        PRESENCE,
        key(schema) % 2**32,
        granted,
    )
    return [pid for (pid,) in found]


def until(condition: Callable[[], object], seconds: float = DEADLINE) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.005)


@contextmanager
def waiting(store: Store, schema: Schema) -> Iterator[Waiter]:
    """One who waits, and whom writers know of, and has been woken for that."""
    backend: Any = store._binding.backend
    waiter: Waiter = backend.waiter()
    try:
        until(lambda: listeners(schema))
        settled(waiter)
        yield waiter
    finally:
        waiter.stop()


def settled(waiter: Waiter) -> int:
    """What it looks at once no more rings come."""
    seen = waiter.look()
    while waiter.wait(seen, 0.3):
        seen = waiter.look()
    return seen


def asleep(schema: Schema) -> None:
    """Who waits has read what was there when it began to listen."""
    until(lambda: listeners(schema))
    time.sleep(A_MOMENT)


def sleeping(call: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    """In a thread: what it came to."""
    found: list[object] = []

    def run() -> None:
        try:
            found.append(call())
        except Exception as error:  # noqa: BLE001 - it is looked at by the test
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found
