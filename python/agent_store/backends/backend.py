"""The contract between the store and a database.

The facade owns names, types, defaults and which transaction a call belongs to; a backend owns bytes and statements.
What it is handed has been checked. `tx=None` is a transaction of its own, durable when the call returns; the errors are
those of `agent_store.errors`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from agent_store._core import Appended, Entry, Findings, Head

Tx = TypeVar("Tx")
"""What a backend knows its transactions by."""
Pages = TypeVar("Pages")
"""And its readings."""


class Backend(Protocol[Tx, Pages]):
    """One database, opened."""

    @property
    def kind(self) -> str:
        """Its name in `info()`."""

    @property
    def owned(self) -> bool:
        """False for a connection of the caller's."""

    @property
    def commits(self) -> bool:
        """False while a write outside of `begin` becomes part of a transaction that only the caller ends."""

    @property
    def exclusive(self) -> bool:
        """True where nobody can read while a transaction is open: one connection for all."""

    def check_open(self) -> None:
        """Raise StoreClosed or ForkedStore."""

    def begin(self, within: Tx | None = None) -> Tx:
        """Take the write lock, BusyError after the timeout; within another transaction, a savepoint."""

    def commit(self, tx: Tx) -> None:
        """Durable on return, where it is no savepoint; OutcomeUnknown where the answer was lost."""

    def rollback(self, tx: Tx) -> None:
        """Never raises."""

    def append(
        self,
        stream: str,
        writer: str,
        payloads: list[bytes],
        expected: tuple[int, bytes] | None = None,
        tx: Tx | None = None,
    ) -> Appended:
        """Append to one log; `expected` is seq and hash of its head, (0, b"") for none, None for unchecked."""

    def append_rows(self, rows: list[tuple[str, str, bytes]], tx: Tx | None = None) -> int:
        """Append (stream, writer, payload) in this order; the last position."""

    def pages(
        self,
        stream: str | None = None,
        writer: str | None = None,
        *,
        after: int = 0,
        start: int = 1,
        stop: int | None = None,
        reverse: bool = False,
    ) -> Pages:
        """A reading: positions above `after`, seqs from `start` to below `stop`. Nothing is read yet."""

    def read(self, pages: Pages, limit: int, tx: Tx | None = None) -> list[Entry]:
        """At most `limit` entries more; none when the reading is over."""

    def heads(self, stream: str | None = None, tx: Tx | None = None) -> list[Head]:
        """By stream and writer."""

    def position(self, tx: Tx | None = None) -> int:
        """The newest, 0 in an empty store."""

    def verify(self, progress: Callable[[int, int], object] | None = None, tx: Tx | None = None) -> Findings:
        """The whole store, as of its newest position when it begins."""

    def verify_log(
        self,
        stream: str,
        writer: str,
        since: Head | None = None,
        contains: Head | None = None,
        progress: Callable[[int, int], object] | None = None,
        tx: Tx | None = None,
    ) -> Findings:
        """One log; ChainBroken where `since` or `contains` is not in it."""

    def backup(self, path: str, progress: Callable[[int, int], object] | None = None) -> Findings:
        """Copy the store, as it is at one moment, to an absolute path where nothing is; what was found in the copy."""

    def advance(self, key: str, how: str, n: int = 0, tx: Tx | None = None) -> int:
        """`how`: current, bump, set, advance or reserve; the value after it."""

    def generations(self, tx: Tx | None = None) -> list[tuple[str, int]]:
        """Every counter and its value, by key."""

    def execute(self, sql: str, params: Sequence[Any] | Mapping[str, Any], tx: Tx | None = None) -> int:
        """The number of rows changed."""

    def query(
        self,
        sql: str,
        params: Sequence[Any] | Mapping[str, Any],
        tx: Tx | None = None,
        *,
        may_write: bool = True,
    ) -> list[tuple[Any, ...]]:
        """All rows; TransactionConflict for a statement that writes where it may not."""

    def info(self, tx: Tx | None = None) -> dict[str, Any]:
        """Facts."""

    def close(self) -> None:
        """Any number of times."""
