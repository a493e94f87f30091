"""PostgreSQL, through psycopg: by URL, or through a connection of the caller's."""

from typing import Any

from agent_store.errors import BackendError


def open(url: str, durability: str, read_only: bool, timeout: float) -> Any:  # noqa: ARG001, FBT001
    """The backend on a server; `shown` is the URL without its password."""
    raise BackendError("PostgreSQL is not supported yet: open an SQLite file by its path")


def adopt(connection: Any, schema: str | None) -> Any:  # noqa: ARG001
    """The backend on a connection that stays the caller's."""
    raise BackendError("PostgreSQL is not supported yet: open an SQLite file by its path")
