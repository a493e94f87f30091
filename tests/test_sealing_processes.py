"""Sealing by several processes at once, and by one that is killed between its steps."""

import ast
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import pytest

from agent_store import Checkpoint, Store
from agent_store._core import check_consistency
from agent_store.evidence import proof
from sealing import KEY, append
from stores import Place

pytestmark = pytest.mark.differs("no second opening")

SEALER = Path(__file__).parent / "sealer.py"


def sealer(place: Place, step: str, times: int = 1) -> subprocess.Popen[str]:
    command = [sys.executable, str(SEALER), place.target, step, str(times)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def checkpoints_of(process: subprocess.Popen[str], code: int = 0) -> list[Checkpoint]:
    output, errors = process.communicate(timeout=120)
    assert process.returncode == code, errors
    return [Checkpoint(ast.literal_eval(line)) for line in output.splitlines()]


def assert_consistent(store: Store) -> None:
    """Each extends the one before it."""
    for old, new in pairwise(store.checkpoints()):
        hashes = list(proof.parse(store.consistency(old, new)).hashes)
        assert check_consistency(old.size, new.size, old.root, new.root, hashes)


def test_three_seal_while_others_append(place: Place) -> None:
    """What each was handed is what is kept, and no two contradict each other."""
    with place.open() as store:
        append(store, 300)
        sealers = [sealer(place, "never", 25) for _ in range(3)]
        stopped = threading.Event()

        def appending() -> None:
            while not stopped.is_set():
                append(store, 70)
                stopped.wait(0.01)

        thread = threading.Thread(target=appending)
        thread.start()
        try:
            handed = {checkpoint for process in sealers for checkpoint in checkpoints_of(process)}
        finally:
            stopped.set()
            thread.join()
        kept = set(store.checkpoints())
        assert handed <= kept
        assert len({each.size for each in kept}) == len(kept)
        assert_consistent(store)
        store.checkpoint(KEY)
        verdict = store.verify(keys=KEY)
        assert verdict.holds, verdict


STEPS = ["leaves", "change set_tile", "begin", "change add_note", "commit", "after commit", "fetch notes_of_kind"]


@pytest.mark.parametrize("step", STEPS)
def test_one_is_killed_at_a_step(place: Place, step: str) -> None:
    """It is sealed or it is not; whoever seals next goes on."""
    with place.open() as store:
        append(store, 3)
        first = store.checkpoint(KEY)
        append(store, 600)
        assert checkpoints_of(sealer(place, step), -9) == []
        made = list(store.checkpoints())
        assert [each.size for each in made] == ([3, 603] if step == "after commit" else [3])
        assert made[0] == first
        append(store, 1)
        assert store.checkpoint(KEY).size == 604
        assert_consistent(store)
        verdict = store.verify(keys=KEY)
        assert verdict.holds, verdict
