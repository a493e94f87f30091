"""What is left of a store that is closed: one file, whatever was under way, and no excuse for what it did by itself."""

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

import agent_store
from agent_store import Store
from agent_store.errors import StoreClosed
from threads import PATIENCE, Threads

ROW = b"x" * 1_000
ROWS = 20_000
"""Pages enough that the commit has the WAL carried into the file, which takes longer than it takes to close."""

ALONE = """
import sys
import agent_store
with agent_store.open(sys.argv[1], read_only=True) as store:
    print(store.position())
"""


def is_whole_in_one_file(path: Path, entries: int) -> bool:
    assert [file.name for file in path.parent.iterdir() if file.name.startswith(path.name)] == [path.name]
    command = [sys.executable, "-c", ALONE, str(path)]
    return subprocess.check_output(command, text=True, timeout=PATIENCE) == f"{entries}\n"


@pytest.mark.parametrize("timeout", [0, 30])
def test_closing_while_the_wal_is_carried_over(path: Path, timeout: float) -> None:
    """Nobody but the store itself is at work: that is no reason for BusyError, nor to leave the WAL where it is."""
    for tries in range(5):
        file = path.with_name(f"{tries}.db")
        store = agent_store.open(file, durability="normal", timeout=timeout)
        store.append_many([("s", "w", ROW)] * ROWS)
        time.sleep(0.003 * tries)
        store.close()
        assert is_whole_in_one_file(file, ROWS)


def test_closing_while_others_read(path: Path) -> None:
    """Their connections outlive the call that closes; the writing one is still the last to go."""
    for _ in range(10):
        store = agent_store.open(path, timeout=30)
        store.log("s", "w").append_many([ROW] * 500)

        def read(_: int, store: Store = store) -> None:
            with suppress(StoreClosed):
                while True:
                    list(store.entries())

        with Threads(read, 4) as threads:
            time.sleep(0.01)
            store.close()
            entries = len(list(path.parent.glob(path.name + "*")))
            threads.results()
        assert entries == 1


def test_the_last_to_close_carries_the_wal_over_though_it_wrote_nothing(path: Path) -> None:
    first = agent_store.open(path)
    first.log("s", "w").append(ROW)
    second = agent_store.open(path)
    first.close()
    assert second.position() == 1
    second.close()
    assert is_whole_in_one_file(path, 1)
