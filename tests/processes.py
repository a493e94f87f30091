"""Programs in processes of their own."""

import subprocess
import sys


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
