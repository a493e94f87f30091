"""Damage on a server, by its superuser."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

TABLES = [f"_agent_store_{name}" for name in ("entries", "logs", "meta", "tiles", "notes", "erasures")]
CONSTRAINTS = """SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid = ANY (%s::regclass[]) AND contype IN ('c', 'n')"""
TRIGGERS = """SELECT tgrelid::regclass::text, quote_ident(tgname), tgenabled FROM pg_trigger
    WHERE tgrelid = ANY (%s::regclass[]) AND NOT tgisinternal"""
HOW = {"O": "", "A": "ALWAYS ", "R": "REPLICA "}
COLUMNS = """SELECT attrelid::regclass::text, quote_ident(attname) FROM pg_attribute
    WHERE attrelid = ANY (%s::regclass[]) AND attnotnull AND attnum > 0 AND NOT EXISTS (
        SELECT FROM pg_index WHERE indrelid = attrelid AND indisprimary AND attnum = ANY (indkey))"""


def damage(url: str, schema: str, elsewhere: str, sql: str, *, guards: bool = True) -> None:
    """Run `sql`, written for SQLite, on the tables of `schema`, without guards and checks, which are there after it.

    guards=False: they stay on, and what `sql` does to them stays.
    """
    with psycopg.connect(url) as connection:
        connection.execute(f"SET search_path = {schema}")
        connection.execute("SET allow_system_table_mods = on")
        translated = there(sql).replace("elsewhere.", f"{elsewhere}.")
        if not guards:
            connection.execute(translated)
            return
        with unhindered(connection, TABLES):
            connection.execute(translated)


def there(sql: str) -> str:
    """The same statement there."""
    sql = re.sub(r"x'([0-9a-f]*)'", r"'\\x\1'::bytea", sql)
    return re.sub(r"zeroblob\((\d+)\)", r"decode(repeat('00', \1), 'hex')", sql)


@contextmanager
def unhindered(connection: psycopg.Connection[Any], tables: list[str]) -> Iterator[None]:
    triggers = connection.execute(TRIGGERS, [tables]).fetchall()
    constraints = connection.execute(CONSTRAINTS, [tables]).fetchall()
    columns = connection.execute(COLUMNS, [tables]).fetchall()
    for table in tables:
        connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    for table, name, definition in constraints:
        if definition.startswith("CHECK"):
            connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    for table, column in columns:
        connection.execute(f"ALTER TABLE {table} ALTER {column} DROP NOT NULL")
    yield
    for table, name, definition in constraints:
        if not definition.endswith("NOT NULL") or connection.info.server_version >= 180_000:
            connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition} NOT VALID")
            # As if it had never been away.
            connection.execute(
                "UPDATE pg_constraint SET convalidated = true WHERE conrelid = %s::regclass AND conname = %s",
                [table, name],
            )
    for table, column in columns:
        connection.execute(
            "UPDATE pg_attribute SET attnotnull = true WHERE attrelid = %s::regclass AND attname = %s", [table, column]
        )
    for table, name, enabled in triggers:
        connection.execute(f"ALTER TABLE {table} ENABLE {HOW[enabled]}TRIGGER {name}")
