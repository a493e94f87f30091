"""Memory stays flat: what reading and verifying add does not depend on how much there is."""

import subprocess
import sys
from pathlib import Path

import pytest

import agent_store

ENTRIES = 300_000
MIB = 1 << 20
MOST = 32 * MIB

# The peak is that of the process since it began: each task has one of its own.
CHILD = r"""
import re, resource, sys
import agent_store
from collections import deque
from pathlib import Path

def peak():
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux's ru_maxrss begins with that of the parent.
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) << 10

path, task = sys.argv[1:]
with agent_store.open(path, durability="normal") as store:
    log = store.log("s", "w0")
    log.append(b"x")
    list(log.entries(stop=100))
    before = peak()
    if task == "verify":
        assert store.verify().holds
    elif task == "verify a log":
        assert log.verify() == log.verify(since=log.entry(1))
    elif task == "append":
        log.append_many(b"%d" % n for n in range(300_000))
    else:
        entries = {
            "entries": lambda: store.entries(),
            "entries backwards": lambda: store.entries(reverse=True),
            "entries of a log": lambda: log.entries(),
            "entries of a log backwards": lambda: log.entries(reverse=True),
            "entries, all kept": lambda: [list(store.entries())],
        }[task]()
        deque(entries, maxlen=0)
    print(peak() - before)
"""


@pytest.fixture(scope="module", params=[1, ENTRIES], ids=lambda logs: f"logs of {ENTRIES // logs}")
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("memory") / "app.db"
    with agent_store.open(path, durability="normal") as store:
        store.append_many(("s", f"w{number % request.param}", b"x" * 100) for number in range(ENTRIES))
    return path


def added(path: Path, task: str) -> int:
    """Bytes."""
    command = [sys.executable, "-c", CHILD, str(path), task]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    print(f"{int(done.stdout) / MIB:.1f} MiB")
    return int(done.stdout)


@pytest.mark.parametrize(
    "task",
    [
        *("verify", "verify a log", "entries", "entries backwards"),
        *("entries of a log", "entries of a log backwards", "append"),
    ],
)
def test_memory_stays_flat(path: Path, task: str) -> None:
    assert added(path, task) < MOST


def test_memory_that_is_used_is_seen(path: Path) -> None:
    assert added(path, "entries, all kept") > MOST


GIVEN_BACK = r"""
import re, sys
import agent_store
from pathlib import Path

def resident():
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) << 10

with agent_store.open(sys.argv[1], read_only=True) as store:
    log = store.log("s", "w")
    log.verify(since=log.head())
    before = resident()
    assert store.verify().holds
    assert log.verify()
    print(resident() - before)
"""


@pytest.mark.timeout(60)
@pytest.mark.skipif(sys.platform != "linux", reason="nothing else tells what a process holds now")
def test_what_a_large_payload_needed_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with agent_store.open(path, durability="normal") as store:
        store.log("s", "w").append(bytes(4 * MOST))
    child = subprocess.run([sys.executable, "-c", GIVEN_BACK, path], capture_output=True, text=True, check=True)
    assert int(child.stdout) < MOST
