"""The facts of a store."""

from typing import TYPE_CHECKING, Any

from agent_store.backends.postgres.reader import Reader
from agent_store.backends.postgres.setup import NEWEST

if TYPE_CHECKING:
    from agent_store.backends.postgres.database import Database


def facts(reader: Reader, database: "Database") -> dict[str, Any]:
    """In one round trip."""
    ((identity, entries, logs, position, size, server, session, behind),) = reader.fetch("facts")
    return {
        "kind": database.kind,
        "path": database.place,
        "schema": database.statements.schema,
        "format": NEWEST,
        "id": identity,
        "layout": "compact",
        "entries": entries,
        "logs": logs,
        "position": position,
        "bytes": size,
        "server_version": server,
        "durability": database.durability,
        "read_only": database.read_only,
        "doorbell": database.doorbell(reader, session, behind=behind),
    }
