"""The store, awaited: what `open_async` gives."""

import warnings
from collections.abc import AsyncIterable, Iterable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from agent_store.aio import drawing
from agent_store.aio.block import AsyncTransactionBlock
from agent_store.aio.calls import Calls
from agent_store.aio.doorbell import AsyncDoorbell
from agent_store.aio.entries import AsyncEntries
from agent_store.aio.generation import AsyncGeneration
from agent_store.aio.log import AsyncWriterLog
from agent_store.aio.sealed import AsyncSealed
from agent_store.aio.settling import apart, settle
from agent_store.aio.watch import AsyncWatch
from agent_store.names import check_names, checked_streams
from agent_store.store import Store
from agent_store.waiting import checked_timeout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_store._core import Head
    from agent_store.log import Buffer
    from agent_store.store import Params, Progress
    from agent_store.targets import Path
    from agent_store.verdict import Verdict


class AsyncStore(AsyncSealed):
    """`Store`, awaited. What blocks runs in threads; any number of tasks, and of event loops, may use it.

    A transaction belongs to the task that entered it: what other tasks write stays out of it and waits for its end, and
    that holds for tasks which are started inside it, too.
    """

    _closed = True

    def __init__(self, store: Store) -> None:
        self._store = store
        self._calls = Calls(store)
        self._closed = False

    @property
    def target(self) -> str:
        """What it was opened by, of a URL without its password."""
        return self._store.target

    def log(self, stream: str, writer: str) -> AsyncWriterLog:
        """The log of one writer in one stream; nothing is written yet."""
        return AsyncWriterLog(self._calls, self._store.log(stream, writer))

    def generation(self, key: str) -> AsyncGeneration:
        """A named counter; nothing is written yet."""
        return AsyncGeneration(self._calls, self._store.generation(key))

    async def append_many(
        self,
        rows: "Iterable[tuple[str, str, Buffer]] | AsyncIterable[tuple[str, str, Buffer]]",
        *,
        batch: int | None = None,
    ) -> int:
        """Append rows of (stream, writer, payload) to many logs, in this order; the last position.

        As `AsyncWriterLog.append_many` otherwise.
        """
        return await drawing.append(self._calls, partial(self._store.append_many, batch=batch), rows, batch)

    def entries(
        self,
        *,
        after: int = 0,
        stream: "str | Sequence[str] | None" = None,
        writer: str | None = None,
        reverse: bool = False,
    ) -> AsyncEntries:
        """`async for` the entries with positions above `after`, in commit order or backwards.

        Ends where the store ended when it began. With `stream` (one, or several) or `writer` only theirs.
        """
        return AsyncEntries(
            self._calls, self._store.entries(after=after, stream=stream, writer=writer, reverse=reverse)
        )

    async def heads(self, stream: str | None = None) -> "list[Head]":
        """The newest entry of every log, or of those of one stream, by stream and writer."""
        return await self._calls.read(self._store.heads, stream)

    async def position(self) -> int:
        """The newest committed position, 0 in an empty store."""
        return await self._calls.read(self._store.position)

    @property
    def doorbell(self) -> AsyncDoorbell:
        """Waiting for commits: `wait`, `subscribe`, `ring`."""
        return AsyncDoorbell(self._calls)

    def watch(
        self,
        *,
        stream: "str | Sequence[str] | None" = None,
        writer: str | None = None,
        after: int | None = None,
        exclude_writer: str | None = None,
        timeout: float | None = None,
    ) -> AsyncWatch:
        """`async for` the entries with positions above `after`, and then each that is committed, by anybody.

        As `Store.watch`. `after=None` begins when it is entered by `async with`, or when its first entry is asked for.
        """
        selected = {"stream": checked_streams(stream), "writer": writer, "exclude_writer": exclude_writer}
        check_names(None, writer, exclude_writer)
        return AsyncWatch(self._calls, checked_timeout(timeout), {**selected, "after": after})

    def transaction(self) -> AsyncTransactionBlock:
        """`async with store.transaction():` all that this task does in the block is committed together, or vanishes."""
        return AsyncTransactionBlock(self, self._store, self._calls)

    async def execute(self, sql: str, params: "Params" = ()) -> int:
        """Run one statement of the caller's own on the writing connection; how many rows it changed."""
        return await self._calls.write(self._store.execute, sql, params)

    async def query(self, sql: str, params: "Params" = ()) -> list[tuple[Any, ...]]:
        """The rows of one statement, read beside writers; one that writes (RETURNING) runs as a write."""
        return await self._calls.read(self._store.query, sql, params)

    async def info(self) -> dict[str, Any]:
        """Facts of the store, as `Store.info`."""
        return await self._calls.read(self._store.info)

    async def backup(self, path: "Path", *, progress: "Progress | None" = None) -> "Verdict":
        """Copy the store to a new file while others go on writing, as `Store.backup`.

        `progress(done, total)` is called on the loop. Cancelled, no file is left.
        """
        return await self._calls.long(lambda relay: self._store.backup(path, progress=relay), progress)

    async def close(self) -> None:
        """Close the store, once the calls of other tasks have ended. Any number of times."""
        self._calls.check_outside("close()")
        await settle(apart(self._store.close), firm=True)
        self._calls.shut()
        self._closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        if not self._closed:
            self._store._closed = True  # noqa: SLF001 - one warning is enough
            warnings.warn(
                f"{self!r} was never closed: use `async with agent_store.open_async(…) as store`", ResourceWarning, 2
            )

    def __repr__(self) -> str:
        return f"Async{self._store!r}"
