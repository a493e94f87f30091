"""Cells of a caller's own connection: Python's sqlite3, against the same rows inserted by hand into the same tables."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import agent_store
from agent_store import Store, _core
from cells import BATCH, STREAM, Cell, payload, remove, writer
from pairs import Pair, Work

INSERT = "INSERT INTO _agent_store_entries VALUES (?, ?, ?, ?, ?)"
LOG = "INSERT INTO _agent_store_logs VALUES (1, ?, ?)"


@contextmanager
def lent(path: Path) -> Iterator[tuple[sqlite3.Connection, Store]]:
    """In autocommit."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = wal")
        db.execute("PRAGMA synchronous = normal")
        with agent_store.open(db) as store:
            yield db, store
    remove(path)


@contextmanager
def append_many(folder: Path, rows: int) -> Iterator[Pair]:
    payloads = [payload(number) for number in range(rows)]
    made = _core.extend(1, 1, 0, None, payloads)

    @contextmanager
    def ours() -> Iterator[Work]:
        with lent(folder / "ours.db") as (_, store):
            log = store.log(STREAM, writer(0))
            yield lambda: log.append_many(payloads, batch=BATCH)

    @contextmanager
    def floor() -> Iterator[Work]:
        with lent(folder / "floor.db") as (db, _):
            db.execute(LOG, (STREAM, writer(0)))

            def work() -> None:
                for start in range(0, rows, BATCH):
                    db.execute("BEGIN IMMEDIATE")
                    db.executemany(INSERT, made[start : start + BATCH])
                    db.execute("COMMIT")

            yield work

    yield Pair(ours, floor)


CELLS = (Cell("append_many through a caller's sqlite3.Connection, normal", 0.75, append_many, rows=200_000),)
