"""Lines of files and pipes, handed on as soon as no more are waiting."""

import os
import select
from collections.abc import Iterator

from agent_store.cli.errors import Problem

READ = 256 << 10  # bytes asked for at once
SIZE = 8 << 20  # bytes of lines kept at most, but for the last read and the longest line
LONGEST = 512 << 20  # bytes that a payload may have


def batches(fd: int, name: str, most: int) -> Iterator[list[bytes]]:
    r"""The lines of an open file, without their ends, in lists of at most `most`.

    What comes slowly is not held back: when nothing more is waiting, the lines so far are handed on. A line ends at
    "\n" alone, the last also at the end of the file.
    """
    lines: list[bytes] = []
    begun: list[bytes] = []  # the pieces of a line whose end has not been read
    size = length = 0
    while data := _read(fd, name):
        first, *others = data.split(b"\n")
        begun.append(first)
        length += len(first)
        if length > LONGEST:
            raise Problem(f"{name} has a line of more than 512 MiB, which is the most that a payload may have")
        size += len(data)
        if others:
            lines.append(b"".join(begun))
            lines += others[:-1]
            begun, length = others[-1:], len(others[-1])
        while len(lines) >= most:
            yield lines[:most]
            del lines[:most]
            size = 0
        if lines and (size >= SIZE or not _is_more_waiting(fd)):
            yield lines
            lines, size = [], 0
    if length:
        lines.append(b"".join(begun))
    if lines:
        yield lines


def _read(fd: int, name: str) -> bytes:
    try:
        return os.read(fd, READ)
    except OSError as error:
        raise Problem(f"{name} could not be read: {error.strerror}") from error


def _is_more_waiting(fd: int) -> bool:
    return bool(select.select([fd], [], [], 0)[0])
