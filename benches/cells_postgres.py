"""Cells of PostgreSQL: against psycopg by hand, on one server of the same run.

The floor's table has the columns of the Rust crate. Nothing is hashed there, and rows are ready-made.
"""

import atexit
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from itertools import count
from pathlib import Path

import psycopg

import agent_store
from agent_store import Store
from agent_store.store import Durability
from by_hand import Row, ready
from cells import BATCH, STREAM, Cell, Rows, again, exhaust, of_one, one_by_one, writer
from pairs import Pair, Work
from postgres_server import a_server, url_of

Connection = psycopg.Connection[tuple[object, ...]]
ByHand = Callable[[Connection, list[Row]], Work]

TABLE = """CREATE TABLE by_hand (
    stream text COLLATE "C" NOT NULL, writer text COLLATE "C" NOT NULL, seq bigint NOT NULL,
    prev_hash bytea, content_hash bytea NOT NULL, payload bytea NOT NULL, PRIMARY KEY (stream, writer, seq))"""
INSERT = "INSERT INTO by_hand VALUES (%s, %s, %s, %s, %s, %s)"
COPY_IN = "COPY by_hand FROM STDIN (FORMAT BINARY)"
COPY_OUT = "COPY _agent_store_entries (position, log, seq, content_hash, payload) TO STDOUT (FORMAT BINARY)"
TYPES = ["text", "text", "int8", "bytea", "bytea", "bytea"]
COMMIT = {"full": "on", "normal": "off"}
_number = count(1)


@cache
def server() -> str:
    """The URL of one for all cells, which ends with the process; commits are on disk there."""
    running = ExitStack()
    atexit.register(running.close)
    return running.enter_context(a_server(quick=False))


@contextmanager
def a_schema(durability: Durability) -> Iterator[tuple[str, Connection]]:
    """Its name, and a connection that looks there; it is dropped at the end."""
    name = f"cell_{next(_number)}"
    options = f"-csearch_path={name} -csynchronous_commit={COMMIT[durability]}"
    with psycopg.connect(url_of(server(), options=options), autocommit=True) as db:
        db.execute(f"CREATE SCHEMA {name}")
        db.execute("CHECKPOINT")  # Not in the middle of what is measured.
        try:
            yield name, db
        finally:
            db.rollback()
            db.execute("SET client_min_messages = warning")
            db.execute(f"DROP SCHEMA {name} CASCADE")


def appending(
    durability: Durability, ours: Callable[[Store, Rows], Work], by_hand: ByHand
) -> Callable[[Path, int], AbstractContextManager[Pair]]:
    """Into a new schema in each round; what is handed over is made ready before."""

    @contextmanager
    def pair(_: Path, rows: int) -> Iterator[Pair]:
        plain = of_one(rows)
        made = ready(plain)

        @contextmanager
        def our_side() -> Iterator[Work]:
            with (
                a_schema(durability) as (name, _),
                agent_store.open(url_of(server(), schema=name), durability=durability) as store,
            ):
                store.log(STREAM, writer(0)).append(b"the first one makes the log, and opens a connection")
                yield ours(store, plain)

        @contextmanager
        def floor() -> Iterator[Work]:
            with a_schema(durability) as (_, db):
                db.execute(TABLE)
                yield by_hand(db, made)

        yield Pair(our_side, floor)

    return pair


def many(store: Store, plain: Rows) -> Work:
    log, payloads = store.log(STREAM, writer(0)), [payload for _, _, payload in plain]
    return lambda: log.append_many(payloads, batch=BATCH)


def copy_by_hand(db: Connection, made: list[Row]) -> Work:
    def work() -> None:
        for start in range(0, len(made), BATCH):
            with db.cursor() as cursor, cursor.copy(COPY_IN) as copy:
                copy.set_types(TYPES)
                for row in made[start : start + BATCH]:
                    copy.write_row(row)

    return work


def many_by_hand(db: Connection, made: list[Row]) -> Work:
    def work() -> None:
        for start in range(0, len(made), BATCH):
            with db.transaction(), db.cursor() as cursor:
                cursor.executemany(INSERT, made[start : start + BATCH])

    return work


def one_by_hand(db: Connection, made: list[Row]) -> Work:
    return lambda: exhaust(db.execute(INSERT, row) for row in made)


@contextmanager
def verify(_: Path, rows: int) -> Iterator[Pair]:
    with a_schema("normal") as (name, db):
        url = url_of(server(), schema=name)
        with agent_store.open(url, durability="normal") as store:
            store.append_many(of_one(rows), batch=10 * BATCH)
            db.execute("VACUUM ANALYZE _agent_store_entries")

            def floor() -> None:
                with db.cursor() as cursor, cursor.copy(COPY_OUT) as copy:
                    exhaust(copy)

            yield Pair(again(lambda: store.verify().raise_if_broken()), again(floor))


CELLS = (
    Cell(
        "PostgreSQL: append_many, 1,000 a commit, normal, against COPY by write_row",
        0.95,
        appending("normal", many, copy_by_hand),
        rows=200_000,
    ),
    Cell(
        "PostgreSQL: append_many, 1,000 a commit, normal, against executemany",
        1.5,
        appending("normal", many, many_by_hand),
        rows=100_000,
        few=10_000,
    ),
    Cell(
        "PostgreSQL: append one by one, full, against INSERT in autocommit",
        0.7,
        appending("full", one_by_one, one_by_hand),
        rows=4_000,
        few=500,
        durable=True,
    ),
    Cell("PostgreSQL: verify, against COPY out alone", 0.8, verify, few=50_000),
)
