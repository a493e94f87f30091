"""What was erased leaves the file, also where the store is on a caller's connection.

Python's SQLite reaches no bytes of a page that no row is made of, so the file is opened natively for it. A process must
not have a file open with two SQLite libraries where closing it in one drops the locks of the other: on 64-bit Linux
ours does not (docs/safety.md).
"""

import sys
from pathlib import Path

from agent_store._core import Sqlite
from agent_store.backends.dbapi import facts
from agent_store.backends.dbapi.session import Session

Place = tuple[str, float]  # an absolute path, and how many seconds to wait for others


def place(session: Session) -> Place | None:
    """Where the file is, if it can be opened natively and is then as it was before: None if not."""
    safe = sys.platform == "linux" and sys.maxsize > 2**32
    path = session.path()
    # In another journal mode what was written over may stand in a journal, and opening would change the mode.
    if not safe or not path or session.run("PRAGMA main.journal_mode").fetchone()[0] not in {"wal", b"wal"}:
        return None
    return str(Path.cwd() / path), facts.busy_timeout(session)


def scrub(place: Place) -> bool:
    """As `Backend.scrub`."""
    path, timeout = place
    opened = Sqlite(path, durability="full", read_only=False, timeout=timeout)
    try:
        return opened.scrub()
    finally:
        opened.close()
