"""A directory of static files with a checkpoint, its tree and its leaves.

The format is C2SP's tlog-tiles (https://c2sp.org/tlog-tiles): `checkpoint`, `tile/<level>/<number>`, and leaves, each
after its length as a big-endian u16, in `tile/entries/<number>`. What is not full yet is in `<number>.p/<width>`.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

from agent_store.errors import MalformedEvidence
from agent_store.evidence.growth import FULL
from agent_store.evidence.text import HASH

CHECKPOINT = "checkpoint"
TILE = "tile"
ENTRIES = "entries"
UNFINISHED = "-unfinished-"
"""After the name of a file that is being written, before 16 digits."""
LONGEST_LEAF = (1 << 16) - 1  # bytes
_LONGEST_CHECKPOINT = 1 << 20  # bytes: a hundred signatures are a tenth of it
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def path_of(level: int | str, number: int, width: int = FULL) -> str:
    """Where a tile or, at level ENTRIES, a bundle is: `tile/0/x001/x234/067.p/8`."""
    digits = str(number)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    *above, last = (digits[first : first + 3] for first in range(0, len(digits), 3))
    partial = "" if width == FULL else f".p/{width}"
    return "/".join((TILE, str(level), *(f"x{part}" for part in above), last + partial))


def bundle_of(leaves: list[bytes]) -> bytes:
    """The file with these leaves."""
    return b"".join(len(leaf).to_bytes(2) + leaf for leaf in leaves)


class Directory:
    """The files at a path. Whole ones never change, but for `checkpoint`, which is replaced as one."""

    def __init__(self, path: "str | os.PathLike[str]") -> None:
        self.path = Path(path)

    def checkpoint(self) -> str | None:
        """The text of its checkpoint, not verified; None where there is none."""
        data = self._read(CHECKPOINT, _LONGEST_CHECKPOINT)
        if data is None:
            return None
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise MalformedEvidence("checkpoint", "it is no UTF-8 text") from None

    def tile(self, level: int, number: int, width: int) -> bytes | None:
        """So many of its hashes; what is there, whole, where that is not what its name says; None where nothing is."""
        found = self._wide(level, number, width, FULL * HASH)
        if found is None:
            return None
        tile, named = found
        return tile[: width * HASH] if len(tile) == named * HASH else tile

    def bundle(self, number: int, width: int) -> tuple[bytes, int] | None:
        """The file with these leaves and, where that is of a larger tree, more; and how many it has by its name."""
        return self._wide(ENTRIES, number, width, FULL * (2 + LONGEST_LEAF))

    def _wide(self, level: int | str, number: int, width: int, most: int) -> tuple[bytes, int] | None:
        """A partial file may be gone once there is the full one."""
        for named in dict.fromkeys((width, FULL)):
            data = self._read(path_of(level, number, named), most)
            if data is not None:
                return data, named
        return None

    def _read(self, name: str, most: int) -> bytes | None:
        """Not more than a byte too many of it."""
        with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
            # Whoever made the directory may have put a pipe there, for which a reader would wait.
            descriptor = os.open(self.path / name, os.O_RDONLY | _AT_ONCE)
            try:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    with os.fdopen(descriptor, "rb", closefd=False) as file:
                        return file.read(most + 1)
            finally:
                os.close(descriptor)
        return None

    def write(self, name: str, data: bytes) -> None:
        """Whoever reads meanwhile sees the file that was there, or the new one, and no part of it."""
        path = self.path / name
        unfinished = path.with_name(f"{path.name}{UNFINISHED}{os.urandom(8).hex()}")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_bytes(data)
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
