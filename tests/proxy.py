"""A proxy on the loopback, in front of a PostgreSQL server, at which a connection breaks just where a test wants it to.

It reads along what the server answers: so it can lose the very answer to a COMMIT. Connections through it must be
without TLS: `url_of(url, **PLAIN)`.
"""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

PLAIN = {"sslmode": "disable", "gssencmode": "disable"}
COMPLETE = b"C"
"""The message with which the server says that a statement is done, and which."""
PATIENCE = 30.0


class Proxy:
    """Passes on what comes, both ways, until it is told otherwise."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads: list[threading.Thread] = []
        self._flow = threading.Event()
        self._flow.set()
        self._left: int | None = None
        self._lost_answer = self._lost_request = b""
        self.lost = threading.Event()
        """Set when what was to be lost was lost, or the bytes were used up."""
        self.opened = 0
        """How many connections there were."""
        self._listen(0)
        self.port: int = self._listener.getsockname()[1]

    def _listen(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self._start(self._accept, self._listener)

    def _start(self, work: object, *arguments: object) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        self._threads.append(threading.Thread(target=work, args=arguments, daemon=True))  # type: ignore[arg-type]
        self._threads[-1].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refuse()
        self._flow.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def cut(self) -> None:
        """Close all connections now, at both ends."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _close(*pair)

    def cut_after(self, count: int) -> None:
        """Cut when so many bytes more have been answered, all connections counted together."""
        self.lost.clear()
        with self._lock:
            self._left = count

    def lose_answer(self, tag: bytes) -> None:
        """Cut instead of passing on the next answer that a statement is done whose tag begins so: COMMIT, INSERT."""
        self.lost.clear()
        self._lost_answer = tag

    def lose_request(self, words: bytes) -> None:
        """Cut instead of passing on what the client sends, as soon as it has these words in it."""
        self.lost.clear()
        self._lost_request = words

    @contextmanager
    def holding(self) -> Iterator[None]:
        """The server's answers wait meanwhile."""
        self._flow.clear()
        try:
            yield
        finally:
            self._flow.set()

    def refuse(self) -> None:
        """Cut, and take no new connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # What waits in accept() goes on.
        self._listener.close()
        self.cut()

    def accept(self) -> None:
        """Take new connections again, at the same port."""
        self._listen(self.port)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._server)
            except OSError:
                client.close()
                continue
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._pairs.append((client, server))
                self.opened += 1
            self._start(self._up, client, server)
            self._start(self._down, client, server)

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(1 << 16):
                if self._lost_request and self._lost_request in data:
                    self._lost_request = b""
                    self._end()
                    break
                server.sendall(data)
        _close(client, server)

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            held: bytes | None = b""
            while held is not None and (data := server.recv(1 << 16)):
                self._flow.wait()
                passed, held = self._whole(held + data)
                with self._lock:
                    if self._left is not None:
                        passed, self._left = passed[: self._left], self._left - len(passed)
                    used_up = self._left is not None and self._left <= 0
                    if used_up:
                        self._left = None
                client.sendall(passed)
                if used_up or held is None:
                    self._end()
                    break
        _close(client, server)

    def _whole(self, data: bytes) -> tuple[bytes, bytes | None]:
        """The whole messages at its beginning, and the rest; None for that where the connection ends."""
        at = 0
        while len(data) >= at + 5:
            length = struct.unpack_from(">I", data, at + 1)[0] + 1
            if len(data) < at + length:
                break
            if self._lost_answer and data[at : at + 1] == COMPLETE and data.startswith(self._lost_answer, at + 5):
                self._lost_answer = b""
                return data[:at], None
            at += length
        return data[:at], data[at:]

    def _end(self) -> None:
        self.cut()
        self.lost.set()


def _close(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
