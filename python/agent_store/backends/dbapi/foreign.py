"""The caller's own SQL, run by the store: one statement, in the transaction that the store's calls are in."""

import re
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from agent_store._core import check_statement
from agent_store.backends.dbapi.session import Session
from agent_store.errors import TransactionConflict

Params = Sequence[Any] | Mapping[str, Any]

_COUNTS = re.compile(r"statement uses (\d+), and there (?:are|is) (\d+) supplied")
_WORD = re.compile(r"(?:[\s;\ufeff]+|--[^\n]*|/\*.*?(?:\*/|$))*(\w*)", re.DOTALL)
READS = {"SELECT", "VALUES", "EXPLAIN", "PRAGMA"}


def check(sql: str, params: Params) -> None:
    """ValueError for what is not for a store, as of the native one; TypeError for what are no parameters."""
    if not isinstance(sql, str):
        raise TypeError(f"the SQL must be a str, not {type(sql).__name__}")
    check_statement(sql)
    if isinstance(params, str | bytes) or not isinstance(params, Sequence | Mapping):
        raise TypeError("SQL parameters must be a sequence, such as [value], or a dict")


def first_word(sql: str) -> str:
    """In capitals, comments left out."""
    found = _WORD.match(sql)
    return found[1].upper() if found else ""


def writes(session: Session, sql: str, params: Params) -> bool:
    """True for what takes the write lock."""
    word = first_word(sql)
    if word != "WITH":
        return word not in READS
    # Only SQLite can tell: the program that it makes of the statement says which lock it begins with.
    steps = run(session, f"EXPLAIN {sql}", params).fetchall()
    return any(step[1] == "Transaction" and step[3] for step in steps)


def execute(session: Session, sql: str, params: Params) -> int:
    """Run to the end; the number of rows changed, 0 where the statement changes no rows."""
    connection = session.connection
    before = connection.total_changes
    cursor = run(session, sql, params)
    for _ in cursor:
        pass
    cursor.close()
    if connection.total_changes == before:
        return 0
    changed: int = session.run("SELECT changes()").fetchone()[0]
    return changed


def query(session: Session, sql: str, params: Params) -> list[tuple[Any, ...]]:
    """All rows."""
    return run(session, sql, params).fetchall()


def run(session: Session, sql: str, params: Params) -> sqlite3.Cursor:
    """The caller's values, by the caller's adapters; what is wrong with the call itself as Python says it."""
    try:
        return sqlite3.Cursor(session.connection).execute(sql, params)
    except (sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.Warning) as error:
        text = str(error)
        if "one statement" in text:
            raise ValueError("more than one statement: call once for each, in one transaction()") from error
        if "is not supported" in text or "probably unsupported type" in text:
            raise TypeError(f"{text}: an SQL parameter must be None, int, float, str or bytes-like") from error
        if counts := _COUNTS.search(text):
            text = f"the statement has {counts[1]} placeholders and {counts[2]} parameters were given"
            raise ValueError(text) from error
        if "supply a value for binding" in text:
            raise ValueError(f"no parameter was given for a placeholder: {text}") from error
        raise


def while_drawing() -> TransactionConflict:
    """Of a write where the store is at work on another."""
    return TransactionConflict(
        "a query that writes, from inside the iterable of an append_many, which holds the write lock"
    )
