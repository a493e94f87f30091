"""Opening a connection, and saying in plain words why there is none."""

import math
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from agent_store.backends.postgres.address import Address
from agent_store.errors import BackendError

if TYPE_CHECKING:
    from psycopg.abc import ConnDict

PATIENCE = 10  # seconds that connecting may take, where neither the URL nor the timeout says more

# What libpq says, in part, and what to do about it.
_ADVICE = (
    (("password authentication failed",), "the server refuses this user with this password: mend the URL"),
    (("no password supplied", "fe_sendauth"), "the server wants a password: put it into the URL, or into ~/.pgpass"),
    (("pg_hba.conf",), "the server lets in no such user from here (its pg_hba.conf): ask who runs it"),
    (("role ", "does not exist"), "there is no such user: CREATE ROLE makes one (docs/postgres.md)"),
    (("database ", "does not exist"), "there is no such database: CREATE DATABASE makes it, with ENCODING 'UTF8'"),
    (("permission denied for database",), "the user may not connect to this database: GRANT CONNECT lets it"),
    (
        ("too many clients", "remaining connection slots", "too many connections"),
        "the server has no connection left for it: close some, or raise the limit",
    ),
    (("SSL", "certificate", "TLS"), "TLS as the URL wants it did not come about: look at sslmode= and sslrootcert="),
    (("could not translate host name", "Name or service", "resolve host", "nodename nor"), "no such host is known"),
    (("Connection refused", "No such file or directory"), "no server listens there: start it, or mend host and port"),
    (("timeout expired", "timed out"), "no answer in time: is the host right, and does a firewall let this through?"),
    (("starting up", "shutting down", "recovery"), "the server is starting or stopping: try again"),
)


def params(address: Address) -> "ConnDict":
    """What the URL says, as libpq reads it; BackendError where it cannot."""
    try:
        return conninfo_to_dict(address.conninfo)
    except psycopg.Error as error:
        if address.unclear:
            raise BackendError(_unclear(address)) from None
        words = "" if address.secrets else f": {str(error).strip()}"
        raise BackendError(f"{address.shown} is no URL that libpq can read{words}") from None


def connect(address: Address, timeout: float) -> "psycopg.Connection[Any]":
    """A connection in autocommit mode; nothing is set in its session."""
    found = params(address)
    extra: dict[str, Any] = {}
    if not found.get("connect_timeout"):
        extra["connect_timeout"] = math.ceil(min(max(timeout, PATIENCE), 2**31 - 1))
    if not found.get("application_name") and not found.get("fallback_application_name"):
        extra["fallback_application_name"] = "agent-store"
    try:
        return psycopg.connect(
            address.conninfo, autocommit=True, prepare_threshold=None, client_encoding="UTF8", **extra
        )
    except psycopg.Error as error:
        raise BackendError(_words(address, error)) from None


def _unclear(address: Address) -> str:
    return (
        f"no connection to {address.shown}: in a URL an @, / or ? of a password is written %40, %2F, %3F, and here one "
        "seems not to be"
    )


def _words(address: Address, error: psycopg.Error) -> str:
    if address.unclear:
        return _unclear(address)
    words = address.without_secrets(" ".join(str(error).split()))
    for signs, advice in _ADVICE:
        if all(sign in words for sign in signs) if signs[-1] == "does not exist" else any(s in words for s in signs):
            return f"no connection to {address.shown}: {advice} ({words})"
    return f"no connection to {address.shown}: {words}"
