"""Having a function, or a coroutine function, called for each commit, in a task of its own."""

import asyncio
import inspect
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from agent_store.aio.following import Following
from agent_store.errors import BackendError, BusyError
from agent_store.subscription import event_of, log_end, log_raised, longer

if TYPE_CHECKING:
    from agent_store._core import CommitEvent, Entry
    from agent_store.aio.calls import Calls


class AsyncSubscription:
    """A callback that is told of commits, until this is closed. `AsyncDoorbell.subscribe` makes it."""

    def __init__(self, calls: "Calls", callback: "Callable[[CommitEvent], object]", following: Following) -> None:
        self._callback = callback
        self._following = following
        self._telling = False
        self._error: BaseException | None = None
        self._task = asyncio.create_task(self._run(), name="agent-store subscription")
        calls.tasks.add(self._task)  # The loop itself would forget it.
        self._task.add_done_callback(calls.tasks.discard)

    @property
    def position(self) -> int:
        """How far it has come: `subscribe(…, after=subscription.position)` goes on from here.

        The position of the newest event that the callback was called with, or of all there is where that is behind.
        """
        return self._following.position

    @property
    def error(self) -> BaseException | None:
        """What ended it: StoreClosed, StoreReplaced, or what reading raised; None until then, and after `close`."""
        return self._error

    async def close(self) -> None:
        """No callback begins after this returns; one that runs is waited for, unless it is the one that closes.

        Any number of times.
        """
        if self._telling:
            self._following.close()  # It ends when the callback has.
        else:
            self._task.cancel()
        if self._task is not asyncio.current_task():
            await asyncio.wait([self._task])
        self._following.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self) -> None:
        try:
            await self._serve()
        except Exception as error:  # noqa: BLE001 - told as it came
            if not self._following.is_closed():
                self._error = error
                log_end(self.position, error)
        finally:
            self._following.close()

    async def _serve(self) -> None:
        pause = 0.0
        while not self._following.is_closed():
            try:
                if not await self._following.step():
                    await self._following.sleep(None)
                pause = 0.0
            except (BackendError, BusyError) as error:
                pause = longer(pause, self.position, error)
                await asyncio.sleep(pause)
            while not self._following.is_closed() and (entry := self._following.take()) is not None:
                await self._tell(entry)

    async def _tell(self, entry: "Entry") -> None:
        event = event_of(entry)
        self._telling = True
        try:
            result = self._callback(event)
            if inspect.isawaitable(result):
                await result
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            log_raised(event)
        except Exception:  # noqa: BLE001 - it is told
            log_raised(event)
        finally:
            self._telling = False
