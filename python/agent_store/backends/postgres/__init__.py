"""PostgreSQL, through psycopg: by URL, or through a connection of the caller's."""

from typing import TYPE_CHECKING, Any

from agent_store._core import check_options
from agent_store.errors import BackendError

if TYPE_CHECKING:
    import psycopg

    from agent_store.backends.postgres.adopted import Adopted
    from agent_store.backends.postgres.own import Own

MISSING = "a store on PostgreSQL needs psycopg: pip install 'agent-store[postgres]'"


def open(url: str, durability: str, read_only: bool, timeout: float) -> "Own":  # noqa: FBT001
    """The backend on a server; `shown` is the URL without its password."""
    from agent_store.backends.postgres import address

    check_options(durability, timeout)
    found = address.parse(url)
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise BackendError(f"{MISSING} ({error})") from None
    from agent_store.backends.postgres import own

    return own.Own(found, durability, read_only, timeout)


def adopt(connection: "psycopg.Connection[Any]", schema: str | None) -> "Adopted":
    """The backend on a connection that stays the caller's."""
    from agent_store.backends.postgres import address, adopted

    return adopted.Adopted(connection, address.SCHEMA if schema is None else address.checked(schema))
