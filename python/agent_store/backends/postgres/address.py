"""A URL, taken apart: `?schema=` is ours, all else is libpq's and goes there as it is."""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

SCHEMA = "agent_store"
LONGEST = 63  # bytes of a name, for the server
_SECRETS = ("password", "sslpassword", "oauth_client_secret")


@dataclass(frozen=True)
class Address:
    """Where a store is. Its repr is without passwords."""

    conninfo: str = field(repr=False)
    schema: str
    shown: str
    secrets: tuple[str, ...] = field(repr=False)
    unclear: bool = False
    """True where a password seems to hold what must be encoded in a URL: then libpq's words may repeat it."""

    def without_secrets(self, text: str) -> str:
        """Words of the server's or of libpq's, which may repeat a part of the URL."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def parse(url: str) -> Address:
    """ValueError where the schema cannot be one; what libpq takes is for libpq to say."""
    if "\0" in url:
        raise ValueError("the URL contains a NUL character")
    scheme, _, rest = url.partition("://")
    # A user or password may hold a question mark; the first @ before any slash ends them, as for libpq.
    match = re.match(r"[^@/]*@", rest)
    user, after = (match.group(), rest[match.end() :]) if match else ("", rest)
    place, question, query = after.partition("?")
    name, colon, password = user.removesuffix("@").partition(":")
    secrets = [password] if password else []
    schemas, kept, shown = [], [], []
    for part in query.split("&") if question else []:
        key, _, value = part.partition("=")
        if unquote(key) == "schema":
            schemas.append(unquote(value))
            shown.append(part)
            continue
        kept.append(part)
        if unquote(key).lower() in _SECRETS and value:
            secrets.append(value)
            shown.append(f"{key}=***")
        else:
            shown.append(part)
    if len(schemas) > 1:
        raise ValueError("the URL names two schemas: give schema= once")
    schema = checked(schemas[0]) if schemas else SCHEMA
    masked = f"{name}{':***' if colon else ''}@" if user else ""
    conninfo = f"{scheme}://{user}{place}" + (f"?{'&'.join(kept)}" if kept else "")
    unclear = "@" in place or (not user and "@" in query and _is_no_host(place))
    if unclear:
        # An @, / or ? of the password that was not encoded: what libpq takes for host or database may be a part of it.
        masked, place, shown = f"{re.split('[:@/?]', rest)[0]}:***@", rest.rpartition("@")[2], []
    return Address(
        conninfo=conninfo,
        schema=schema,
        shown=f"{scheme}://{masked}{place}" + (f"?{'&'.join(shown)}" if shown else ""),
        unclear=unclear,
        secrets=tuple({*secrets, *map(unquote, secrets)}),
    )


def _is_no_host(place: str) -> bool:
    """Where a port is to be, there is something else."""
    _, colon, port = place.partition("/")[0].rpartition(":")
    return bool(colon) and not port.isdigit() and not place.startswith("[")


def checked(schema: object) -> str:
    """A name that a schema of the store's own can have."""
    if not isinstance(schema, str):
        raise TypeError(f"schema must be a str, not {type(schema).__name__}")
    try:
        length = len(schema.encode())
    except UnicodeEncodeError:
        raise ValueError(f"schema {schema!r} is not UTF-8") from None
    if not schema:
        raise ValueError("the schema has no name: leave ?schema= out for agent_store")
    if length > LONGEST:
        raise ValueError(f"schema {schema[:20]!r}… has {length} bytes, and the server keeps {LONGEST}")
    if "\0" in schema:
        raise ValueError(f"schema {schema!r} contains a NUL character")
    if schema.startswith("pg_") or schema == "information_schema":
        raise ValueError(f"schema {schema!r} is the server's own: names that begin with pg_ are reserved")
    return schema
