"""What the tests of backups share."""

import os
from pathlib import Path

from agent_store import Store


def fill(store: Store) -> int:
    """More pages than are copied in one step; how many."""
    store.log("s", "big").append_many([os.urandom(100_000) for _ in range(60)])
    pages: int = store.query("PRAGMA page_count")[0][0]
    assert pages > 1_024
    return pages


def names(copy: Path) -> list[str]:
    """Of the files in the folder of the copy."""
    return sorted(file.name for file in copy.parent.iterdir())
