"""Verification on one core and on several says the same as a plain verifier, wherever the damage is."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import agent_store
from blake3_rule import blake3
from processes import run
from tampering import damage
from verifier import Found, Row, Verdict, hashes_of, rows_of, verify

pytestmark = pytest.mark.timeout(60)

CHUNK = 4_096
MAX = 2**63 - 1
VERIFY = """
import json, os, sys
import agent_store
from agent_store.errors import StoreError
path, cores, *writers = sys.argv[1:]
os.sched_setaffinity(0, list(os.sched_getaffinity(0))[: int(cores)])

def first(writer):
    try:
        head = store.log("s", writer).verify()
    except StoreError as error:
        return [type(error).__name__, error.seq]
    return head and head.seq

with agent_store.open(path, read_only=True) as store:
    found = store.verify()
    breaks = [(b.kind, b.stream, b.writer, b.seq, b.position) for b in found.breaks]
    counts = [found.entries, found.logs, found.entries_hold, found.breaks_total, found.broken_logs]
    print(json.dumps([counts, breaks, [first(writer) for writer in writers]]))
"""


def build(path: Path, chance: random.Random, entries: int, logs: int, share: float) -> list[Row]:
    """`share` of the entries are of the first log."""

    def writer() -> int:
        return 0 if chance.random() < share else chance.randrange(logs)

    def payload() -> bytes:
        return chance.randbytes(chance.choice((0, 5, 31, 32, 33, 60, 100, 100, 100, 224, 600, 991, 992, 993, 3_000)))

    with agent_store.open(path, durability="normal") as store:
        store.append_many([("s", f"w{writer()}", payload()) for _ in range(entries)])
    return rows_of(path)[0]


def places(rows: list[Row], chance: random.Random) -> Iterator[Row]:
    """Rows to be damaged: at the borders of chunks and ranges, first and last ones, any."""
    borders = [CHUNK * n + n + step for n in range(len(rows) // CHUNK + 1) for step in (-1, 0, 1, 2)]
    borders += [CHUNK * n + step for n in range(1, len(rows) // CHUNK + 1) for step in (0, 1)]
    ends = [row.position for log in {row.log for row in chance.sample(rows, 5)} for row in of(rows, log)[:: len(rows)]]
    ends += [of(rows, row.log)[-1].position for row in chance.sample(rows, 3)]
    wanted = [place for place in {*borders, *ends, len(rows)} if 1 <= place <= len(rows)]
    chosen = chance.sample(wanted, min(len(wanted), 14)) + chance.sample(range(1, len(rows) + 1), 12)
    chosen = list(dict.fromkeys(chosen))
    chance.shuffle(chosen)
    return (rows[place - 1] for place in chosen)


def of(rows: list[Row], log: int) -> list[Row]:
    return [row for row in rows if row.log == log]


def damages(rows: list[Row], chance: random.Random) -> Iterator[str]:
    """Several at once; one that another makes impossible is left out."""
    update = "UPDATE OR IGNORE _agent_store_entries SET {} WHERE position = {};"
    for number, row in enumerate(places(rows, chance)):
        other = chance.choice(rows)
        spare = -(10**9) - number
        yield chance.choice(
            [
                update.format("payload = x'00ff'", row.position),
                update.format("content_hash = zeroblob(32)", row.position),
                update.format("content_hash = substr(content_hash, 1, 31)", row.position),
                update.format(f"seq = {chance.choice((0, -7, -MAX - 1, row.seq + 10**6, MAX))}", row.position),
                update.format(f"position = {chance.choice((0, spare, len(rows) + 10**6, 2**62, MAX))}", row.position),
                update.format(f"log = {other.log}, seq = seq + {chance.choice((1, 10**6))}", row.position),
                update.format(f"log = 1000000 + {number}", row.position),
                f"DELETE FROM _agent_store_entries WHERE position = {row.position};",
                f"DELETE FROM _agent_store_entries WHERE position BETWEEN {row.position} AND {row.position + 20};",
                update.format(f"position = {spare}", row.position)
                + update.format(f"position = {row.position}", other.position)
                + update.format(f"position = {other.position}", spare),
            ]
        )
    if chance.random() < 0.4:
        yield "INSERT INTO _agent_store_logs VALUES (500000, 's', 'never written');"
        yield f"DELETE FROM _agent_store_logs WHERE id = {chance.choice(rows).log};"
        yield f"DELETE FROM _agent_store_entries WHERE log = {rows[-1].log} AND log > 3;"


def told(path: Path, cores: int, writers: list[str]) -> Any:
    (line,) = run(VERIFY, path, cores, *writers)
    counts, breaks, logs = json.loads(line)
    return counts, [Found(*found) for found in breaks], logs


def compare(path: Path, expected: Verdict, names: dict[int, tuple[str, str]], chance: random.Random) -> None:
    broken = [log for log in names if expected.of_log[log]]
    some = sorted({*chance.sample(broken, min(len(broken), 12)), *chance.sample(sorted(names), min(len(names), 4))})
    one, several = (told(path, cores, [names[log][1] for log in some]) for cores in (1, 2))
    assert one == several
    (entries, logs, entries_hold, breaks_total, broken_logs), breaks, raised = one
    of_store = [found for found in breaks if found[:4] == ("gap", None, None, None)]
    assert bool(of_store) == expected.tail or len(breaks) == 1_000
    assert [found for found in breaks if found not in of_store] == expected.breaks
    assert (entries, logs, entries_hold) == (expected.entries, expected.logs, expected.entries_hold)
    assert (breaks_total >= expected.breaks_total + 1) if expected.tail else (breaks_total == expected.breaks_total)
    assert broken_logs == expected.broken_logs
    for log, what in zip(some, raised, strict=True):
        if found := expected.of_log[log][:1]:
            assert what == ["MalformedRow" if found[0].kind == "malformed" else "ChainBroken", found[0].seq]
        else:
            assert isinstance(what, int)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("logs", "share"), [(1, 0), (3, 0), (3, 0.7), (1_000, 0), (9_000, 0.2)])
def test_the_same_as_a_plain_verifier(tmp_path: Path, logs: int, share: float, seed: int) -> None:
    path = tmp_path / "app.db"
    chance = random.Random(f"{logs} {share} {seed}")
    rows = build(path, chance, chance.randrange(9_000, 22_000), logs, share)
    hashes = hashes_of(rows)
    for (prev, payload), content_hash in chance.sample(sorted(hashes.items(), key=lambda item: item[1]), 30):
        assert blake3((prev or b"") + payload) == content_hash
    _, names = rows_of(path)
    clean = verify(rows, names, hashes)
    assert (clean.entries_hold, clean.breaks_total, clean.tail) == (len(rows), 0, False)
    damage(path, "".join(damages(rows, chance)))
    rows, names = rows_of(path)
    compare(path, verify(rows, names, hashes), names, chance)


def test_the_first_thousand_of_many_breaks_in_order(tmp_path: Path) -> None:
    """In the second range, many of entries that follow one in the first, and many before them that do not."""
    path = tmp_path / "app.db"
    early = [("s", f"early {n}", b"") for n in range(CHUNK)]
    within = [("s", f"within {n // 10}", b"") for n in range(2_000)]
    late = [("s", f"early {n}", b"") for n in range(2_000)]
    with agent_store.open(path, durability="normal") as store:
        store.append_many([*early, ("s", "w", b""), *within, *late, *within])
    rows, names = rows_of(path)
    hashes = hashes_of(rows)
    damage(path, f"UPDATE _agent_store_entries SET payload = x'00' WHERE position > {CHUNK + 1}")
    rows, names = rows_of(path)
    expected = verify(rows, names, hashes)
    assert (len(expected.breaks), expected.breaks_total) == (1_000, 6_000)
    assert max(Counter(found.writer for found in expected.breaks).values()) == 10
    assert all((a.position or 0) < (b.position or 0) for a, b in pairwise(expected.breaks))
    compare(path, expected, names, random.Random(1))
