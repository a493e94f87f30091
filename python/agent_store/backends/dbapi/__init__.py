"""SQLite through a connection of the caller's: Python's own sqlite3, no native library of ours on that file."""

import sqlite3

from agent_store.backends.dbapi.backend import Dbapi


def open(connection: sqlite3.Connection) -> Dbapi:
    """The backend on a connection that stays the caller's; the store is made where there is none."""
    return Dbapi(connection)
