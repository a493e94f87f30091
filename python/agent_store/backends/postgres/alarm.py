"""A descriptor that one thread makes readable for another, or for an event loop."""

import contextlib
import os
import select
import socket

MOST = 4096  # bytes that are emptied at once


class Alarm:
    """Set any number of times, it is readable until it is emptied. Setting takes no lock: handlers of signals may."""

    def __init__(self) -> None:
        self._ends: tuple[socket.socket, ...] = ()
        if hasattr(os, "eventfd"):
            self._read = self._write = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            self._closed = False
            return
        self._ends = socket.socketpair()
        for end in self._ends:
            end.setblocking(False)  # noqa: FBT003
        self._read, self._write = (end.fileno() for end in self._ends)
        self._closed = False

    def fileno(self) -> int:
        """To be slept at, and read from."""
        return self._read

    def set(self) -> None:
        """Where it is full it is set."""
        with contextlib.suppress(BlockingIOError):
            if self._ends:
                self._ends[1].send(b"\1")
            else:
                os.eventfd_write(self._write, 1)

    def clear(self) -> bool:
        """Empty it; True where it was set."""
        try:
            if self._ends:
                self._ends[0].recv(MOST)
            else:
                os.eventfd_read(self._read)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Once nobody sets it any more."""
        if self._closed:
            return
        self._closed = True
        if self._ends:
            for end in self._ends:
                end.close()
        else:
            os.close(self._read)

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            self.close()


def sleep(timeout: float, alarm: Alarm, other: int | None = None, *, writes: bool = False) -> bool:
    """Until the alarm is set, which it is no more then, or the other descriptor is readable (or can be written to).

    True where the alarm was set.
    """
    if not hasattr(select, "poll"):
        both = [alarm.fileno()] if other is None else [alarm.fileno(), other]
        found = select.select(both, both[1:] if writes else [], [], max(0.0, timeout))
        return alarm.fileno() in found[0] and alarm.clear()
    poll = select.poll()
    poll.register(alarm.fileno(), select.POLLIN)
    if other is not None:
        poll.register(other, select.POLLIN | (select.POLLOUT if writes else 0))
    # Not to be emptied where it is empty, which would be an exception: it takes longer than all else here.
    return any(descriptor == alarm.fileno() for descriptor, _ in poll.poll(max(0.0, timeout) * 1_000)) and alarm.clear()
