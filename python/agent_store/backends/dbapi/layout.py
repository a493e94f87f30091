"""Whether a database has a store, and making one: as src/sqlite/layout.rs does."""

import sqlite3
from collections.abc import Iterator

from agent_store.backends.common import statements
from agent_store.backends.dbapi.session import Session
from agent_store.errors import CorruptDatabase, UnsupportedFormat

FORMAT = 1
OLDEST = (3, 37, 0)  # that knows STRICT tables
OURS = ("_agent_store_meta", "_agent_store_logs", "_agent_store_entries", "_agent_store_log")

_NAMES = """
SELECT CAST(lower(name) AS BLOB), CAST(type AS BLOB), {format}
FROM main.sqlite_schema WHERE type IN ('table', 'view') AND lower(name) GLOB '_agent_store_*'"""
_FORMAT = "(SELECT CAST(quote(ival) AS BLOB) FROM main._agent_store_meta WHERE key = '_agent_store.format')"
_LOOK = _NAMES.format(format=_FORMAT)
_LOOK_WITHOUT = _NAMES.format(format="NULL")


def check_version() -> None:
    """UnsupportedFormat where this Python's SQLite cannot read our tables."""
    if sqlite3.sqlite_version_info < OLDEST:
        raise UnsupportedFormat(
            f"the SQLite of this Python is {sqlite3.sqlite_version}, and the tables of a store need 3.37 or newer: "
            "open the file by its path, which uses the SQLite of this package"
        )


def is_there(session: Session) -> bool:
    """True for a store of the present format, False where there is none: one SELECT where there is one."""
    rows = _look(session)
    kinds = {name.decode(): kind.decode() for name, kind, _ in rows}
    formats = {form for _, _, form in rows if form is not None}
    return _is_store(kinds, next(iter(formats), None))


def _look(session: Session) -> list[tuple[bytes, bytes, bytes | None]]:
    rows: list[tuple[bytes, bytes, bytes | None]] = []
    for _ in range(9):
        try:
            return session.run(_LOOK).fetchall()
        except sqlite3.OperationalError as error:
            if not str(error).startswith("no such table: main._agent_store_meta"):
                raise
        rows = session.run(_LOOK_WITHOUT).fetchall()
        if all(name != b"_agent_store_meta" for name, _, _ in rows):
            break
        # Another process has made it between the two.
    return rows


def _is_store(kinds: dict[str, str], form: bytes | None) -> bool:
    meta, logs, entries, view = map(kinds.get, OURS)
    if form is not None:
        if not form.removeprefix(b"-").isdigit():
            raise CorruptDatabase("the format of the file is not a number")
        found = int(form)
        if found > FORMAT:
            raise UnsupportedFormat(
                f"the file has format {found} and this version knows up to {FORMAT}: install a newer agent-store"
            )
        if found < FORMAT:
            raise CorruptDatabase(f"the file claims format {found}, which there never was")
        if logs == entries == "table":
            return True
        raise CorruptDatabase(
            "the file says that it is a store, and its tables _agent_store_logs and _agent_store_entries are not "
            "both there"
        )
    if logs is not None or entries is not None:
        raise CorruptDatabase("the tables of a store are there, and _agent_store_meta does not say their format")
    if view == "view":
        raise CorruptDatabase("the view _agent_store_log is there without the tables that it reads")
    if view is not None or meta is not None:
        raise UnsupportedFormat(
            "the file has the tables of the Rust crate agent-store 0.1: open it once by its path, "
            "`agent_store.open(path).close()`, which brings them to the present layout and keeps every entry"
        )
    return False


def create(session: Session) -> None:
    """Our tables, rows and guards; in a transaction."""
    for sql in definition():
        session.run(sql)


def definition() -> Iterator[str]:
    """The statements that make a store. Never by executescript(), which commits before it begins."""
    texts = statements.of("sqlite")
    pending = ""
    for line in (texts["tables"] + texts["guards"]).splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
