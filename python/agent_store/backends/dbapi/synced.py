"""One transaction that is on disk when its COMMIT returns, and of which nothing that it removed is left, whatever the
caller has set: https://www.sqlite.org/pragma.html says what each of these is.
"""

import sqlite3

from agent_store.backends.dbapi.session import Session

# What does, and the first of them is set where it is another. fullfsync is macOS's, whose fsync alone leaves the disk's
# own cache as it is; a secure_delete of FAST, which is 2, leaves free pages as they are.
ENOUGH = {"synchronous": (2, 3), "fullfsync": (1,), "secure_delete": (1,)}
FAST = {"secure_delete": {2: "FAST"}}  # which no number sets


class Synced:
    """The settings of a connection, which are as they were when it is over."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._was: dict[str, int] = {}

    def enter(self) -> None:
        """Before BEGIN: inside a transaction synchronous stays as it is."""
        for name, enough in ENOUGH.items():
            value: int = self._session.run(f"PRAGMA main.{name}").fetchone()[0]
            if value not in enough:
                self._was[name] = value
                self._session.run(f"PRAGMA main.{name} = {enough[0]}").close()

    def leave(self) -> None:
        """After its end, any number of times; never raises."""
        while self._was:
            name, value = self._was.popitem()
            said = FAST.get(name, {}).get(value, value)
            try:
                self._session.run(f"PRAGMA main.{name} = {said}").close()
            except sqlite3.Error:
                continue  # The connection is closed, or the caller has begun another transaction on it.
