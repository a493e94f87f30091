"""The schema as it is, compared with the one that we make: what is missing, altered, or not ours."""

import re
from functools import cache

from agent_store._core import Checker
from agent_store.backends.common.statements import of
from agent_store.backends.postgres.reader import Reader
from agent_store.backends.postgres.setup import NEWEST
from agent_store.backends.postgres.statements import quoted

_ENTRIES, _LOGS, _META, _VIEW = (f"_agent_store_{name}" for name in ("entries", "logs", "meta", "log"))
_TILES, _NOTES, _ERASURES = (f"_agent_store_{name}" for name in ("tiles", "notes", "erasures"))
_NAME = "text collate C not null"
_COLUMNS = {
    _ENTRIES: {
        "position": "bigint not null",
        "log": "bigint not null",
        "seq": "bigint not null",
        "content_hash": "bytea not null",
        "payload": "bytea not null",
    },
    _LOGS: {"id": "bigint not null", "stream": _NAME, "writer": _NAME},
    _META: {"key": _NAME, "ival": "bigint not null"},
    _TILES: {"level": "bigint not null", "number": "bigint not null", "hashes": "bytea not null"},
    _NOTES: {"kind": _NAME, "name": _NAME, "number": "bigint not null", "note": _NAME},
    _ERASURES: {"position": "bigint not null", "payload_len": "bigint not null", "note": _NAME},
    _VIEW: {
        "stream": "text",
        "writer": "text",
        "seq": "bigint",
        "prev_hash": "bytea",
        "content_hash": "bytea",
        "payload": "bytea",
        "position": "bigint",
    },
}
_CONSTRAINTS = {
    _ENTRIES: {
        "_agent_store_entries_position": 'PRIMARY KEY ("position")',
        "_agent_store_entries_seq": "UNIQUE (log, seq)",
        "_agent_store_entries_position_check": 'CHECK (("position" > 0))',
        "_agent_store_entries_log_check": "CHECK ((log > 0))",
        "_agent_store_entries_seq_check": "CHECK ((seq > 0))",
        "_agent_store_entries_hash_check": "CHECK ((octet_length(content_hash) = 32))",
    },
    _LOGS: {
        "_agent_store_logs_id": "PRIMARY KEY (id)",
        "_agent_store_logs_name": "UNIQUE (stream, writer)",
        "_agent_store_logs_id_check": "CHECK ((id > 0))",
    },
    _META: {
        "_agent_store_meta_key": "PRIMARY KEY (key)",
        "_agent_store_meta_ival_check": "CHECK ((ival >= 0))",
    },
    _TILES: {
        "_agent_store_tiles_place": "PRIMARY KEY (level, number)",
        "_agent_store_tiles_level_check": "CHECK ((level >= 0))",
        "_agent_store_tiles_number_check": "CHECK ((number >= 0))",
        "_agent_store_tiles_hashes_check": "CHECK (((octet_length(hashes) >= 32) AND (octet_length(hashes) <= 8192) "
        "AND ((octet_length(hashes) % 32) = 0)))",
    },
    _NOTES: {
        "_agent_store_notes_place": "PRIMARY KEY (kind, name, number)",
        "_agent_store_notes_number_check": "CHECK ((number >= 0))",
    },
    _ERASURES: {
        "_agent_store_erasures_position": 'PRIMARY KEY ("position")',
        "_agent_store_erasures_position_check": 'CHECK (("position" > 0))',
        "_agent_store_erasures_payload_len_check": "CHECK ((payload_len >= 0))",
    },
}
# The kinds are those of pg_trigger: BEFORE or AFTER, for each row or statement, of which event.
_INSERTED, _TRUNCATED = "kind 7", "kind 34"
_UPDATED, _DELETED = "kind 19", "kind 11"


def _refuses(what: str) -> str:
    return f"_agent_store_refuse({what})"


_TRIGGERS = {
    _ENTRIES: {
        "insert": ("kind 4", "_agent_store_follow(), new rows as added"),
        "update": (_UPDATED, "_agent_store_erase()"),
        "delete": (_DELETED, _refuses("an entry is never removed")),
        "truncate": (_TRUNCATED, _refuses("an entry is never removed")),
    },
    _LOGS: {
        "update": (_UPDATED, _refuses("a log is never renamed")),
        "delete": (_DELETED, _refuses("a log is never removed")),
        "truncate": (_TRUNCATED, _refuses("a log is never removed")),
    },
    _META: {
        "insert": (_INSERTED, "_agent_store_rise()"),
        "update": (_UPDATED, "_agent_store_rise()"),
        "delete": (_DELETED, _refuses("a generation is never removed")),
        "truncate": (_TRUNCATED, _refuses("a generation is never removed")),
    },
    _NOTES: {
        "update": (_UPDATED, "_agent_store_renew()"),
        "delete": (_DELETED, _refuses("a signed note is never removed")),
        "truncate": (_TRUNCATED, _refuses("a signed note is never removed")),
    },
    _ERASURES: {
        "insert": (_INSERTED, "_agent_store_record()"),
        "update": (_UPDATED, _refuses("the record of an erasure is never changed")),
        "delete": (_DELETED, _refuses("the record of an erasure is never removed")),
        "truncate": (_TRUNCATED, _refuses("the record of an erasure is never removed")),
    },
}
_FUNCTION = re.compile(r"CREATE FUNCTION \{schema\}\.(\w+)\(\).*?AS \$guard\$(.*?)\$guard\$;", re.DOTALL)
_VIEW_TEXT = re.compile(r"CREATE VIEW \{schema\}\._agent_store_log AS(.*?);", re.DOTALL)
_SET = "set search_path=pg_catalog, pg_temp"


@cache
def expected() -> dict[str, str]:
    """What the catalogs say of a store that is as it was made."""
    guards = of("postgres")["guards"]
    found = {f"table {table}": "view" if table == _VIEW else "table" for table in _COLUMNS}
    for table, columns in _COLUMNS.items():
        found.update({f"column {table}.{column}": said for column, said in columns.items()})
    for table, constraints in _CONSTRAINTS.items():
        for name, said in constraints.items():
            found[f"constraint {name} of {table}"] = said
    for table, triggers in _TRIGGERS.items():
        for event, (kind, function) in triggers.items():
            found[f"trigger {table}_{event} of {table}"] = f"{kind}, enabled A, {function}"
    found.update({"key _agent_store.format": str(NEWEST), "key _agent_store.id": "some"})
    for name, source in _FUNCTION.findall(guards):
        found[f"function {name}"] = f"plpgsql, {_SET}\n{source}"
    match = _VIEW_TEXT.search(guards)
    found[f"view {_VIEW}"] = _plain(match.group(1) if match else "", "{schema}")
    return found


def compare(reader: Reader, checker: Checker) -> bool:
    """Each difference is a break of kind schema; True where there is one."""
    found = dict(reader.fetch("describe"))
    view = f"view {_VIEW}"
    if view in found:
        # Servers differ in how they write the same view: in line ends, brackets and quotes.
        found[view] = _plain(found[view], quoted(reader.schema), reader.schema)
    wanted = expected()
    for what in sorted(wanted.keys() | found.keys()):
        if what not in found:
            checker.report("schema", None, None, None, f"{what} is missing")
        elif what not in wanted:
            checker.report("schema", None, None, None, f"{what} is not ours")
        elif found[what] != wanted[what]:
            checker.report("schema", None, None, None, f"{what} is not as it was made: {_said(found[what])}")
    return found != wanted


def _said(text: str) -> str:
    first = " ".join(text.split())
    return first if len(first) <= 120 else f"{first[:120]}…"


def _plain(text: str, *schemas: str) -> str:
    for schema in schemas:
        text = text.replace(f"{schema}.", "")
    return re.sub(r'[\s()";]', "", text).lower().replace("as", "")
