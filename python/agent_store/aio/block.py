"""`async with store.transaction():`"""

import asyncio
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from agent_store._core import TransactionBlock
from agent_store.aio.settling import ended, settle
from agent_store.transaction import Scope

if TYPE_CHECKING:
    from concurrent.futures import Future

    from agent_store.aio.calls import Calls
    from agent_store.aio.store import AsyncStore
    from agent_store.store import Store


class AsyncTransactionBlock:
    """A transaction of the task that enters it; nested blocks are savepoints."""

    def __init__(self, store: "AsyncStore", inner: "Store", calls: "Calls") -> None:
        self._store = store
        self._calls = calls
        self._block = TransactionBlock(inner, calls.binding)
        self._entered: list[Scope] = []

    async def __aenter__(self) -> "AsyncStore":
        scope = self._calls.scope() or Scope()
        begun = self._calls.begin(scope, self._block.__enter__)
        await (self._nested(scope, begun) if scope.open else self._outermost(scope, begun))
        self._calls.enter(scope)
        self._entered.append(scope)
        return self._store

    async def _outermost(self, scope: Scope, begun: "Future[object]") -> None:
        """A cancellation does not wait with it for the write lock: which is let go where it is had at last."""

        def give_up(begun: "Future[object]") -> None:
            if begun.exception() is None:
                self._calls.end(scope, self._undo)

        try:
            await ended(begun)
        except BaseException:
            if not begun.cancel():
                begun.add_done_callback(give_up)
            raise
        begun.result()

    async def _nested(self, scope: Scope, begun: "Future[object]") -> None:
        """It waits for nobody, and what comes next in the transaction must find it gone."""
        try:
            await settle(begun, firm=True)
        except asyncio.CancelledError:
            if begun.exception() is None:
                await settle(self._calls.end(scope, self._undo), firm=True)
            raise

    def _undo(self) -> None:
        self._block.__exit__(asyncio.CancelledError, None, None)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        leave = partial(self._block.__exit__, kind, error, None)
        if kind is GeneratorExit and self._entered:
            # Python's own end of who will never run again: nothing can be awaited.
            scope = self._entered.pop()
            self._calls.binding.within(scope, leave)
            self._calls.leave(scope)
            return
        scope = self._calls.scope() or Scope()
        try:
            await settle(self._calls.end(scope, leave), firm=True)
        finally:
            self._calls.leave(scope)
        self._entered.pop()
