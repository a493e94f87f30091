"""The five kinds of stores that the contract is tested on, and the short list of what differs between them."""

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

import agent_store
import tampering
import tampering_postgres
from agent_store import Store
from postgres_server import url_of

KINDS = ("file", "memory", "connection", "postgres", "psycopg")
"""A path; ":memory:"; a caller's sqlite3.Connection; a URL; a caller's psycopg.Connection, both in autocommit."""
_number = count(1)


class Difference(NamedTuple):
    """What tests marked with it are not run on, and why: on all others they are."""

    without: tuple[str, ...]
    reason: str


DIFFERENCES = {
    "one connection": Difference(
        ("connection", "psycopg"),
        "Who shares a connection between threads shares its transaction: there is one for all of them.",
    ),
    "lent": Difference(
        ("connection", "psycopg"),
        "A connection stays its caller's, with what it was set up with: options, closing, its own transactions.",
    ),
    "one command at a time": Difference(
        ("psycopg",), "A connection that is amid a COPY takes no other call: from inside `progress` it is refused."
    ),
    "interrupts between two lines": Difference(
        ("postgres", "psycopg"),
        "While its error is held, what an interrupt between two lines of Python left behind is too; then it is gone.",
    ),
    "nobody waits": Difference(
        ("connection", "psycopg"), "To wait is to sleep on connections of the store's own: a caller's is the caller's."
    ),
    "no second opening": Difference(("memory",), "A store in memory is there as long as it is open, and once."),
    "of SQLite": Difference(
        ("postgres", "psycopg"),
        "SQLite's own statements, pragmas, functions, and the view for programs of the Rust crate.",
    ),
    "of a lent connection": Difference(("file", "memory", "postgres"), "What only a caller's connection has."),
    "of a server": Difference(("file", "memory", "connection"), "What only PostgreSQL has."),
    "of types": Difference(
        ("postgres", "psycopg"), "A column there has a type, and holds nothing else whoever writes it."
    ),
    "of native SQLite": Difference(
        ("connection", "postgres", "psycopg"), "A file, and the library that this package brings to read and write it."
    ),
}


class Place:
    """Where a store is. Opened again it is the same one, except in memory."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def open(self, **options: Any) -> Store:
        raise NotImplementedError

    @property
    def target(self) -> str:
        """What another process opens it by."""
        raise NotImplementedError

    def sql(self, statement: str) -> str:
        """A statement, written with `?` or `:name` and our tables' bare names, as this database has it."""
        return statement

    def damage(self, sql: str, *, guards: bool = True, loose: bool = False, detach: str = "") -> None:
        """Run `sql` on it, while no store is open there, with nothing to hinder it: `tampering.damage`."""
        raise NotImplementedError


class File(Place):
    def __init__(self, kind: str, path: Path) -> None:
        super().__init__(kind)
        self.path = path

    @property
    def target(self) -> str:
        return ":memory:" if self.kind == "memory" else str(self.path)

    def open(self, **options: Any) -> Store:
        return agent_store.open(":memory:" if self.kind == "memory" else self.path, **options)

    def damage(self, sql: str, *, guards: bool = True, loose: bool = False, detach: str = "") -> None:
        tampering.damage(self.path, sql, guards=guards, loose=tampering.LOOSE if loose else None, detach=detach)


class Lent(File):
    """A connection for each opening, made with the options, which is closed at the end."""

    def __init__(self, kind: str, path: Path) -> None:
        super().__init__(kind, path)
        self.connections: list[sqlite3.Connection] = []

    def connect(self, **options: Any) -> sqlite3.Connection:
        """Nothing here cuts the power."""
        options = {"isolation_level": None, "check_same_thread": False, **options}
        connection: sqlite3.Connection = sqlite3.connect(self.path, **options)
        self.connections.append(connection)
        connection.execute("PRAGMA synchronous = OFF").close()
        return connection

    def open(self, **options: Any) -> Store:
        return agent_store.open(self.connect(**options))


class Schema(Place):
    """A schema for the store, and one for the caller's own tables, in which statements without a schema look."""

    def __init__(self, kind: str, server: str) -> None:
        super().__init__(kind)
        self.name = f"t{os.getpid()}_{next(_number)}"
        self.own = f"{self.name}_own"
        self.admin = server
        self.server = url_of(server, options=f"-csearch_path={self.own}", application_name=self.name)
        self.url = url_of(self.server, schema=self.name)
        self.connections: list[psycopg.Connection] = []

    def sql(self, statement: str) -> str:
        statement = statement.replace("INTEGER PRIMARY KEY", "serial PRIMARY KEY")
        statement = re.sub(r"(?<![:\w]):(\w+)", r"%(\1)s", statement.replace("?", "%s"))
        return re.sub(r"\b(?=_agent_store_)", f"{self.name}.", statement)

    def connect(self, **options: Any) -> psycopg.Connection:
        connection = psycopg.connect(self.server, **{"autocommit": True, **options})
        self.connections.append(connection)
        return connection

    def lent(self, **options: Any) -> tuple[psycopg.Connection[Any], Store]:
        """A connection of a caller's, and the store on it."""
        connection = self.connect(**options)
        return connection, agent_store.open(connection, schema=self.name)

    def run(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """As the superuser, on a connection that nobody else has."""
        with psycopg.connect(self.admin, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    @property
    def target(self) -> str:
        return self.url

    def open(self, **options: Any) -> Store:
        if self.kind == "postgres":
            return agent_store.open(self.url, **options)
        return agent_store.open(self.connect(**options), schema=self.name)

    def damage(self, sql: str, *, guards: bool = True, loose: bool = False, detach: str = "") -> None:
        assert not detach
        tampering_postgres.damage(self.admin, self.name, self.own, sql, guards=guards)


@contextmanager
def a_file(kind: str, path: Path) -> Iterator[File]:
    yield File(kind, path)


@contextmanager
def a_lent_file(path: Path) -> Iterator[Lent]:
    place = Lent("connection", path)
    try:
        yield place
    finally:
        for connection in place.connections:
            connection.close()


@contextmanager
def a_schema(kind: str, server: str) -> Iterator[Schema]:
    """It and what is in it are dropped at the end, whatever holds it still."""
    place = Schema(kind, server)
    place.run(f"CREATE SCHEMA {place.own}")
    try:
        yield place
    finally:
        for connection in place.connections:
            connection.close()
        end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = %s"
        place.run(end, place.name)
        place.run(f"DROP SCHEMA IF EXISTS {place.name}, {place.own} CASCADE")


def without_differences(items: list[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Those that are to be run, and those that are not, as what they test differs there."""
    chosen: list[pytest.Item] = []
    others: list[pytest.Item] = []
    for item in items:
        kinds = {kind for mark in item.iter_markers("differs") for name in mark.args for kind in DIFFERENCES[name][0]}
        spec = getattr(item, "callspec", None)
        (others if spec and spec.params.get("place") in kinds else chosen).append(item)
    return chosen, others
