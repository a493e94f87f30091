"""Memory stays flat in copying, exporting and importing, and with a large payload is a few times as large."""

import subprocess
import sys
from pathlib import Path

import pytest

import agent_store

MIB = 1 << 20
MOST = 64 * MIB
CACHE = 32 * MIB
"""Of pages, which a store that is written keeps."""
ENTRIES = 150_000
"""Of 600 bytes: together larger than what is allowed."""
LARGE = 48 * MIB

CHILD = r"""
import re, sys
import agent_store
from pathlib import Path

def peak():
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) << 10

def move(source, target, file):
    with agent_store.open(source) as store, agent_store.open(target, durability="normal") as other:
        if task == "copy":
            agent_store.copy(store, other)
        elif task == "export":
            agent_store.export(store, file)
        else:
            agent_store.import_(other, file)

folder, task = Path(sys.argv[1]), sys.argv[2]
move(folder / "small.db", folder / f"{task}-small.db", folder / f"{'small' if task == 'import' else 'new-small'}.jsonl")
before = peak()
move(folder / "app.db", folder / f"{task}.db", folder / f"{'app' if task == 'import' else 'new'}.jsonl")
print(peak() - before)
"""


def filled(folder: Path, logs: int, size: int, entries: int) -> Path:
    for name, count, length in (("small", 1, 100), ("app", entries, size)):
        with agent_store.open(folder / f"{name}.db", durability="normal") as store:
            store.append_many(("s", f"w{number % logs}", b"x" * length) for number in range(count))
            agent_store.export(store, folder / f"{name}.jsonl")
    return folder


@pytest.fixture(scope="module", params=[1, ENTRIES], ids=lambda logs: f"logs of {ENTRIES // logs}")
def many(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("many"), request.param, 600, ENTRIES)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each entry is a page of its own."""
    return filled(tmp_path_factory.mktemp("large"), 1, LARGE, 3)


def added(folder: Path, task: str) -> int:
    """Bytes."""
    command = [sys.executable, "-c", CHILD, str(folder), task]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    for made in (*folder.glob(f"{task}*.db*"), *folder.glob("new*")):
        made.unlink()
    print(f"{int(done.stdout) / MIB:.1f} MiB")
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="nothing else tells what a process needed at most")
@pytest.mark.parametrize("task", ["copy", "export", "import"])
def test_memory_stays_flat(many: Path, task: str, request: pytest.FixtureRequest) -> None:
    """But for the heads of the logs, which copying compares: some 300 bytes each."""
    heads = ENTRIES * 300 if task == "copy" and "logs of 1-" in request.node.name else 0
    assert added(many, task) < MOST + heads + (CACHE if task != "export" else 0)


@pytest.mark.skipif(sys.platform != "linux", reason="nothing else tells what a process needed at most")
@pytest.mark.parametrize(("task", "times"), [("copy", 3.5), ("export", 4.5), ("import", 3.5)])
def test_a_large_payload_is_there_a_few_times(large: Path, task: str, times: float) -> None:
    assert added(large, task) < times * LARGE + MOST
