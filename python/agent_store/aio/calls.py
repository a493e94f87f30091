"""Which thread a call runs in, and in whose transaction."""

import asyncio
import contextlib
import os
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

from agent_store.aio.bell import Bell
from agent_store.aio.progress import Relay
from agent_store.aio.settling import apart, settle, submit
from agent_store.errors import BackendError, ForkedStore, TransactionConflict
from agent_store.store import Progress, Store, binding_of
from agent_store.transaction import Binding, Scope

THREADS = {"sqlite": (32, 8), "postgres": (5, 4)}
"""That write, and that read, at most: as many writes share one commit; on a server each has a connection of ten."""
WITHIN = 2
"""A transaction's calls, which must never wait for those that wait for its end, come one by one; but while an iterable
of its append_many runs, what that reads is a second."""
Args = ParamSpec("Args")
Result = TypeVar("Result")


class Calls:
    """Runs the calls of one store in threads: each as if the task that awaits it had made it in a thread of its own."""

    def __init__(self, store: Store) -> None:
        self.binding: Binding = binding_of("store", store)
        self._pid = os.getpid()
        writes, reads = THREADS[self.binding.backend.kind]
        self._writes = ThreadPoolExecutor(writes, "agent-store write")
        self._reads = ThreadPoolExecutor(reads, "agent-store read")
        self._within = ThreadPoolExecutor(WITHIN, "agent-store transaction")
        self.tasks: set[asyncio.Task[None]] = set()
        self._bells: dict[asyncio.AbstractEventLoop, Bell] = {}
        self._scopes: weakref.WeakKeyDictionary[asyncio.Task[Any], Scope] = weakref.WeakKeyDictionary()

    def scope(self) -> Scope | None:
        """The transactions of the running task; None where it has none, nor an iterable that runs."""
        if not self._scopes:
            return None
        task = asyncio.current_task()
        return None if task is None else self._scopes.get(task)

    def enter(self, scope: Scope) -> None:
        """From now on the running task's calls belong to it."""
        task = asyncio.current_task()
        if task is not None:
            self._scopes[task] = scope

    def leave(self, scope: Scope) -> None:
        """They do no more, once nothing is open in it."""
        if scope.open or scope.drawing:
            return
        for task in [*self._scopes.keyrefs()]:  # A copy at once: other threads have tasks, too.
            alive = task()
            if alive is not None and self._scopes.get(alive) is scope:
                del self._scopes[alive]

    async def read(self, call: Callable[Args, Result], /, *args: Args.args, **kwargs: Args.kwargs) -> Result:
        """What a call that only reads returns."""
        return await settle(self.reading(partial(call, *args, **kwargs)))

    async def write(self, call: Callable[Args, Result], /, *args: Args.args, **kwargs: Args.kwargs) -> Result:
        """What a call that may write returns. A cancellation that leaves it has found it done, or not begun."""
        return await settle(self._submit(self._writes, partial(call, *args, **kwargs)))

    async def long(self, call: Callable[[Progress], Result], progress: Progress | None = None) -> Result:
        """What a call that takes long, and tells how far it is, returns. A cancellation ends it."""
        relay = Relay(progress)
        return await settle(self._submit(self._reads, partial(call, relay)), relay.stop)

    def begin(self, scope: Scope, call: Callable[[], object]) -> "Future[object]":
        """A call that opens a transaction in `scope`, on its way."""
        if asyncio.current_task() is None:
            raise TransactionConflict("a transaction belongs to a task, and none is running")
        return self._send(self._within if scope.open else self._writes, partial(self.binding.within, scope, call))

    def end(self, scope: Scope, call: Callable[[], object]) -> "Future[object]":
        """A call that ends one, also where the store was closed meanwhile."""
        ending = partial(self.binding.within, scope, call)
        try:
            return submit(self._within, ending)
        except BackendError:
            return apart(ending)

    def reading(self, call: Callable[[], Result]) -> "Future[Result]":
        """A call that only reads, on its way."""
        return self._submit(self._reads, call)

    def bulk(self, call: Callable[[], Result]) -> "Future[Result]":
        """A call that writes, on its way."""
        return self._submit(self._writes, call)

    def _submit(self, threads: ThreadPoolExecutor, call: Callable[[], Result]) -> "Future[Result]":
        scope = self.scope()
        if scope is None:
            return self._send(threads, call)
        return self._send(self._within if scope.open else threads, partial(self.binding.within, scope, call))

    def _send(self, threads: ThreadPoolExecutor, call: Callable[[], Result]) -> "Future[Result]":
        if os.getpid() != self._pid:
            raise ForkedStore  # Said here, as no thread is left that could.
        try:
            return submit(threads, call)
        except BackendError:
            self.binding.backend.check_open()
            raise

    def check_outside(self, call: str) -> None:
        """TransactionConflict where the running task has a transaction open."""
        self.here(self.binding.check_outside, call)

    def here(self, call: Callable[Args, Result], *args: Args.args, **kwargs: Args.kwargs) -> Result:
        """What a call that waits for nothing returns, in this thread, as one of the running task."""
        return self.binding.within(self.scope() or Scope(), call, *args, **kwargs)

    def bell(self) -> Bell:
        """By which the running loop's tasks wait."""
        loop = asyncio.get_running_loop()
        self._shut_ended()
        return self._bells.setdefault(loop, Bell(self, loop))

    def _shut_ended(self) -> None:
        """Those of loops that are closed, which no task of theirs can."""
        for loop in [*self._bells]:  # A copy at once: other threads have loops, too.
            bell = self._bells.pop(loop, None) if loop.is_closed() else None
            if bell is not None:
                bell.shut()

    def shut(self) -> None:
        """The store is closed: who waits is told, and the threads end when what they do has."""
        running = asyncio.get_running_loop()
        self._shut_ended()
        for loop, bell in list(self._bells.items()):
            if loop is running:
                bell.shut()
            else:
                with contextlib.suppress(RuntimeError):  # It is closed.
                    loop.call_soon_threadsafe(bell.shut)
        for threads in (self._writes, self._reads, self._within):
            threads.shutdown(wait=False)
