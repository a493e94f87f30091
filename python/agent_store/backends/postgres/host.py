"""SQL of the caller's own: with psycopg's cursors and his adapters, but never out of the store's hands."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from agent_store.backends.postgres import failures
from agent_store.backends.postgres.trouble import Trouble
from agent_store.backends.postgres.wire import Wire
from agent_store.errors import BackendError, BusyError, StoreError, StoreReplaced

Params = Sequence[Any] | Mapping[str, Any]

TRANSACTION = "use `with store.transaction():`, which begins, commits and rolls back"
SESSION = (
    "connections are shared by all calls: set it in the URL (options=), for the role, or by SET LOCAL in transaction()"
)
OWN = "use a psycopg connection of your own for it"
_REFUSED = {
    **dict.fromkeys(("BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"), TRANSACTION),
    **dict.fromkeys(("SET", "RESET", "DISCARD", "LISTEN", "UNLISTEN", "LOAD", "DECLARE", "DEALLOCATE"), SESSION),
    **dict.fromkeys(("PREPARE", "VACUUM", "COPY"), OWN),
}
_COMMENT = re.compile(r"\s+|--[^\n]*(?:\n|$)")
_WORD = re.compile(r"[A-Za-z_]+")
_CHANGES = ("INSERT", "UPDATE", "DELETE", "MERGE")


def refuse(sql: str) -> None:
    """ValueError for what would take a connection out of the store's hands, saying what to do instead."""
    words = _words(sql)
    first = words[0] if words else ""
    instead = _REFUSED.get(first)
    if instead is None or words[:2] == ["SET", "LOCAL"]:
        return
    raise ValueError(f"{' '.join(words[:2])} is not for here: {instead}")


def _words(sql: str) -> list[str]:
    """The first two words, behind comments."""
    words: list[str] = []
    place = 0
    while place < len(sql) and len(words) < 2:
        if sql.startswith("/*", place):
            place = _end_of_comment(sql, place)
        elif match := _COMMENT.match(sql, place):
            place = match.end()
        elif match := _WORD.match(sql, place):
            words.append(match.group().upper())
            place = match.end()
        elif sql[place] in ";(":
            place += 1
        else:
            break
    return words


def _end_of_comment(sql: str, place: int) -> int:
    """They nest, for PostgreSQL."""
    depth = 0
    for match in re.finditer(r"/\*|\*/", sql[place:]):
        depth += 1 if match.group() == "/*" else -1
        if depth == 0:
            return place + match.end()
    return len(sql)


def execute(wire: Wire, sql: str, params: Params) -> int:
    """The number of rows changed, 0 for what changes none."""
    cursor = _run(wire, sql, params)
    status = cursor.statusmessage or ""
    return max(cursor.rowcount, 0) if status.startswith(_CHANGES) else 0


def query(wire: Wire, sql: str, params: Params) -> list[tuple[Any, ...]]:
    """All rows; none for what gives none."""
    cursor = _run(wire, sql, params)
    return cursor.fetchall() if cursor.description is not None else []


def _run(wire: Wire, sql: str, params: Params) -> "psycopg.Cursor[tuple[Any, ...]]":
    # Without parameters psycopg would take several statements at once, of which one may be COMMIT; not in a pipeline.
    text = sql.encode()
    # What was left out is no parameter list: a % in such a statement is a %.
    given = None if params == () else params
    cursor = psycopg.Cursor(wire.connection, row_factory=tuple_row)
    wire.round_trips += 1
    try:
        if not psycopg.Pipeline.is_supported():
            return cursor.execute(text, given, prepare=False)
        with wire.connection.pipeline():
            cursor.execute(text, given, prepare=False)
        return cursor
    except psycopg.Error as error:
        words = str(error)
        if error.sqlstate is None and words.startswith("cannot adapt"):
            raise TypeError(words) from None
        if isinstance(error, psycopg.ProgrammingError) and error.sqlstate is None:
            raise ValueError(words) from None
        wire.note(error)
        raise _error(error, lost=wire.lost) from error


def _error(error: psycopg.Error, *, lost: bool) -> StoreError:
    words = error.diag.message_primary or str(error).strip()
    if error.sqlstate == "55P03":
        return BusyError(f"a lock that the statement needs ({words})", 0.0)
    found = failures.error(
        Trouble(words, error.sqlstate, [], lost=lost, answered=not lost, sent=True), "", "the statement failed"
    )
    if isinstance(found, StoreReplaced):
        return BackendError(f"the statement failed: {words}")
    return found


def writes(error: StoreError) -> bool:
    """True where a statement was refused because it writes."""
    return isinstance(error.__cause__, psycopg.errors.ReadOnlySqlTransaction)


DRAWING = "a write into the store from inside the iterable of its own append_many, which holds the write lock"
