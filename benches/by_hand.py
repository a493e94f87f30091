"""The floor: what a competent Python developer writes by hand, with the sqlite3 module and the Rust crate's table.

No hashing at all, rows ready-made, WAL, and the same `synchronous` as the store that it is measured against. It works
on a file of its own: two SQLite libraries of one process never meet on one file.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

Row = tuple[str, str, int, bytes | None, bytes, bytes]  # stream, writer, seq, prev_hash, content_hash, payload

TABLE = """CREATE TABLE _agent_store_log (
    stream TEXT NOT NULL, writer TEXT NOT NULL, seq INTEGER NOT NULL,
    prev_hash BLOB, content_hash BLOB NOT NULL, payload BLOB NOT NULL, PRIMARY KEY (stream, writer, seq))"""
INSERT = "INSERT INTO _agent_store_log VALUES (?, ?, ?, ?, ?, ?)"
HASH = bytes(range(32))


def ready(rows: Iterable[tuple[str, str, bytes]]) -> list[Row]:
    """Rows as they go in, each with a seq and with bytes where the hashes would be."""
    seqs: dict[tuple[str, str], int] = {}
    made: list[Row] = []
    for stream, writer, payload in rows:
        seq = seqs[stream, writer] = seqs.get((stream, writer), 0) + 1
        made.append((stream, writer, seq, None if seq == 1 else HASH, HASH, payload))
    return made


class ByHand:
    def __init__(self, path: Path, synchronous: str = "normal") -> None:
        self.path = path
        new = not path.exists()
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = wal")
        self.db.execute(f"PRAGMA synchronous = {synchronous}")
        if new:
            self.db.execute(TABLE)

    def close(self) -> None:
        self.db.close()

    def insert(self, row: Row) -> None:
        self.db.execute(INSERT, row)

    def insert_many(self, rows: Sequence[Row], batch: int) -> None:
        for start in range(0, len(rows), batch):
            self.db.execute("BEGIN IMMEDIATE")
            self.db.executemany(INSERT, rows[start : start + batch])
            self.db.execute("COMMIT")

    def log(self, stream: str, writer: str) -> Iterator[Any]:
        sql = "SELECT * FROM _agent_store_log WHERE stream = ? AND writer = ? ORDER BY seq"
        return iter(self.db.execute(sql, (stream, writer)))

    def all(self) -> Iterator[Any]:
        return iter(self.db.execute("SELECT * FROM _agent_store_log ORDER BY rowid"))

    def entry(self, stream: str, writer: str, seq: int) -> Any:
        sql = "SELECT * FROM _agent_store_log WHERE stream = ? AND writer = ? AND seq = ?"
        return self.db.execute(sql, (stream, writer, seq)).fetchone()
