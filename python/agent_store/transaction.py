"""Which transaction a call belongs to: the innermost one that its thread has open."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from agent_store.errors import TransactionConflict

if TYPE_CHECKING:
    from agent_store._core import Transaction
    from agent_store.backends.backend import Backend
    from agent_store.store import Store


class _Thread(threading.local):
    def __init__(self) -> None:
        self.open: list[Transaction] = []
        self.drawing = False


class Binding:
    """A backend, and for each thread the transactions it has open on it."""

    def __init__(self, backend: "Backend") -> None:
        self.backend = backend
        self._thread = _Thread()

    def reading(self) -> "Transaction | None":
        """The transaction that a read of this thread runs in."""
        open_now = self._thread.open
        return open_now[-1] if open_now else None

    def writing(self) -> "Transaction | None":
        """The transaction that a write of this thread runs in."""
        thread = self._thread
        if thread.drawing:
            raise TransactionConflict(
                "a write into the store from inside the iterable of its own append_many, which holds the write lock; "
                "collect what is to be written and append it afterwards"
            )
        return thread.open[-1] if thread.open else None

    def check_outside(self) -> None:
        """TransactionConflict where this thread has a transaction open."""
        if self._thread.open:
            raise TransactionConflict("close() inside a transaction of its own store: leave the block first")

    def push(self, tx: "Transaction") -> None:
        """Enter."""
        self._thread.open.append(tx)

    def pop(self) -> "Transaction":
        """Leave the innermost."""
        if not self._thread.open:
            raise TransactionConflict("a transaction belongs to the thread that entered it: leave it there")
        return self._thread.open.pop()

    def is_drawing(self) -> bool:
        """True while an iterable of the caller's runs in this thread."""
        return self._thread.drawing

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """While an iterable of the caller's runs, which must not write."""
        self._thread.drawing = True
        try:
            yield
        finally:
            self._thread.drawing = False


class TransactionBlock:
    """`with store.transaction():`; nested blocks are savepoints."""

    def __init__(self, store: "Store", binding: Binding) -> None:
        self._store = store
        self._binding = binding

    def __enter__(self) -> "Store":
        self._binding.push(self._binding.backend.begin(self._binding.writing()))
        return self._store

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        tx = self._binding.pop()
        if kind is None:
            self._binding.backend.commit(tx)
        else:
            self._binding.backend.rollback(tx)


class Whole:
    """A write of several calls that happens whole or not at all; reads of the thread do not see into it."""

    def __init__(self, binding: Binding) -> None:
        self._binding = binding
        self.tx = binding.backend.begin(binding.writing())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self._binding.backend.commit(self.tx)
        else:
            self._binding.backend.rollback(self.tx)
