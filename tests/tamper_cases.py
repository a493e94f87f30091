"""What can be changed behind a store's back, and which breaks `verify` is to tell of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent_store.errors import ChainBroken, MalformedRow, StoreError
from tampering import forged_hash, payload

ADA, BOB, CAT = 1, 2, 3
SET_7 = "UPDATE _agent_store_entries SET {} WHERE log = 2 AND seq = 7"
DELETE = "DELETE FROM _agent_store_entries WHERE log = 2 AND seq "
FORGED = payload(BOB, 7).replace(b"room", b"ROOM")
MAX = 2**63 - 1


def swap(column: str, one: str, other: str, spare: str = "-1000") -> str:
    """Exchange a column's values of two rows, by way of one that no row has."""
    return f"""CREATE TEMP TABLE was AS SELECT position AS p, {column} AS v FROM _agent_store_entries
            WHERE ({one}) OR ({other}) ORDER BY p;
        UPDATE _agent_store_entries SET {column} = {spare} WHERE position = (SELECT min(p) FROM was);
        UPDATE _agent_store_entries SET {column} = (SELECT v FROM was ORDER BY p LIMIT 1)
            WHERE position = (SELECT max(p) FROM was);
        UPDATE _agent_store_entries SET {column} = (SELECT v FROM was ORDER BY p DESC LIMIT 1)
            WHERE {column} = {spare};"""


def redo(kind: str, name: str, old: str, new: str) -> str:
    """Make an object of the schema say something else."""
    return f"UPDATE sqlite_schema SET sql = replace(sql, '{old}', '{new}') WHERE type = '{kind}' AND name = '{name}'"


@dataclass(frozen=True)
class Case:
    name: str
    sql: str | Callable[[], str]
    breaks: Sequence[tuple[str, int | None, int | None]]
    """Kind, log and seq of every break, in the order in which they are told."""
    raised: type[StoreError] | None = None
    """By the verification of the log of the first break alone, or of `log`, at `seq`."""
    log: int | None = None
    seq: int | None = None
    position: int | None = None
    hold: int | None = None
    """How many entries still do."""
    guards: bool = True
    loose: bool = False
    detach: str = ""
    postgres: str | None = None
    """Another statement there; for what cannot be there, the difference (stores.py), which begins with "of "."""


def store_wide(
    name: str,
    kind: str,
    sql: str,
    *,
    guards: bool = True,
    loose: bool = False,
    detach: str = "",
    postgres: str | None = None,
) -> Case:
    return Case(name, sql, [(kind, None, None)], guards=guards, loose=loose, detach=detach, postgres=postgres)


def schema(name: str, sql: str, postgres: str | None = None) -> Case:
    return store_wide(name, "schema", sql, guards=False, postgres=postgres)


EVIL = "CREATE FUNCTION elsewhere.evil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; "
VIEW = """CREATE OR REPLACE VIEW _agent_store_log AS
    SELECT logs.stream, logs.writer, entries.seq, NULL::bytea AS prev_hash, entries.content_hash, entries.payload,
        entries.position
    FROM _agent_store_logs AS logs JOIN _agent_store_entries AS entries ON entries.log = logs.id"""
TYPES, SQLITE = "of types", "of SQLite"


HASHES = [("hash", BOB, 7), ("hash", BOB, 8)]
CASES = [
    Case("payload", SET_7.format("payload = x'00'"), [("hash", BOB, 7)], ChainBroken, position=20,
         hold=59),
    Case("payload emptied", SET_7.format("payload = x''"), [("hash", BOB, 7)], ChainBroken),
    Case("one bit", lambda: SET_7.format(f"payload = x'{FORGED.hex()}'"), [("hash", BOB, 7)], ChainBroken),
    Case("hash", SET_7.format("content_hash = zeroblob(32)"), HASHES, ChainBroken),
    Case("hash of the newest", "UPDATE _agent_store_entries SET content_hash = zeroblob(32) WHERE position = 60",
         [("hash", CAT, 20)], ChainBroken),
    Case("hash of the first", "UPDATE _agent_store_entries SET content_hash = zeroblob(32) WHERE position = 1",
         [("hash", ADA, 1), ("hash", ADA, 2)], ChainBroken),
    Case("payload and its hash",
         lambda: SET_7.format(f"payload = x'{FORGED.hex()}', content_hash = x'{forged_hash(BOB, 7, FORGED).hex()}'"),
         [("hash", BOB, 8)], ChainBroken),
    Case("payloads swapped", swap("payload", "position = 20", "position = 35", "x'ff'"),
         [("hash", BOB, 7), ("hash", BOB, 12)], ChainBroken),
    Case("payloads swapped between logs", swap("payload", "position = 20", "position = 21", "x'ff'"),
         [("hash", BOB, 7), ("hash", CAT, 7)], ChainBroken),
    Case("rows of two logs exchanged", swap("log", "position = 20", "position = 21", "1000"),
         [("hash", CAT, 7), ("hash", BOB, 7), ("hash", BOB, 8), ("hash", CAT, 8)], ChainBroken),
    Case("middle row deleted", DELETE + "= 7", [("gap", BOB, 7)], ChainBroken, hold=58),
    Case("middle rows deleted", DELETE + "BETWEEN 7 AND 9", [("gap", BOB, 7)], ChainBroken),
    Case("rows deleted in two places", DELETE + "IN (7, 12)", [("gap", BOB, 7), ("gap", BOB, 12)], ChainBroken),
    Case("rows of two logs deleted", "DELETE FROM _agent_store_entries WHERE position IN (20, 21)",
         [("gap", BOB, 7), ("gap", CAT, 7)], ChainBroken),
    Case("first row deleted", DELETE + "= 1", [("gap", BOB, 1)], ChainBroken),
    Case("newest row of a log deleted", DELETE + "= 20", [("gap", None, None)], position=59),
    Case("a middle row and the newest deleted", DELETE + "IN (7, 20)", [("gap", BOB, 7), ("gap", None, None)],
         ChainBroken),
    Case("newest rows of a log deleted", DELETE + ">= 18", [("gap", None, None)] * 3, position=53),
    Case("log row deleted", "DELETE FROM _agent_store_logs WHERE id = 2", [("orphan", None, 1)], position=2,
         hold=40),
    Case("log without entries", "INSERT INTO _agent_store_logs VALUES (4, 'room', 'new')", [("gap", 4, 1)],
         ChainBroken),
    Case("positions swapped", swap("position", "position = 20", "position = 23"), [("order", BOB, 8)], ChainBroken,
         hold=59),
    Case("payload of text", SET_7.format("payload = 'text'"), [("malformed", BOB, 7)], MalformedRow, loose=True,
         postgres=TYPES),
    Case("payload NULL", SET_7.format("payload = NULL"), [("malformed", BOB, 7)], MalformedRow, loose=True),
    Case("payload a number", SET_7.format("payload = 5"), [("malformed", BOB, 7)], MalformedRow, loose=True,
         postgres=TYPES),
    Case("hash NULL", SET_7.format("content_hash = NULL"), [("malformed", BOB, 7), ("link", BOB, 8)], MalformedRow,
         loose=True),
    Case("hash of text", SET_7.format("content_hash = 'text'"), [("malformed", BOB, 7), ("link", BOB, 8)],
         MalformedRow, loose=True, postgres=TYPES),
    Case("hash of 31 bytes", SET_7.format("content_hash = substr(content_hash, 1, 31)"),
         [("malformed", BOB, 7), ("link", BOB, 8)], MalformedRow),
    Case("seq negative", SET_7.format("seq = -7"), [("malformed", BOB, -7), ("gap", BOB, 7)], MalformedRow),
    Case("seq zero", SET_7.format("seq = 0"), [("malformed", BOB, 0), ("gap", BOB, 7)], MalformedRow),
    Case("seq least", SET_7.format(f"seq = -{MAX} - 1"), [("malformed", BOB, -MAX - 1), ("gap", BOB, 7)], MalformedRow),
    Case("position negative", SET_7.format("position = -20"), [("malformed", BOB, 7), ("gap", None, None)],
         MalformedRow),
    Case("position zero", SET_7.format("position = 0"), [("malformed", BOB, 7), ("gap", None, None)], MalformedRow),
    Case("position least", SET_7.format(f"position = -{MAX} - 1"), [("malformed", BOB, 7), ("gap", None, None)],
         MalformedRow),
    Case("seq zero before the first", "DELETE FROM _agent_store_entries WHERE position = 4;"
         "UPDATE _agent_store_entries SET position = 4 WHERE position = 1;"
         "UPDATE _agent_store_entries SET position = 1, log = 1, seq = 0 WHERE position = 3",
         [("malformed", ADA, 0), ("gap", CAT, 1), ("gap", ADA, 2)], MalformedRow),
    Case("seq negative before a gap", f"{DELETE} BETWEEN 1 AND 6; {DELETE} = 8; " + SET_7.format("seq = -7"),
         [("malformed", BOB, -7), ("gap", BOB, 1)], MalformedRow),
    Case("seq great", SET_7.format("seq = 100000"), [("gap", BOB, 21), ("gap", BOB, 7)], ChainBroken, seq=7),
    Case("seq huge", SET_7.format(f"seq = {MAX}"), [("gap", BOB, 21), ("gap", BOB, 7)], ChainBroken, seq=7),
    Case("position great", "UPDATE _agent_store_entries SET position = 1000000 WHERE position = 60",
         [("gap", None, None)], position=60),
    Case("position huge", f"UPDATE _agent_store_entries SET position = {2**62} WHERE position = 60",
         [("gap", None, None)], position=60),
    Case("position greatest", f"UPDATE _agent_store_entries SET position = {MAX} WHERE position = 60",
         [("gap", None, None)], position=60),
    Case("row moved to another log", "UPDATE _agent_store_entries SET log = 1, seq = 21 WHERE position = 59",
         [("hash", ADA, 21)], ChainBroken),
    Case("row moved to no log", SET_7.format("log = 9"), [("orphan", None, 7), ("gap", None, 1), ("gap", BOB, 7)],
         ChainBroken, log=BOB, position=20),
    Case("seq of text", SET_7.format("seq = 'x'"), [("malformed", BOB, None), ("gap", BOB, 7)], loose=True,
         postgres=TYPES),
    Case("seq a fraction", SET_7.format("seq = 6.5"), [("malformed", BOB, None), ("gap", BOB, 7)], loose=True,
         postgres=TYPES),
    Case("seq NULL", SET_7.format("seq = NULL"), [("malformed", BOB, None), ("gap", BOB, 7)], loose=True),
    store_wide("stream in the index another", "index", "UPDATE _agent_store_logs SET stream = 'x' WHERE id = 2",
               detach="_agent_store_logs", postgres=SQLITE),
    store_wide("key in the index another", "index", "UPDATE _agent_store_meta SET key = 'x' WHERE key = 'report'",
               detach="_agent_store_meta", postgres=SQLITE),
    schema("trigger missing", "DROP TRIGGER _agent_store_entries_delete",
           "DROP TRIGGER _agent_store_entries_delete ON _agent_store_entries"),
    schema("trigger foreign", "CREATE TRIGGER evil AFTER INSERT ON _agent_store_entries BEGIN SELECT 1; END",
           EVIL + "CREATE TRIGGER evil AFTER INSERT ON _agent_store_entries EXECUTE FUNCTION elsewhere.evil()"),
    schema("trigger before writes to the view",
           "CREATE TRIGGER evil INSTEAD OF INSERT ON _agent_store_log BEGIN SELECT 1; END",
           EVIL + "CREATE TRIGGER evil INSTEAD OF INSERT ON _agent_store_log FOR EACH ROW "
                  "EXECUTE FUNCTION elsewhere.evil()"),
    schema("trigger altered", redo("trigger", "_agent_store_entries_delete", "BEFORE DELETE", "AFTER DELETE"),
           "CREATE OR REPLACE FUNCTION _agent_store_refuse() RETURNS trigger LANGUAGE plpgsql "
           "SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NEW; END'"),
    schema("view altered", redo("view", "_agent_store_log", "entries.payload", "x''''"), VIEW),
    schema("view missing its guards", redo("trigger", "_agent_store_log_insert", "65400", "65401"), SQLITE),
    schema("index foreign", "CREATE INDEX evil ON _agent_store_entries (seq)"),
    schema("column added", "ALTER TABLE _agent_store_entries ADD COLUMN more TEXT"),
    schema("table with our prefix", "CREATE TABLE _agent_store_more (x integer)"),
    schema("CHECK removed", redo("table", "_agent_store_entries", "CHECK (seq > 0)", ""),
           "ALTER TABLE _agent_store_entries DROP CONSTRAINT _agent_store_entries_seq_check"),
    schema("STRICT removed", redo("table", "_agent_store_logs", "STRICT", ""), SQLITE),
    schema("guard of notes missing", "DROP TRIGGER _agent_store_notes_update",
           "DROP TRIGGER _agent_store_notes_update ON _agent_store_notes"),
    schema("guard of notes altered", redo("trigger", "_agent_store_notes_update", "''cosignature''", "''checkpoint''"),
           "CREATE OR REPLACE FUNCTION _agent_store_renew() RETURNS trigger LANGUAGE plpgsql "
           "SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NEW; END'"),
    schema("guard of erasures missing", "DROP TRIGGER _agent_store_erasures_delete",
           "DROP TRIGGER _agent_store_erasures_delete ON _agent_store_erasures"),
    schema("guard of erasing altered", redo("trigger", "_agent_store_entries_update", "old.payload)", "new.payload)"),
           "CREATE OR REPLACE FUNCTION _agent_store_erase() RETURNS trigger LANGUAGE plpgsql "
           "SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NEW; END'"),
    schema("CHECK of tiles removed", redo("table", "_agent_store_tiles", " AND length(hashes) % 32 = 0", ""),
           "ALTER TABLE _agent_store_tiles DROP CONSTRAINT _agent_store_tiles_hashes_check"),
    schema("index on notes", "CREATE INDEX evil ON _agent_store_notes (note)"),
    schema("trigger on tiles", "CREATE TRIGGER evil AFTER UPDATE ON _agent_store_tiles BEGIN SELECT 1; END",
           EVIL + "CREATE TRIGGER evil AFTER UPDATE ON _agent_store_tiles EXECUTE FUNCTION elsewhere.evil()"),
    schema("column added to erasures", "ALTER TABLE _agent_store_erasures ADD COLUMN more TEXT"),
    store_wide("id missing", "schema", "DELETE FROM _agent_store_meta WHERE key = '_agent_store.id'"),
    store_wide("generation negative", "malformed", "UPDATE _agent_store_meta SET ival = -1 WHERE key = 'report'"),
    store_wide("generation of text", "malformed", "UPDATE _agent_store_meta SET ival = 'x' WHERE key = 'report'",
               postgres=TYPES),
    store_wide("generation a fraction", "malformed", "UPDATE _agent_store_meta SET ival = 1.5 WHERE key = 'report'",
               postgres=TYPES),
    store_wide("key a blob", "malformed", "UPDATE _agent_store_meta SET key = x'00' WHERE key = 'report'",
               postgres=TYPES),
]  # fmt: skip


def only_there(name: str, sql: str) -> Case:
    return store_wide(name, "schema", sql, guards=False)


# What only PostgreSQL has.
ON_POSTGRES = [
    only_there("trigger off", "ALTER TABLE _agent_store_entries DISABLE TRIGGER _agent_store_entries_delete"),
    only_there(
        "trigger off in replicas", "ALTER TABLE _agent_store_entries ENABLE TRIGGER _agent_store_entries_delete"
    ),
    only_there("rule", "CREATE RULE evil AS ON INSERT TO _agent_store_entries DO INSTEAD NOTHING"),
    only_there("not logged", "ALTER TABLE _agent_store_entries SET UNLOGGED"),
    only_there("row security", "ALTER TABLE _agent_store_entries ENABLE ROW LEVEL SECURITY"),
    only_there("heir", "CREATE TABLE elsewhere.evil () INHERITS (_agent_store_entries)"),
    only_there("NOT NULL removed", "ALTER TABLE _agent_store_entries ALTER payload DROP NOT NULL"),
    only_there("UNIQUE removed", "ALTER TABLE _agent_store_entries DROP CONSTRAINT _agent_store_entries_seq"),
    only_there("collation another", 'ALTER TABLE _agent_store_meta ALTER key TYPE text COLLATE "POSIX"'),
    only_there("rule on notes", "CREATE RULE evil AS ON INSERT TO _agent_store_notes DO INSTEAD NOTHING"),
    only_there("tiles not logged", "ALTER TABLE _agent_store_tiles SET UNLOGGED"),
    only_there("default", "ALTER TABLE _agent_store_entries ALTER payload SET DEFAULT ''"),
]
