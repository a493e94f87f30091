"""Callers' connections to SQLite: how they can be set up, and each way to write through a store on one."""

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import agent_store
from agent_store import Store

Connect = Callable[..., sqlite3.Connection]
AUTOCOMMIT: list[dict[str, Any]] = [{"isolation_level": None}]
OTHERS: list[dict[str, Any]] = [{"isolation_level": level} for level in ("", "DEFERRED", "IMMEDIATE", "EXCLUSIVE")]
if sys.version_info >= (3, 12):
    AUTOCOMMIT.append({"autocommit": True})
    OTHERS.append({"autocommit": False})
WRITES: dict[str, Callable[[Store], object]] = {
    "append": lambda store: store.log("s", "w").append(b"x"),
    "append_many": lambda store: store.log("s", "w").append_many([b"x"] * 2_500),
    "rows": lambda store: store.append_many([("s", "w", b"x"), ("s", "v", b"y")]),
    "generation": lambda store: store.generation("g").bump(),
    "execute": lambda store: store.execute("INSERT INTO notes VALUES ('by the store')"),
    "query": lambda store: store.query("INSERT INTO notes VALUES ('by the store') RETURNING text"),
}


@contextmanager
def connections(path: Path) -> Iterator[Connect]:
    """To a store beside a table of the caller's, in WAL, as one that is opened by its path leaves it."""
    made: list[sqlite3.Connection] = []

    def connect(**options: Any) -> sqlite3.Connection:
        made.append(sqlite3.connect(path, **{"timeout": 0.2, **options}))
        return made[-1]

    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE notes (text)")
        agent_store.open(connection)
    try:
        yield connect
    finally:
        for connection in made:
            connection.close()


def count(connection: sqlite3.Connection) -> tuple[int, int]:
    """Entries and notes that it sees."""
    entries, notes = connection.execute(
        "SELECT (SELECT count(*) FROM _agent_store_entries), (SELECT count(*) FROM notes)"
    ).fetchone()
    return entries, notes


def everything(connection: sqlite3.Connection) -> list[Any]:
    tables = ("_agent_store_logs", "_agent_store_entries", "_agent_store_meta", "notes")
    return [connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables]
