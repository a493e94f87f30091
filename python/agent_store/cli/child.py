"""Running a command for each entry, and passing on to it the signals that are meant to end this process."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType, TracebackType
from typing import Any, Self

from agent_store.cli.errors import Problem

SIGNALS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if sys.platform != "win32" else [])]
NO_PERMISSION, NOT_FOUND = 126, 127  # the exit statuses that a shell has for them
SLICE = 0.1  # seconds until a signal ends a pause


class Child:
    """A command, run once for each call of `run`. As long as it is entered, signals end it, and then this process.

    `signal` is the first that came. What is to be done besides, `on_signal` does: it is called in the handler.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.signal: int | None = None
        self.on_signal: Callable[[], object] = lambda: None
        self._words = [*words]
        self._file = _found(words[0])
        self._process: subprocess.Popen[bytes] | None = None
        self._came: list[int] = []
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or the background of a script
                self._handlers[number] = signal.signal(number, self._heard)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def run(self, data: bytes, environment: Mapping[str, str]) -> int:
        """Its exit status for `data` on its standard input; of one that a signal ended 128 and the signal's number."""
        try:
            process = subprocess.Popen(  # noqa: S603 - the user's own command
                self._words, executable=self._file, stdin=subprocess.PIPE, env={**os.environ, **environment}
            )
        except OSError as error:
            raise Problem(f"{self._words[0]} could not be started: {error.strerror}", status=NO_PERMISSION) from error
        self._process = process
        self._pass_on()  # what came before there was anybody
        process.communicate(data)  # It need not read it.
        self._process = None
        return process.returncode if process.returncode >= 0 else 128 - process.returncode

    def pause(self, seconds: float) -> bool:
        """Sleep so long; False, and at once, when a signal came."""
        end = time.monotonic() + seconds
        while self.signal is None and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, SLICE))
        return self.signal is None

    def _heard(self, number: int, _: FrameType | None) -> None:
        self.signal = self.signal or number
        self._came.append(number)
        self._pass_on()
        self.on_signal()

    def _pass_on(self) -> None:
        while self._process is not None and self._came:
            number = self._came.pop()
            if number != signal.SIGINT or not _is_of_terminal():
                self._process.send_signal(number)


def _found(name: str) -> str:
    """The file of a command, before anything is done."""
    found = shutil.which(name)
    if found is not None:
        return found
    if os.path.dirname(name) and os.path.exists(name):  # noqa: PTH110, PTH120 - as which() looks at it
        raise Problem(f"{name} is not a command: it may not be executed", status=NO_PERMISSION)
    raise Problem(f"there is no command {name!r}", status=NOT_FOUND)


def _is_of_terminal() -> bool:
    """Is this in the foreground of a terminal? Then Ctrl-C is sent to the command as well, by the terminal."""
    if sys.platform == "win32":
        return True
    try:
        terminal = os.open(os.ctermid(), os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
