"""What a store is opened by."""

import os
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import sqlite3

    import psycopg

Path = str | os.PathLike[str]
Target: TypeAlias = "Path | sqlite3.Connection | psycopg.Connection[Any]"

INSTEAD = {
    "durability": "on a connection of yours it is what you set there (PRAGMA synchronous, synchronous_commit)",
    "read_only": "on a connection of yours it is how you opened it (mode=ro, default_transaction_read_only)",
    "timeout": "on a connection of yours it is what you set there (sqlite3.connect(timeout=…), lock_timeout)",
}


def kind_of(target: object) -> str:
    """Which backend a target is of."""
    if isinstance(target, str) and target.startswith(("postgresql://", "postgres://")):
        return "postgres"
    if isinstance(target, str | os.PathLike) or _is_connection(target, "sqlite3"):
        return "sqlite"
    if _is_connection(target, "psycopg"):
        return "postgres"
    kind = type(target)
    hint = ""
    if kind.__module__.split(".")[0] in {"psycopg", "aiosqlite", "asyncpg"}:
        hint = ": a store works on connections that do not await; open it by its URL or path, and call it in a thread"
    raise TypeError(
        "a store is opened by a path, a postgresql:// URL, a sqlite3.Connection or a psycopg.Connection, not by a "
        f"{kind.__module__}.{kind.__qualname__}{hint}"
    )


def missing_file(target: object) -> str | None:
    """The path of a file that opening it would make; None for all else."""
    if kind_of(target) != "sqlite" or not isinstance(target, str | os.PathLike):
        return None
    path = os.fspath(target)
    return path if path != ":memory:" and not os.path.exists(path) else None  # noqa: PTH110


def _is_connection(target: object, module: str) -> bool:
    loaded = sys.modules.get(module)  # who has such a connection has imported it
    return loaded is not None and isinstance(target, loaded.Connection)
