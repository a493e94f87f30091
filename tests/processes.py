"""Programs in processes of their own."""

import subprocess
import sys
from types import TracebackType
from typing import Self


class Ended:
    """What is done in a process, which is killed at the end of the block if it still runs."""

    process: subprocess.Popen[str]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def script(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A process that writes `code`'s lines and ends at the end of its input."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def run(code: str, *arguments: object) -> list[str]:
    with script(code, *arguments) as process:
        try:
            output, _ = process.communicate(timeout=60)
        except BaseException:
            process.kill()  # Else it would be waited for.
            raise
    assert process.returncode == 0, output
    return output.splitlines()
