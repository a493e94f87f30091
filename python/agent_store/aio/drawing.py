"""The iterables of append_many: an asynchronous one runs on the loop, in the task that appends, and any other in the
thread that writes.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextvars import copy_context
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from agent_store.aio.settling import settle, wait_on, wake
from agent_store.bulk import ROWS, SIZE
from agent_store.transaction import Scope

if TYPE_CHECKING:
    from concurrent.futures import Future

    from agent_store.aio.calls import Calls

Item = TypeVar("Item")
Result = TypeVar("Result")
Append = Callable[[Iterable[Any]], Result]


async def append(
    calls: "Calls", call: Append[Result], items: Iterable[Item] | AsyncIterable[Item], batch: int | None
) -> Result:
    """What `call`, which is of `batch`, returns of all items. A cancellation ends the iterable."""
    if isinstance(items, AsyncIterable):
        return await _Drawing(calls, items, batch).run(call)
    drawn = _Stoppable(items)
    return await settle(calls.bulk(partial(copy_context().run, call, drawn)), drawn.stop)


class _Stoppable:
    """An iterable that can be ended from another thread."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = items
        self._stopped = False

    def stop(self) -> None:
        self._stopped = True

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            if self._stopped:
                raise asyncio.CancelledError
            yield item


class _Chunk(NamedTuple):
    items: Sequence[Any] = ()
    last: bool = False
    error: BaseException | None = None


class _Drawing:
    """An asynchronous iterable: in the thread that writes, an iterable whose chunks are drawn on the loop."""

    def __init__(self, calls: "Calls", items: AsyncIterable[Any], batch: int | None) -> None:
        self._calls = calls
        self._source: AsyncIterator[Any] = aiter(items)
        self._batch = batch
        self._count = 0
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Future[None] = self._loop.create_future()
        self._wanted = False
        self._chunks: SimpleQueue[_Chunk] = SimpleQueue()

    async def run(self, call: Append[Result]) -> Result:
        calls = self._calls
        calls.here(calls.binding.writing)  # Inside an iterable that runs: refused before this one does.
        if self._batch is None or self._batch > 0:
            self._chunks.put(_Chunk(*await self._draw()))  # What comes in one chunk is waited for by no thread.
        writing = calls.bulk(partial(call, self))
        writing.add_done_callback(lambda _: wake(self._loop, self._waiting))
        try:
            return await self._serve(writing)
        finally:
            self._chunks.put(_Chunk(error=asyncio.CancelledError()))  # Nobody is here any more who would draw.

    async def _serve(self, writing: "Future[Result]") -> Result:
        cancelled: asyncio.CancelledError | None = None
        while not writing.done():
            self._waiting = self._loop.create_future()
            try:
                # Looked at after that: the thread first says what it wants, and then wakes whoever waits.
                if not self._wanted and not writing.done():
                    await self._waiting
                if self._wanted:
                    self._wanted = False
                    self._chunks.put(_Chunk(error=cancelled) if cancelled else await self._chunk())
            except asyncio.CancelledError as error:
                if writing.cancel():
                    raise
                cancelled = cancelled or error
        if cancelled is not None:
            raise cancelled from writing.exception()
        return writing.result()

    async def _chunk(self) -> _Chunk:
        try:
            return _Chunk(*await self._draw())
        except (asyncio.CancelledError, GeneratorExit):
            self._chunks.put(_Chunk(error=asyncio.CancelledError()))
            raise
        except BaseException as error:  # noqa: BLE001 - raised in the thread, and by it again
            return _Chunk(error=error)

    async def _draw(self) -> tuple[list[Any], bool]:
        """The next items, as many as `bulk` draws at a time, and whether they were the last."""
        calls, scope = self._calls, self._calls.scope() or Scope()
        most = ROWS if self._batch is None else min(ROWS, self._batch - self._count % self._batch)
        items: list[Any] = []
        size = 0
        calls.enter(scope)
        scope.drawing = True
        try:
            while len(items) < most and size < SIZE:
                item = await anext(self._source)
                items.append(item)
                size += _size(item)
        except StopAsyncIteration:
            return items, True
        finally:
            scope.drawing = False
            calls.leave(scope)
        self._count += len(items)
        return items, False

    def __iter__(self) -> Iterator[Any]:
        last = False
        while not last:
            items, last, error = self._next()
            yield from items
            if error is not None:
                raise error

    def _next(self) -> _Chunk:
        chunks: list[_Chunk] = []

        def got(timeout: float) -> bool:
            with contextlib.suppress(Empty):
                chunks.append(self._chunks.get(timeout=timeout))
            return bool(chunks)

        if not got(0):
            self._wanted = True
            wake(self._loop, self._waiting)
            if not wait_on(self._loop, got):
                raise asyncio.CancelledError
        return chunks[0]


def _size(item: Any) -> int:
    """Bytes of payload, of what may be anything yet."""
    payload = item[-1] if isinstance(item, tuple) and item else item
    try:
        return memoryview(payload).nbytes
    except TypeError:
        return 0
