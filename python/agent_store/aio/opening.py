"""Opening a store for coroutines."""

import os
from collections.abc import Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from agent_store.aio.progress import Relay
from agent_store.aio.settling import apart, settle
from agent_store.aio.store import AsyncStore
from agent_store.store import kind_of, open

if TYPE_CHECKING:
    from agent_store.store import Durability, Path, Progress

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
) -> "Opening":
    """Open a store for coroutines: to be awaited, or entered: `async with agent_store.open_async(…) as store:`.

    As `agent_store.open`, and with its errors; `progress(done, total)` is called on the event loop. TypeError for a
    connection of the caller's.
    """
    kind_of(target)
    if not isinstance(target, str | os.PathLike):
        raise TypeError(LENT)
    options = {"durability": durability, "read_only": read_only, "timeout": timeout, "schema": schema}
    return Opening(target, progress, options)


class Opening:
    """A store that is opened when this is awaited, or entered, which also closes it."""

    def __init__(self, target: "Path", progress: "Progress | None", options: dict[str, Any]) -> None:
        self._opening = _open(target, progress, options)  # Python warns of one that nobody awaits.
        self._store: AsyncStore | None = None

    def __await__(self) -> Generator[Any, None, AsyncStore]:
        return self._opening.__await__()

    async def __aenter__(self) -> AsyncStore:
        self._store = await self._opening
        return self._store

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._store is not None:
            await self._store.close()


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
