"""Stores to be damaged, and the damage itself: done by another process, so that no two SQLite libraries meet in one."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent_store import Store

LOGS = (("room", "ada"), ("room", "bob"), ("hall", "cat"))
"""Their ids are 1, 2 and 3, and they take turns: entry `seq` of log `id` stands at position 3 * (seq - 1) + id."""
ENTRIES = 20
GARBAGE = b"\xa5"
BOB_SEVENTH = "WHERE log = 2 AND seq = 7"


def payload(log: int, seq: int) -> bytes:
    """Long enough that a store of sixty has several pages."""
    stream, writer = LOGS[log - 1]
    return f"{stream}/{writer}/{seq:04}/".encode().ljust(300, b".")


def position(log: int, seq: int) -> int:
    return len(LOGS) * (seq - 1) + log


def fill(store: "Store") -> None:
    """Three logs of twenty entries, and two generations."""
    numbered = list(enumerate(LOGS, 1))
    store.append_many([(s, w, payload(log, seq)) for seq in range(1, ENTRIES + 1) for log, (s, w) in numbered])
    store.generation("report").set(7)
    store.generation("other").set(9)


def build(path: Path) -> None:
    import agent_store  # Not for the process that does the damage.

    with agent_store.open(path, durability="normal") as store:
        fill(store)


def forged_hash(log: int, seq: int, forged: bytes) -> bytes:
    """The hash that entry `seq` would have with another payload."""
    import agent_store

    with agent_store.open(":memory:") as store:
        head = store.log("any", "any").append_many([*(payload(log, before) for before in range(1, seq)), forged])
    assert head is not None
    return head.content_hash


def damage(path: Path, sql: str = "", **how: object) -> None:
    """Run `sql` on the file of a closed store, with nothing to hinder it, and leave no other trace.

    guards=False: the triggers stay on, and what `sql` does to them stays. loose: how a table is declared
    meanwhile, without STRICT and constraints. detach="table": its index is left as it is meanwhile.
    """
    child(path, sql=sql, **how)


def garbage(path: Path, *, holding: bytes = b"", root: str = "") -> list[int]:
    """Overwrite the page that holds these bytes, or the root page of a table or index.

    The positions of the entries whose payloads stand on it.
    """
    marks = {position(log, seq): payload(log, seq) for log in range(1, len(LOGS) + 1) for seq in range(1, ENTRIES + 1)}
    found = child(path, holding=holding.decode(), root=root, marks={at: mark.decode() for at, mark in marks.items()})
    return sorted(int(at) for at in found)


def shorten(path: Path, keep: float) -> None:
    """Cut the file to this part of its length."""
    child(path, keep=keep)


def child(path: Path, **task: object) -> Any:
    """Do `task` in another process."""
    done = subprocess.run(
        [sys.executable, __file__, str(path)], input=json.dumps(task), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def connect(path: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA ignore_check_constraints = ON")
    db.execute("PRAGMA writable_schema = ON")
    return db


def script(path: str, *statements: tuple[str, tuple[object, ...]]) -> None:
    """On a connection of its own: what was written into the schema counts from the next one on."""
    with closing(connect(path)) as db:
        for sql, parameters in statements:
            db.execute(sql, parameters)


LOOSE = """CREATE TABLE _agent_store_entries (
    position INTEGER PRIMARY KEY, log INTEGER, seq INTEGER, content_hash BLOB, payload BLOB, UNIQUE (log, seq))"""
BARE = {
    "_agent_store_entries": """CREATE TABLE _agent_store_entries (
        position INTEGER PRIMARY KEY, log INTEGER, seq INTEGER, content_hash BLOB, payload BLOB)""",
    "_agent_store_logs": "CREATE TABLE _agent_store_logs (id INTEGER PRIMARY KEY, stream TEXT, writer TEXT)",
    "_agent_store_meta": "CREATE TABLE _agent_store_meta (key TEXT, ival INTEGER)",
}
SET_SQL = "UPDATE sqlite_schema SET sql = ? WHERE type = 'table' AND name = ?"


def tamper(path: str, task: dict[str, Any]) -> None:
    loose, table = task.get("loose"), task.get("detach", "")
    if loose:
        table = loose.split()[2]
    with closing(connect(path)) as db:
        guards = db.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND name GLOB '_agent_store_*'"
        ).fetchall()
        whole = db.execute("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", (table,)).fetchone()
        index = db.execute(
            "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = ?",
            (table,),
        ).fetchone()
    if not task.get("guards", True):
        guards = []
    script(path, *((f"DROP TRIGGER {name}", ()) for name, _ in guards))
    if loose:
        script(path, (SET_SQL, (loose, table)))
    elif table:
        script(path, (SET_SQL, (BARE[table], table)), ("DELETE FROM sqlite_schema WHERE name = ?", (index[1],)))
    with closing(connect(path)) as db:
        db.executescript(task["sql"])
    if whole:
        script(path, (SET_SQL, (*whole, table)))
    if table and not loose:
        script(path, ("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", index))
    script(path, *((sql, ()) for _, sql in guards))


def overwrite(path: str, task: dict[str, Any]) -> list[int]:
    with closing(connect(path)) as db:
        size: int = db.execute("PRAGMA page_size").fetchone()[0]
        root = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (task["root"],)).fetchone()
    content = bytearray(Path(path).read_bytes())
    start = (root[0] - 1) * size if root else content.index(task["holding"].encode()) // size * size
    page = bytes(content[start : start + size])
    content[start : start + size] = GARBAGE * size
    Path(path).write_bytes(content)
    return [at for at, mark in task["marks"].items() if mark.encode() in page]


def main() -> None:
    path, task = sys.argv[1], json.load(sys.stdin)
    if "marks" in task:
        print(json.dumps(overwrite(path, task)))
        return
    if "keep" in task:
        os.truncate(path, int(Path(path).stat().st_size * task["keep"]))
    else:
        tamper(path, task)
    print("null")


if __name__ == "__main__":
    main()
