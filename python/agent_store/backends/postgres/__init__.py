"""PostgreSQL, through psycopg: by URL, or through a connection of the caller's."""

import math
from typing import TYPE_CHECKING, Any

from agent_store.errors import BackendError

if TYPE_CHECKING:
    import psycopg

    from agent_store.backends.postgres.adopted import Adopted
    from agent_store.backends.postgres.own import Own

MISSING = "a store on PostgreSQL needs psycopg: pip install 'agent-store[postgres]'"


def open(url: str, durability: str, read_only: bool, timeout: float) -> "Own":  # noqa: FBT001
    """The backend on a server; `shown` is the URL without its password."""
    from agent_store.backends.postgres import address

    _check(durability, timeout)
    found = address.parse(url)
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise BackendError(f"{MISSING} ({error})") from None
    from agent_store.backends.postgres import own

    return own.Own(found, durability, read_only, timeout)


def _check(durability: object, timeout: object) -> None:
    """As it is checked natively."""
    if not isinstance(durability, str):
        raise TypeError(f"durability must be a str, not {type(durability).__name__}")
    if durability not in {"full", "normal"}:
        raise ValueError(f'durability must be "full" or "normal", not "{durability}"')
    if not isinstance(timeout, int | float):
        raise TypeError(f"timeout must be a number of seconds, not {type(timeout).__name__}")
    if not (math.isfinite(timeout) and timeout >= 0):
        raise ValueError(f"timeout must be a finite number of seconds, 0 or more, not {timeout}")


def adopt(connection: "psycopg.Connection[Any]", schema: str | None) -> "Adopted":
    """The backend on a connection that stays the caller's."""
    from agent_store.backends.postgres import address, adopted

    return adopted.Adopted(connection, address.SCHEMA if schema is None else address.checked(schema))
