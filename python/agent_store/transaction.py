"""Which transaction a call belongs to: the innermost one that its thread, or its task, has open."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from agent_store.errors import TransactionConflict

if TYPE_CHECKING:
    from agent_store.backends.backend import Backend

Drawn = TypeVar("Drawn")
Args = ParamSpec("Args")
Result = TypeVar("Result")


class Scope:
    """What belongs together: the transactions that are open, the innermost last; `drawing` while an iterable runs."""

    def __init__(self) -> None:
        self.open: list[Any] = []
        self.drawing = False


class _Thread(threading.local, Scope):
    """Of each thread its own."""


class Binding:
    """A backend, and for each thread the transactions it has open on it."""

    def __init__(self, backend: "Backend[Any, Any]") -> None:
        self.backend = backend
        self.thread = _Thread()

    def reading(self) -> Any:
        """The transaction that a read of this thread runs in."""
        open_now = self.thread.open
        return open_now[-1] if open_now else None

    def writing(self) -> Any:
        """The transaction that a write of this thread runs in."""
        thread = self.thread
        if thread.drawing:
            raise TransactionConflict(
                "a write into the store from inside the iterable of its own append_many, which holds the write lock; "
                "collect what is to be written and append it afterwards"
            )
        return thread.open[-1] if thread.open else None

    def check_outside(self, call: str) -> None:
        """TransactionConflict where this thread has a transaction open."""
        if self.thread.open:
            raise TransactionConflict(f"{call} inside a transaction of its own store: leave the block first")

    def within(self, scope: Scope, call: Callable[Args, Result], *args: Args.args, **kwargs: Args.kwargs) -> Result:
        """What `call` returns, run in this thread as a call of `scope`, whose own thread or task waits meanwhile."""
        thread = self.thread
        own = thread.open, thread.drawing
        thread.open, thread.drawing = scope.open, scope.drawing
        try:
            return call(*args, **kwargs)
        finally:
            thread.open, thread.drawing = own

    def is_drawing(self) -> bool:
        """True while an iterable of the caller's runs in this thread."""
        return self.thread.drawing

    def draw(self, call: Callable[[], Drawn]) -> Drawn:
        """What `call` returns, which runs an iterable of the caller's: it must not write."""
        # No context manager: an interrupt could fall between its lines.
        thread = self.thread
        thread.drawing = True
        try:
            return call()
        finally:
            thread.drawing = False
