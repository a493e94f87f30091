"""How the common part reaches a database: by named statements, on a connection that one call has."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

Row = tuple[int, int, int, bytes, bytes]  # position, log, seq, content_hash, payload
Range = tuple[int, int, int]  # log, first seq, seq before which it ends


class Session(Protocol):
    """One connection, lent for one call.

    A statement is named by its file in `agent_store/sql/<kind>/`, and takes its parameters in the order in which they
    stand there. What comes back are plain tuples of int, str and bytes, however the connection was set up.
    """

    def fetch(self, statement: str, *params: object, limit: int | None = None) -> list[tuple[Any, ...]]:
        """The rows; with `limit` at most so many, and fewer where their payloads are large: only none is the end."""

    def change(self, statement: str, *params: object) -> int:
        """Run what gives no rows; how many it changed."""

    def next_of(self, ranges: Sequence[Range], each: int, *, reverse: bool) -> list[Row]:
        """Of each log at most `each` entries of its range, the first or, reversed, the last; the logs in any order."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Where several statements must see one state."""
