"""Running the installed `agent-store`, in a process of its own or on a terminal of its own."""

import os
import pty
import subprocess
import sysconfig
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SCRIPT = Path(sysconfig.get_path("scripts"), "agent-store")
TIMEOUT = 60  # seconds, for what takes less than one


def command(*arguments: object) -> list[str]:
    return [str(SCRIPT), *map(str, arguments)]


def start(*arguments: object, **how: Any) -> subprocess.Popen[bytes]:
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    pipes["env"] = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.Popen(command(*arguments), **(pipes | how))


def run(*arguments: object, data: bytes = b"", **how: Any) -> tuple[int, str, str]:
    """Exit status, output, errors."""
    with start(*arguments, **how) as process:
        output, errors = process.communicate(data, timeout=TIMEOUT)
    return process.returncode, (output or b"").decode(), (errors or b"").decode()


def on_terminal(*words: object, data: bytes = b"", environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit status, and all that a terminal of 100 columns was sent: output and errors. Input is no terminal."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 100))
    shown = b""
    inherited = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLUMNS"}}
    process = subprocess.Popen(
        [*map(str, words)],
        stdin=subprocess.PIPE,
        stdout=theirs,
        stderr=theirs,
        env=inherited | {"TERM": "xterm"} | (environment or {}),
    )
    os.close(theirs)
    with process:
        assert process.stdin is not None
        process.stdin.write(data)
        process.stdin.close()
        while True:
            try:
                piece = os.read(ours, 1 << 16)
            except OSError:  # Linux, where the other side is closed
                break
            if not piece:
                break
            shown += piece
    os.close(ours)
    return process.returncode, shown.decode()


def until(true: Callable[[], bool]) -> None:
    """Wait for what another process does."""
    end = time.monotonic() + TIMEOUT
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
