"""The thread of a bell: it has a connection while somebody waits or rings, and opens another when that is lost."""

import logging
import threading
import time
from typing import TYPE_CHECKING

import psycopg

from agent_store.backends.postgres.alarm import Alarm, sleep
from agent_store.backends.postgres.connecting import connect
from agent_store.backends.postgres.ear import Ear, Wanted
from agent_store.backends.postgres.hearing import Hearing
from agent_store.backends.postgres.statements import Statement
from agent_store.errors import StoreError, StoreReplaced

if TYPE_CHECKING:
    from agent_store.backends.postgres.bell import Bell

FIRST, LAST = 0.1, 5.0  # seconds between two tries to connect
STEADY = 1.0  # seconds after which a connection that is lost was one that worked
LINGER = 10.0  # seconds that the connection is kept for after nobody waits or rings any more
END = 2.0  # seconds that closing waits for what is still to be sent

_log = logging.getLogger("agent_store")


def channel(oid: int) -> str:
    """Of a store: with another table of entries it is another one."""
    return f"_agent_store_{oid}"


def notification(oid: int) -> Statement:
    """What rings: as it is no query it takes no snapshot, and in a transaction it rings at the commit."""
    return Statement(f"NOTIFY {channel(oid)}")


class Listener:
    """Daemonic, as it may be amid connecting when the interpreter ends, which otherwise ends it first."""

    def __init__(self, bell: "Bell") -> None:
        self.alarm = Alarm()
        self.wanted = Wanted()
        self.closing = False
        self._bell = bell
        self._ear: Ear | None = None
        self._thread = threading.Thread(target=self._run, name="agent-store bell", daemon=True)

    def start(self) -> None:
        """Once."""
        self._thread.start()

    def notify(self) -> None:
        """Other processes and machines, soon. From any thread, and without a wait."""
        self.wanted.yet = True
        ear = self._ear
        try:
            if ear is not None:
                ear.notify()
                return
        except psycopg.Error:
            self.wanted.yet = True  # The thread meets the same, and connects anew.
        self.alarm.set()

    def close(self) -> None:
        """For good, and soon; what was rung is sent if the server answers."""
        self.closing = True
        self.alarm.set()
        if threading.current_thread() is not self._thread and (self._ear is not None or self.wanted.yet):
            self._thread.join(END)

    def _run(self) -> None:
        pause = 0.0
        while not self._is_over():
            began = time.monotonic()
            try:
                self._serve()
            except StoreReplaced as error:
                self.wanted.yet = False
                self._bell.fail(error)
            except (StoreError, psycopg.Error) as error:
                if self._ear is not None and time.monotonic() > began + STEADY:
                    pause = 0.0
                if self.closing:
                    self.wanted.yet = False  # Once more would be too late, and they look by themselves.
                elif pause == 0:  # How often it is tried in vain is nothing to tell.
                    words = self._bell.address.without_secrets(" ".join(str(error).split()))
                    _log.warning(
                        "%s: who waits for commits goes on when it answers again (%s)", self._bell.shown, words
                    )
                self._let_go()
                pause = min(max(pause * 2, FIRST), LAST)
                self._rest(pause)
            finally:
                self._let_go()

    def _is_over(self) -> bool:
        """From then on another thread is started for whoever comes."""
        needed = self.wanted.yet or (not self.closing and self._bell.is_waited_at())
        return not needed and self._bell.ended(self)

    def _rest(self, pause: float) -> None:
        until = time.monotonic() + pause
        while (left := until - time.monotonic()) > 0 and not self.closing:
            sleep(left, self.alarm)

    def _let_go(self) -> None:
        ear, self._ear = self._ear, None
        if ear is not None:
            if ear.notifying and not self.closing:
                self.wanted.yet = True
            ear.close()

    def _serve(self) -> None:
        """On one connection, until nobody waits or rings any more."""
        bell = self._bell
        ear = Ear(connect(bell.address, 0.0), notification(bell.oid), self.alarm, self.wanted, bell.wake)
        self._ear = ear
        hearing = Hearing(ear, bell)
        idle = time.monotonic()
        while True:
            ear.notify()
            waited_at = bell.is_waited_at() and not self.closing
            now = time.monotonic()
            if waited_at or self.wanted.yet or ear.notifying:
                idle = now
            elif self.closing or now > idle + LINGER:
                return
            ear.hear(min(hearing.go_on(waited_at=waited_at), LINGER))
