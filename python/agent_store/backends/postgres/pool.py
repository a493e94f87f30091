"""The store's own connections: opened when needed, handed out last in, first out, and never more than a few."""

import os
import select
import threading
import time
import weakref
from typing import Any

import psycopg

from agent_store.backends.postgres.address import Address
from agent_store.backends.postgres.connecting import connect
from agent_store.backends.postgres.wire import Wire
from agent_store.errors import BusyError, StoreClosed

LIMIT = 10
NAP = 0.05  # seconds; also how soon a connection that an interrupt made nobody's is counted out


class _Own(Wire):
    """Closed where an interrupt has made it nobody's; in a forked child it is the parent's."""

    def __init__(self, connection: "psycopg.Connection[Any]", *, prepares: bool) -> None:
        super().__init__(connection, prepares=prepares)
        self._pid = os.getpid()

    def __del__(self) -> None:
        if getattr(self, "_pid", None) == os.getpid():
            self.connection.close()


class Pool:
    """To be asked in the process that made it only."""

    def __init__(self, address: Address, timeout: float) -> None:
        self._address = address
        self._timeout = timeout
        self._changed = threading.Condition()
        self._idle: list[Wire] = []
        self._lent: weakref.WeakSet[Wire] = weakref.WeakSet()
        self._opening = 0
        self._closed = False
        self._pid = os.getpid()
        self.prepares = True

    @property
    def closed(self) -> bool:
        """True from `close` on."""
        return self._closed

    def take(self) -> Wire:
        """A connection that works, as far as can be seen; BusyError where all are lent for longer than the timeout."""
        while True:
            wire = self._take()
            # Not under the lock, as it may have to be waited for.
            if not wire.owes or (wire.collect() and _is_alive(wire)):
                return wire
            wire.lost = True
            self.give(wire)

    def _take(self) -> Wire:
        began = time.monotonic()
        with self._changed:
            while True:
                if self._closed:
                    raise StoreClosed
                while self._idle:
                    wire = self._idle.pop()
                    self._lent.add(wire)
                    if wire.owes or _is_alive(wire):
                        return wire
                    self._lent.discard(wire)
                    wire.connection.close()
                    self._close_idle()  # The server was restarted: the others are gone too.
                if len(self._lent) + self._opening < LIMIT:
                    self._opening += 1
                    break
                waited = time.monotonic() - began
                if waited >= self._timeout:
                    raise BusyError(f"one of the {LIMIT} connections of this store, which other threads have", waited)
                self._changed.wait(min(NAP, self._timeout - waited))
        try:
            wire = _Own(connect(self._address, self._timeout), prepares=self.prepares)
            self._lent.add(wire)
        finally:
            with self._changed:
                self._opening -= 1
                self._changed.notify()
        return wire

    def give(self, wire: Wire) -> None:
        """Back, to be used again if nothing is open on it."""
        with self._changed:
            self._lent.discard(wire)
            if self._closed or wire.lost or not (wire.owes or wire.status == psycopg.pq.TransactionStatus.IDLE):
                wire.connection.close()
                if wire.lost:
                    self._close_idle()
            else:
                wire.prepares = wire.prepares and self.prepares
                self._idle.append(wire)
            self._changed.notify()

    def _close_idle(self) -> None:
        for wire in self._idle:
            wire.connection.close()
        self._idle.clear()

    def close(self) -> None:
        """The idle ones now, the others when they are given back."""
        with self._changed:
            self._closed = True
            self._close_idle()
            self._changed.notify_all()

    def __del__(self) -> None:
        # Whoever forgot to close is told by the store. In a forked child the connections are the parent's.
        if getattr(self, "_pid", None) == os.getpid():
            self._close_idle()


def _is_alive(wire: Wire) -> bool:
    """False where the server has closed an idle connection meanwhile; costs no round trip."""
    pgconn: Any = wire.connection.pgconn
    try:
        if _readable(pgconn.socket):
            pgconn.consume_input()
            return not _readable(pgconn.socket) and pgconn.transaction_status == psycopg.pq.TransactionStatus.IDLE
    except psycopg.Error:
        return False
    return True


def _readable(socket: int) -> bool:
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(socket, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([socket], [], [], 0)[0])
