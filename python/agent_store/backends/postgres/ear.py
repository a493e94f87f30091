"""The connection of a bell: what others notify, what this process does, and now and then a question."""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import pq

from agent_store.backends.postgres.alarm import Alarm, sleep
from agent_store.backends.postgres.statements import Statement
from agent_store.backends.postgres.trouble import Trouble

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

ANSWER = 15.0  # seconds after which a connection without an answer is taken for lost
_FINE = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)


class Wanted:
    """Whether a notification is to be sent; it outlives a connection."""

    def __init__(self) -> None:
        self.yet = False


class Ear:
    """One thread asks and sleeps on it; any may notify. The lock is held for what does not block."""

    def __init__(
        self,
        connection: "psycopg.Connection[Any]",
        notify: Statement,
        alarm: Alarm,
        wanted: Wanted,
        rung: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._wanted = wanted
        self._rung = rung
        self._notify = notify.text
        self._alarm = alarm
        self._lock = threading.Lock()
        self._since: float | None = None  # when what is under way was sent
        self._notifying = False
        self._unsent = False
        self._answers: list[PGresult] = []
        self.pid = self._pgconn.backend_pid
        self.heard = 0.0  # when another process last notified

    @property
    def notifying(self) -> bool:
        """True while a notification is under way."""
        return self._notifying

    def notify(self) -> None:
        """Where that is wanted and nothing is under way; else its answer is what the thread waits for, and this comes
        then. So what many want meanwhile is one. From any thread, and without a wait.
        """
        with self._lock:
            if self._since is None and self._wanted.yet:
                self._wanted.yet = False  # First: who wants it from here on wants one more.
                self._notifying = True
                self._send(self._notify)

    def _send(self, text: bytes) -> None:
        self._since = time.monotonic()
        self._pgconn.send_query(text)
        if self._pgconn.flush():
            self._unsent = True
            self._alarm.set()

    def ask(self, statement: Statement) -> "list[bytes | None]":
        """The first row, as texts. Trouble where it fails."""
        alarmed = False
        while not self._sent(statement):
            alarmed |= self.hear(ANSWER)
        while self._since is not None:
            alarmed |= self.hear(ANSWER)
        if alarmed:
            self._alarm.set()  # It is not for here.
        result = self._answers.pop()
        if result.status not in _FINE:
            state = result.error_field(pq.DiagnosticField.SQLSTATE)
            words = (result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or result.error_message).decode().strip()
            lost = self._pgconn.status == pq.ConnStatus.BAD
            raise Trouble(words, state.decode() if state else None, [], lost=lost, answered=True, sent=True)
        return [result.get_value(0, column) for column in range(result.nfields)] if result.ntuples else []

    def _sent(self, statement: Statement) -> bool:
        with self._lock:
            if self._since is not None:
                return False
            self._answers.clear()
            self._send(statement.text)
            return True

    def hear(self, timeout: float) -> bool:
        """Sleep until something comes, or the alarm is set, then True. OperationalError for a lost connection."""
        if self._since is not None:
            timeout = min(timeout, self._since + ANSWER - time.monotonic())
        alarmed = sleep(timeout, self._alarm, self._pgconn.socket, writes=self._unsent)
        with self._lock:
            rung = self._take()
        if rung:
            self.heard = time.monotonic()
            self._rung()
            time.sleep(0)  # Who was woken is to have the interpreter now.
        return alarmed

    def _take(self) -> bool:
        """What has come; True where another process has notified."""
        pgconn, rung = self._pgconn, False
        if self._unsent:
            self._unsent = pgconn.flush() != 0
        pgconn.consume_input()
        while (heard := pgconn.notifies()) is not None:
            rung = rung or heard.be_pid != self.pid
        while self._since is not None and not pgconn.is_busy():
            result = pgconn.get_result()
            if result is None:
                self._since, self._notifying = None, False
            elif not self._notifying:
                self._answers.append(result)
        if self._since is not None and time.monotonic() > self._since + ANSWER:
            raise psycopg.OperationalError(f"no answer for {ANSWER:.0f} seconds")
        return rung

    def close(self) -> None:
        """Once nobody notifies any more."""
        with self._lock:
            self._connection.close()
