"""Opening a store for coroutines."""

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from agent_store.aio.opened import Opening
from agent_store.aio.progress import Relay
from agent_store.aio.settling import apart, settle
from agent_store.aio.store import AsyncStore
from agent_store.store import open
from agent_store.targets import kind_of

if TYPE_CHECKING:
    from agent_store.evidence.checkpoint import Checkpoint
    from agent_store.store import Durability, Progress
    from agent_store.targets import Path

LENT = (
    "open_async() takes a path or a postgresql:// URL. Its calls run in threads: on a connection of yours they would "
    "run beside your own statements, and join whatever transaction it has open, of whichever task. Open the store by "
    "its path or URL, or use agent_store.open(connection) in the one thread that has the connection"
)


def open_async(
    target: "Path",
    *,
    durability: "Durability | None" = None,
    read_only: bool | None = None,
    timeout: float | None = None,
    progress: "Progress | None" = None,
    schema: str | None = None,
    at_least: "Checkpoint | str | None" = None,
) -> Opening[AsyncStore]:
    """Open a store for coroutines: to be awaited, or entered: `async with agent_store.open_async(…) as store:`.

    As `agent_store.open`, and with its errors; `progress(done, total)` is called on the event loop. TypeError for a
    connection of the caller's.
    """
    kind_of(target)
    if not isinstance(target, str | os.PathLike):
        raise TypeError(LENT)
    options = {
        "durability": durability,
        "read_only": read_only,
        "timeout": timeout,
        "schema": schema,
        "at_least": at_least,
    }
    return Opening(partial(_open, target, progress, options))


async def _open(target: "Path", progress: "Progress | None", options: dict[str, Any]) -> AsyncStore:
    relay = Relay(progress)
    opening = apart(lambda: open(target, progress=relay, **options))
    try:
        store = await settle(opening, relay.stop, firm=True)
    except BaseException:
        if opening.done() and opening.exception() is None:
            await settle(apart(opening.result().close), firm=True)
        raise
    return AsyncStore(store)
