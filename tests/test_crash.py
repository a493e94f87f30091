"""A writer killed at any moment: what it was told is there, and what else is there is whole."""

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

import agent_store
import crash_writer
from agent_store import Store

KILLS = int(os.environ.get("FAULT_KILLS", "50"))
"""At each durability; `make soak` asks for more."""
ON_ONE_FILE = 10
"""So many kills: what was recovered is written on."""
CALLS = 50
"""More than these have returned before a kill."""
Event = dict[str, Any]


def killed(task: str, path: Path, durability: str, run: int, calls: int, within: float) -> list[Event]:
    """What the writer said until it was killed, up to `within` seconds after more than `calls` calls had returned."""
    writer = [sys.executable, crash_writer.__file__, task, str(path), durability, str(run)]
    with subprocess.Popen(writer, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        timer = threading.Timer(random.Random(run).uniform(0, within), process.kill)
        said: list[Event] = []
        for line in process.stdout:
            said.append(json.loads(line))
            if said[-1].get("done") == calls:
                timer.start()
    timer.join()
    assert process.returncode == -9, "the writer ended by itself"
    assert sum("done" in event for event in said) > calls
    return said


def writers(
    kills: int, task: str, durability: str, paths: Callable[[int], Path], *, calls: int, within: float
) -> Iterator[tuple[int, Path, list[Event]]]:
    """Kill writers until `kills` of them were within a call: of each its number, its path and what it said."""
    inside = 0
    for run in range(2 * kills):
        path = paths(inside)
        said = killed(task, path, durability, run, calls, within)
        yield run, path, said
        # The begin of a call, and no word of its return.
        inside += "begin" in said[-1]
        if inside == kills:
            return
    raise AssertionError(f"of {2 * kills} kills only {inside} fell into a call")


def check(store: Store, said: list[Event], run: int, after: int) -> int:
    """Compare what a run left above position `after` with what it said; the newest position."""
    verdict = store.verify()
    assert verdict.holds, verdict.breaks
    entries = list(store.entries(after=after))
    assert [entry.position for entry in entries] == list(range(after + 1, store.position() + 1))
    rows: dict[int, int] = {}
    last = (-1, -1)
    words = ([int(word) for word in entry.payload.split(b"/")[:5]] for entry in entries)
    for (of, call, part), unit in groupby(words, key=lambda row: row[:3]):
        indexes = [(index, size) for _, _, _, index, size in unit]
        assert indexes == [(index, len(indexes)) for index in range(len(indexes))], f"unit {call}/{part} is not whole"
        assert of == run
        assert (call, part) > last
        rows[call] = rows.get(call, 0) + len(indexes)
        last = (call, part)
    for done in (event for event in said if "done" in event):
        assert rows.pop(done["done"], 0) == done["rows"]
        for stream, writer, seq, content_hash, position in done["told"]:
            entry = store.log(stream, writer).entry(seq)
            assert entry is not None
            assert entry.content_hash.hex() == content_hash
            assert position in {None, entry.position}
    # What was under way may be there: of one in batches, some of them.
    assert set(rows) <= {said[-1].get("begin")}
    return store.position()


@pytest.mark.parametrize("durability", ["full", "normal"])
def test_a_writer_killed_many_times(tmp_path: Path, durability: str) -> None:
    def paths(kills: int) -> Path:
        return tmp_path / f"{kills // ON_ONE_FILE}.db"

    at: dict[Path, tuple[int, int]] = {}
    for run, path, said in writers(KILLS, "mixed", durability, paths, calls=CALLS, within=0.02):
        position, bumped = at.get(path, (0, 0))
        with agent_store.open(path, durability="normal") as store:
            position = check(store, said, run, position)
            bumped = max([bumped, *(event["bumped"] for event in said if "bumped" in event)])
            current = store.generation("bumped").current()
            assert bumped <= current <= bumped + 1
            at[path] = position, current
            assert store.query("SELECT count(*) FROM notes") == [(store.generation("transactions").current(),)]


@pytest.mark.parametrize("durability", ["full", "normal"])
def test_a_writer_killed_in_a_transaction_larger_than_its_cache(path: Path, durability: str) -> None:
    position = 0
    for run, _, said in writers(3, "bulk", durability, lambda _: path, calls=0, within=0.2):
        with agent_store.open(path, durability="normal") as store:
            position = check(store, said, run, position)


def test_a_process_killed_while_it_makes_a_store(tmp_path: Path) -> None:
    for run, _, said in writers(15, "create", "full", lambda _: tmp_path, calls=3, within=0.02):
        begun = max(event["begin"] for event in said if "begin" in event)
        with agent_store.open(tmp_path / f"{run}-{begun}.db") as store:
            assert store.log("s", "w").append(b"x").position == 1
            assert store.verify().holds
