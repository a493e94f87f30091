"""A verifier that is slow and plain: each row against the one before it in its log, as the documents say."""

import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from blake3_rule import blake3

KEPT, KEPT_OF_ONE_LOG = 1_000, 10
Hashes = dict[tuple[bytes | None, bytes], bytes]
"""The content hash after a hash, if there is one, of a payload."""


class Row(NamedTuple):
    position: int
    log: int
    seq: int
    content_hash: bytes
    payload: bytes


class Found(NamedTuple):
    """A break, as far as it is compared."""

    kind: str
    stream: str | None
    writer: str | None
    seq: int | None
    position: int | None


def rows_of(path: Path) -> tuple[list[Row], dict[int, tuple[str, str]]]:
    """All entries and the names of the logs, of a store that nobody has open."""
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute(
            "SELECT position, log, seq, content_hash, payload FROM _agent_store_entries ORDER BY position"
        )
        names = db.execute("SELECT id, stream, writer FROM _agent_store_logs ORDER BY id")
        return [Row(*row) for row in rows], {log: (stream, writer) for log, stream, writer in names}


def hashes_of(rows: list[Row]) -> Hashes:
    """Those of a store that holds."""
    last: dict[int, bytes] = {}
    hashes: Hashes = {}
    for row in rows:
        hashes[last.get(row.log), row.payload] = row.content_hash
        last[row.log] = row.content_hash
    return hashes


@dataclass
class Verdict:
    entries: int
    logs: int
    entries_hold: int = 0
    breaks: list[Found] = field(default_factory=list)
    """The first ones, in the order of their positions, those without one before."""
    breaks_total: int = 0
    broken_logs: int = 0
    of_log: dict[int, list[Found]] = field(default_factory=dict)
    """All of each log, by seq."""
    tail: bool = False
    """Positions are missing that no log misses an entry at: one break or more of the store as a whole."""


def judge(row: Row, before: Row | None, hashes: Hashes) -> list[tuple[str, int]]:
    """Kind and seq of what is wrong with it."""
    if len(row.content_hash) != 32 or row.seq < 1 or row.position < 1:
        return [("malformed", row.seq)]
    reached = before.seq if before else 0
    if reached != row.seq - 1:
        return [("gap", reached + 1)]
    found = []
    if before and before.position >= row.position:
        found.append(("order", row.seq))
    if before and len(before.content_hash) != 32:
        return [*found, ("link", row.seq)]
    prev = before.content_hash if before else None
    if (prev, row.payload) not in hashes:
        hashes[prev, row.payload] = blake3((prev or b"") + row.payload)
    if hashes[prev, row.payload] != row.content_hash:
        found.append(("hash", row.seq))
    return found


def verify(rows: list[Row], names: dict[int, tuple[str, str]], hashes: Hashes) -> Verdict:
    verdict = Verdict(len(rows), len(names))
    logs: defaultdict[int, list[Row]] = defaultdict(list)
    for row in rows:
        logs[row.log].append(row)
    whole: list[tuple[int, Found]] = []
    placed: list[tuple[int, Found]] = []
    missing = 0
    for log in sorted({*logs, *names}):
        stream, writer = names.get(log) or (None, None)
        chain = sorted(logs[log], key=lambda row: row.seq)
        of_log: list[Found] = []
        if log not in names:
            whole.append((log, Found("orphan", None, None, chain[0].seq, chain[0].position)))
        if not chain:
            of_log.append(Found("gap", stream, writer, 1, None))
            whole.append((log, of_log[0]))
            missing = 2**64
        before = None
        for row in chain:
            wrong = judge(row, before, hashes)
            breaks = [Found(kind, stream, writer, seq, row.position) for kind, seq in wrong]
            of_log += breaks
            placed += [(log, found) for found in breaks]
            missing += sum(row.seq - seq for kind, seq in wrong if kind == "gap")
            verdict.entries_hold += not wrong and log in names
            before = row if row.seq > 0 else None
        verdict.of_log[log] = sorted(of_log, key=lambda found: found.seq or 0)
    placed.sort(key=lambda found: found[1].position or 0)
    holes = max(row.position for row in rows) - sum(row.position > 0 for row in rows)
    verdict.tail = holes > missing
    told: Counter[int] = Counter()
    for log, found in [*whole, *placed]:
        told[log] += 1
        if told[log] <= KEPT_OF_ONE_LOG and len(verdict.breaks) < KEPT:
            verdict.breaks.append(found)
    verdict.breaks.sort(key=lambda found: (found.position is not None, found.position or 0))
    verdict.breaks_total, verdict.broken_logs = told.total(), len(told)
    return verdict
