"""Whether the tables and guards in a database are the ones that we make: object by object, text by text."""

import sqlite3
from contextlib import closing
from functools import cache

from agent_store._core import Checker
from agent_store.backends.dbapi.layout import create
from agent_store.backends.dbapi.session import Session

# Everything that belongs to our tables, whoever made it; as blobs, which no text_factory has a say in.
_OBJECTS = """
SELECT CAST(name AS BLOB), CAST(type AS BLOB), CAST(tbl_name AS BLOB), CAST(sql AS BLOB) FROM main.sqlite_schema
WHERE lower(tbl_name) GLOB '_agent_store_*' OR lower(name) GLOB '_agent_store_*' ORDER BY type, name"""
_ID = """
SELECT count(*) FROM main._agent_store_meta
WHERE key = '_agent_store.id' AND typeof(ival) = 'integer' AND ival >= 0"""

Object = tuple[str, str, str, bytes | None]  # name, type, table, text


@cache
def _ours() -> list[Object]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
        session = Session(model)
        create(session)
        return _objects(session)


def _objects(session: Session) -> list[Object]:
    return [
        (*(cell.decode(errors="replace") for cell in cells), sql) for *cells, sql in session.run(_OBJECTS).fetchall()
    ]


def check(session: Session, checker: Checker) -> bool:
    """Report what is missing, altered or not ours; True where there is any."""
    found = _objects(session)
    wrong = list(_differences(found, _ours()))
    if session.run(_ID).fetchone()[0] != 1:
        wrong.append("the store's id is missing from _agent_store_meta")
    for detail in wrong:
        checker.report("schema", None, None, None, detail)
    return bool(wrong)


def _differences(found: list[Object], ours: list[Object]) -> list[str]:
    there: dict[str, Object] = {}
    for each in found:
        there.setdefault(each[0], each)
    wrong = []
    for name, kind, table, sql in ours:
        if name not in there:
            wrong.append(f"the {kind} {name} is missing")
            continue
        _, kind_found, table_found, sql_found = there[name]
        if kind_found != kind:
            wrong.append(f"{name} is a {kind_found} and must be a {kind}")
        elif (table_found, sql_found) != (table, sql):
            wrong.append(f"the {kind} {name} is not as agent-store made it")
    names = {each[0] for each in ours}
    wrong += [
        f"the {kind} {name} on {table} is not of agent-store" for name, kind, table, _ in found if name not in names
    ]
    return wrong
