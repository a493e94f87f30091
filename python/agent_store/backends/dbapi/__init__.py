"""SQLite through a connection of the caller's: Python's own sqlite3, no native library of ours on that file."""

import sqlite3
from typing import TYPE_CHECKING, Any

from agent_store.errors import BackendError

if TYPE_CHECKING:
    from agent_store.backends.backend import Backend


def open(connection: sqlite3.Connection) -> "Backend[Any, Any]":
    """The backend on a connection that stays the caller's."""
    raise BackendError(
        f"a connection of the caller's is not supported yet: open the file by its path, not {connection}"
    )
