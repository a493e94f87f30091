"""What `info()` tells of a caller's connection."""

import sqlite3
from typing import Any

from agent_store.backends.common.heads import position
from agent_store.backends.dbapi.layout import FORMAT
from agent_store.backends.dbapi.session import Session

SYNCHRONOUS = {0: "off", 1: "normal", 2: "full", 3: "full"}


def of(session: Session) -> dict[str, Any]:
    """Facts; the settings are the caller's."""

    def number(sql: str) -> int:
        found: int = session.run(sql).fetchone()[0]
        return found

    path = session.path()
    with session.snapshot():
        return {
            "kind": "sqlite",
            "path": path or ":memory:",
            "format": FORMAT,
            "id": number("SELECT +ival FROM main._agent_store_meta WHERE key = '_agent_store.id'"),
            "layout": "compact",
            "entries": number("SELECT count(*) FROM main._agent_store_entries"),
            "logs": number("SELECT count(*) FROM main._agent_store_logs"),
            "position": position(session),
            "bytes": number("PRAGMA main.page_count") * number("PRAGMA main.page_size"),
            "sqlite_version": sqlite3.sqlite_version,
            "durability": SYNCHRONOUS[number("PRAGMA main.synchronous")],
            "read_only": bool(number("PRAGMA query_only")),
            "locks": "posix" if path else None,
            "doorbell": None,
        }


def busy_timeout(session: Session) -> float:
    """How many seconds SQLite waits for a lock on this connection."""
    milliseconds: int = session.run("PRAGMA busy_timeout").fetchone()[0]
    return milliseconds / 1_000
