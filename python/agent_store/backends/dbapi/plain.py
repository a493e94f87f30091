"""Statements whose results do not depend on how a connection is set up.

Python's sqlite3 runs converters on columns whose declared type has one, and text through the connection's text_factory.
An expression has no declared type, and a blob is always bytes: so each column is read through an expression, text as
the blob that it is stored as, and a value of another type than its column is to have as NULL.
"""

import re
from functools import cache

from agent_store.backends.common import statements

TEXT = {"stream", "writer", "key", "name", "note"}
BLOB = {"content_hash", "payload", "hashes"}

_SELECT = re.compile(r"SELECT (.+?)(?=\s+FROM\s)", re.DOTALL)
_COMMA = re.compile(r",\s+(?![^(]*\))")
_NUMBERED = re.compile(r"\?\d+")
_TABLE = re.compile(r"\b(FROM|INTO|JOIN|UPDATE)\s+(_agent_store_\w+)")


def _column(column: str) -> str:
    if "(" in column:
        return column  # of our own making: a number
    name = column.rpartition(".")[2]
    if name in TEXT:
        return f"CASE typeof({column}) WHEN 'text' THEN CAST({column} AS BLOB) END"
    return f"CASE typeof({column}) WHEN '{'blob' if name in BLOB else 'integer'}' THEN {column} END"


def columns(sql: str) -> list[str]:
    """The names of the columns that a statement of ours gives."""
    found = _SELECT.match(sql)
    return [column.strip().rpartition(".")[2] for column in _COMMA.split(found[1])] if found else []


def rewrite(sql: str) -> str:
    """A SELECT of ours, or what changes something, on the tables of the main database whatever else is attached."""
    # Each number stands once, in order. Python 3.12.0 and 3.12.1 take a numbered placeholder for a named one, and warn.
    sql = _NUMBERED.sub("?", _TABLE.sub(r"\1 main.\2", sql.strip()))
    found = _SELECT.match(sql)
    if not found:
        return sql
    return f"SELECT {', '.join(map(_column, _COMMA.split(found[1])))}{sql[found.end() :]}"


@cache
def all_statements() -> dict[str, tuple[str, tuple[int, ...]]]:
    """Each statement by name, rewritten, and which of its columns are text as bytes."""
    return {
        name: (rewrite(sql), tuple(at for at, column in enumerate(columns(sql)) if column in TEXT))
        for name, sql in statements.of("sqlite").items()
        if name not in {"tables", "guards"}
    }
