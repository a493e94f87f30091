"""Hearing of commits on one connection: listening, where that works, and looking now and then in any case.

The writers of all processes know whether anybody listens: a listener holds an advisory lock, shared, and each writer
tries for it in its first statement, under the lock of the store.
"""

import time
from typing import TYPE_CHECKING

from agent_store.backends.postgres import failures
from agent_store.backends.postgres.statements import Statement
from agent_store.backends.postgres.trouble import Trouble

if TYPE_CHECKING:
    from agent_store.backends.postgres.bell import Bell
    from agent_store.backends.postgres.ear import Ear

LOOK = 1.0  # seconds without a ring after which it looks whether anything was committed without one
ANYWAY = 10.0  # seconds after which all are woken: their connections may be to another server than this one
SOONEST, LATEST = 0.005, 0.1  # seconds between two looks where it can only look
LINGER = 5.0  # seconds that it goes on for after nobody waits any more
FOREVER = 3600.0

_WHERE = Statement("SELECT pg_catalog.pg_backend_pid(), pg_catalog.pg_is_in_recovery()")
_SETTINGS = Statement(
    # What is set for the server, the database or the role must end neither the connection nor its statements; and no
    # lock is waited for so long that it does not look.
    "SELECT pg_catalog.set_config(name, CASE name WHEN 'lock_timeout' THEN '1s' ELSE '0' END, false) "
    "FROM pg_catalog.pg_settings WHERE name IN "
    "('lock_timeout', 'statement_timeout', 'transaction_timeout', 'idle_session_timeout')"
)
_NOT_IN_TIME = {"55P03", "57014"}


def why_not(told: int, session: int, *, behind: bool) -> str | None:
    """Why it can only look. A pooler tells of another session than the server does: from one transaction to the next it
    may be another one, with the lock and with what was to be heard. And a standby does not notify.
    """
    if behind:
        return "standby"
    return None if told == session else "pooler"


class Hearing:
    """For the thread of the connection only."""

    def __init__(self, ear: "Ear", bell: "Bell") -> None:
        self._ear, self._bell = ear, bell
        self._hears = False
        self._polls: str | None = None
        self._snapshot: bytes | None = None
        self._marks: tuple[bytes | None, bytes | None] | None = None
        self._waited_at = self._woken = self._changed = self._looked = 0.0

    def go_on(self, *, waited_at: bool) -> float:
        """What is to be done now; in how many seconds there is more."""
        now = time.monotonic()
        if waited_at:
            self._waited_at = now
            if not self._hears:
                self._begin()
            elif now >= self._next_look():
                self._look()
        elif self._hears and now > self._waited_at + LINGER:
            self._end()
        if not self._hears:
            return FOREVER
        return max(0.0, (self._next_look() if waited_at else self._waited_at + LINGER) - time.monotonic())

    def _next_look(self) -> float:
        if self._polls is None:
            return max(self._looked, self._ear.heard) + LOOK
        return self._looked + min(LATEST, max(SOONEST, (self._looked - self._changed) / 10))

    def _ask(self, statement: Statement) -> "list[bytes | None]":
        try:
            return self._ear.ask(statement)
        except Trouble as trouble:
            raise failures.error(trouble, self._bell.statements.schema, failures.READ) from None

    def _begin(self) -> None:
        """Whatever was committed before is in what those who wait read when they are woken at the end of this.

        A writer that was under way did not see the lock; so it is waited for, once, at the lock of the store.
        """
        session, behind = self._ask(_WHERE)
        self._polls = why_not(self._ear.pid, int(session or 0), behind=behind == b"t")
        self._marks = None
        if self._polls is None:
            self._ask(_SETTINGS)
            self._ask(Statement(f"LISTEN {self._bell.channel}"))
            self._lock("listen_begins")
            self._lock("listen_settles")
        self._hears = True
        self._look()

    def _lock(self, name: str) -> None:
        while True:
            try:
                self._ear.ask(self._bell.statements[name])
                return
            except Trouble as trouble:
                if trouble.state not in _NOT_IN_TIME or trouble.lost:
                    raise failures.error(trouble, self._bell.statements.schema, failures.READ) from None
            self._look()

    def _end(self) -> None:
        self._hears = False
        if self._polls is None:
            self._ask(self._bell.statements["listen_ends"])
            self._ask(Statement("UNLISTEN *"))

    def _look(self) -> None:
        """Wake those who wait if an entry was committed or a counter has moved. The snapshot tells whether anything was
        committed at all; counters only rise, so their sum tells whether one did.
        """
        oid, snapshot, behind, position = self._ask(self._bell.statements["listen_marks"])
        if oid != b"%d" % self._bell.oid:
            raise failures.replaced(self._bell.statements.schema)
        self._looked = time.monotonic()
        if self._polls == "standby" and behind == b"f":
            self._hears = False  # It was promoted, and can be listened to.
        if snapshot != self._snapshot or self._marks is None:
            marks = position, self._ask(self._bell.statements["listen_counters"])[0]
            self._snapshot = snapshot
            if marks != self._marks:
                self._marks, self._changed = marks, self._looked
                self._wake()
        if self._looked > self._woken + ANYWAY:
            self._wake()

    def _wake(self) -> None:
        self._woken = self._looked
        self._bell.wake()
