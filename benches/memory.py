"""What verifying and reading a store of a million entries adds to the memory of a process."""

import subprocess
import sys
from pathlib import Path

import agent_store
from cells import BATCH, of_one, payload, writer

MEGABYTES_AT_MOST = 32

MEMORY = """
import sys
import subprocess
import sys
from collections import deque
import agent_store

def status(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field))

with agent_store.open(sys.argv[1], read_only=True) as store:
    head = store.heads("first")[0]
    assert store.log(head.stream, head.writer).verify()
    deque(store.entries(stream="first"), maxlen=0)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak is counted anew
    before = status("VmRSS")
    if sys.argv[2] == "verify":
        assert store.verify()
    else:
        deque(store.entries(), maxlen=0)
    print(status("VmHWM") - before)
"""
"""The peak of resident memory, in kB, above what it was after a small call of the same kind."""


def memory_added(folder: Path, kind: str, rows: int, what: str) -> float:
    """MB that verifying or replaying a store takes, in a process of its own."""
    path = folder / "memory.db"
    if not path.exists():
        plain = of_one(rows) if kind == "chain" else [(f"conv:{n}", writer(n), payload(n)) for n in range(rows)]
        with agent_store.open(path, durability="normal") as store:
            store.log("first", "first").append(b"")
            store.append_many(plain, batch=BATCH)
    command = [sys.executable, "-c", MEMORY, str(path), what]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / 1e3
