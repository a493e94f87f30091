"""A long stretch of the file that cannot be read: the verification ends, and can be ended."""

from pathlib import Path

import pytest

import agent_store
from agent_store import Store
from processes import run

pytestmark = pytest.mark.timeout(60)

READABLE, LOST = 100, 55_000
"""More than there are reads in which a verification looks for what is readable in one range."""
MARK = b"not to be read"
VERIFY = """
import os, sys
import agent_store
os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])
with agent_store.open(sys.argv[1], read_only=True) as store:
    verdict = store.verify()
print(verdict.entries, {found.kind for found in verdict.breaks})
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """With garbage in each page of the table that holds a mark."""
    path = tmp_path / "app.db"
    with agent_store.open(path, durability="normal") as store:
        store.log("s", "w").append_many([b"read"] * READABLE + [MARK] * LOST + [b"read"] * READABLE)
        size = store.query("PRAGMA page_size")[0][0]
    assert isinstance(size, int)
    content = path.read_bytes()
    pages = (content[start : start + size] for start in range(0, len(content), size))
    path.write_bytes(b"".join(b"\xa5" * size if MARK in page else page for page in pages))
    return path


def test_on_one_core(path: Path) -> None:
    (line,) = run(VERIFY, path)
    entries, kinds = line.split(" ", 1)
    assert kinds == "{'corrupt'}"
    assert 0 < int(entries) <= 2 * READABLE


def test_it_can_be_stopped(path: Path) -> None:
    """Asked before each read, however many there are for one range."""
    asked = 0

    def stop(_done: int, _total: int) -> None:
        nonlocal asked
        asked += 1
        if asked == 50:
            raise KeyboardInterrupt

    def verify(store: Store) -> None:
        with store.transaction():  # On one core.
            store.verify(progress=stop)

    with agent_store.open(path) as store, pytest.raises(KeyboardInterrupt):
        verify(store)
    assert asked == 50
