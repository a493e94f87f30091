"""Looking at what is there, with one SELECT; and making a store where there is none, many processes at once."""

import time
import zlib
from dataclasses import dataclass

from agent_store.backends.postgres import failures
from agent_store.backends.postgres.statements import BEGIN, COMMIT, Statement, Statements, quoted
from agent_store.backends.postgres.trouble import Trouble
from agent_store.backends.postgres.turn import roll_back
from agent_store.backends.postgres.wire import Wire
from agent_store.errors import BackendError, StoreError, UnsupportedFormat

FORMAT = "agent-store format "
NEWEST = 1
OLDEST_SERVER = 130_000  # gen_random_uuid()


@dataclass(frozen=True)
class Found:
    """What a look finds in a schema; `oid` is of the table of entries, None where there is none."""

    schema: int | None
    oid: int | None
    comment: str | None
    encoding: str
    server: int


def look(wire: Wire, statements: Statements) -> Found:
    """One SELECT of catalogs, which fails for no right that is missing."""
    try:
        ((row,),) = wire.run((statements["look"], (statements.schema, statements.schema)))
    except Trouble as trouble:
        raise failures.error(trouble, statements.schema, "the store could not be looked for") from None
    return Found(*row)


def table(found: Found, schema: str) -> int | None:
    """The table of entries, which says who else comes by; UnsupportedFormat where it is not one of ours."""
    if found.encoding != "UTF8":
        raise UnsupportedFormat(
            f"the database has the encoding {found.encoding}, and names of any language need UTF8: "
            "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        )
    if found.server < OLDEST_SERVER:
        raise UnsupportedFormat("the server is older than PostgreSQL 13, which is the oldest supported")
    if found.oid is None:
        return None
    said = found.comment or ""
    version = said.removeprefix(FORMAT)
    if not said.startswith(FORMAT) or not version.isdigit():
        raise UnsupportedFormat(
            f"the table _agent_store_entries in schema {schema!r} is not marked as a store's, its comment is {said!r}: "
            "a restore that leaves comments out loses that mark; if it is one, "
            f"COMMENT ON TABLE {quoted(schema)}._agent_store_entries IS '{FORMAT}{NEWEST}'"
        )
    if int(version) != NEWEST:
        raise UnsupportedFormat(
            f"the store in schema {schema!r} has the format {version}, and this version knows {NEWEST}: "
            "upgrade agent-store"
        )
    return found.oid


def create(wire: Wire, statements: Statements, timeout: float | None) -> int:
    """The store, made in one transaction, or what another process has made meanwhile."""
    schema = statements.schema
    joins = wire.status != wire.status.IDLE
    wait = "0" if timeout is None else milliseconds(timeout)
    lock = (statements["lock_creation"], (wait, _key(schema)))
    began = time.monotonic()
    try:
        wire.run(*([] if joins else [(BEGIN, ())]), lock)
        found = look(wire, statements)
        oid = table(found, schema)
        if oid is None:
            if found.schema is None:
                wire.run((Statement(f"CREATE SCHEMA {quoted(schema)}"), ()))
            wire.script(statements.script("tables") + ";\n" + statements.script("guards"))
            oid = table(look(wire, statements), schema)
        if not joins:
            wire.run((COMMIT, ()))
    except BaseException as error:
        if not joins:
            roll_back(wire)
        if not isinstance(error, Trouble):
            raise
        busy = failures.busy(error, f"the making of schema {schema!r} by another process", time.monotonic() - began)
        raise (busy or _failed(error, schema)) from None
    if oid is None:
        raise BackendError(f"the store in schema {schema!r} was made, and is not there")
    return oid


def _failed(trouble: Trouble, schema: str) -> StoreError:
    if trouble.state == "42501":
        return BackendError(
            f"there is no store in schema {schema!r}, and this role may not make one ({trouble.words}): let one "
            "that may open it once, or GRANT CREATE ON DATABASE; docs/postgres.md has a script"
        )
    return failures.error(trouble, schema, f"the store in schema {schema!r} could not be made")


def milliseconds(timeout: float) -> str:
    """For the server, to which 0 is for ever."""
    return f"{min(max(1, round(timeout * 1000)), 2**31 - 1)}ms"


def _key(schema: str) -> int:
    return zlib.crc32(schema.encode()) - 2**31
