"""Threads that each do some calls, all at once: one order explains what they were told and what is there."""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import agent_store
from agent_store import bulk
from interleaved import (
    Append,
    Block,
    Call,
    Count,
    Many,
    Note,
    Thread,
    check_blocks,
    check_entries,
    check_generation,
    check_refused,
)
from threads import PATIENCE, Threads, check, turn_taken

KEYS = ("report", "other")
logs = st.tuples(st.sampled_from(["hall", "room"]), st.sampled_from(["ada", "bob"]))
appends = st.builds(Append, logs, st.sampled_from(["anything", "anything", "head", "stale"]))
counts = st.builds(
    Count, st.sampled_from(KEYS), st.sampled_from(["bump", "bump", "reserve", "advance_to", "set"]), st.integers(1, 9)
)
many = st.builds(Many, st.lists(logs, min_size=1, max_size=7).map(tuple))
notes = st.just(Note())
small = appends | counts
blocks = st.builds(Block, st.lists(appends | counts | many | notes, max_size=4).map(tuple), st.booleans())
calls = st.lists(small | small | small | many | notes | blocks, min_size=1, max_size=8)


@pytest.fixture(autouse=True)
def _small_chunks_and_quick_turns(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(bulk, "ROWS", 3)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("where", ["memory", "file", "two stores on one file"])
def test_threads_are_as_if_one_after_the_other(where: str) -> None:
    @settings(max_examples=100)
    @given(work=st.lists(calls, min_size=2, max_size=5), held=st.booleans())
    def run(work: list[list[Call]], held: bool) -> None:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            target = ":memory:" if where == "memory" else Path(folder) / "app.db"
            stores = [
                stack.enter_context(agent_store.open(target, durability="normal", timeout=PATIENCE))
                for _ in range(2 if where == "two stores on one file" else 1)
            ]
            store = stores[0]
            store.execute("CREATE TABLE notes (name)")
            each = [Thread(number, stores[number % len(stores)], own) for number, own in enumerate(work)]
            with turn_taken(store) if held else nullcontext():
                threads = Threads(lambda number: each[number].run(), len(each))
                time.sleep(0.01 if held else 0)
            with threads:
                done = {call.name: call for told in threads.results() for call in told}
            entries = check(store, sum(len(call.logs) for call in done.values()))
            check_entries(entries, done)
            check_refused(entries, done)
            check_blocks(entries, done)
            for key in KEYS:
                check_generation(store, key, done)
            assert store.query("SELECT count(*) FROM notes") == [(sum(call.notes for call in done.values()),)]

    run()
