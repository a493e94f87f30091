"""A file that is there whole, and on disk, or not at all."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def new_file(target: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write to, which gets its name when the block ends without an error.

    Meanwhile it is beside it, as `NAME-unfinished-` and 16 digits. FileExistsError for what is there, then too.
    """
    path = Path(os.fspath(target)).absolute()
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, "an export writes over nothing, and this is there already", str(path))
    unfinished = path.with_name(f"{path.name}-unfinished-{secrets.token_hex(8)}")
    try:
        with unfinished.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _give_name(unfinished, path)
    finally:
        with suppress(FileNotFoundError):
            unfinished.unlink()


def _give_name(unfinished: Path, path: Path) -> None:
    try:
        path.hardlink_to(unfinished)  # unlike a renaming, over nothing
    except FileExistsError:
        raise FileExistsError(errno.EEXIST, "somebody else made it meanwhile, and it is left", str(path)) from None
    except OSError:  # There are file systems without hard links.
        if os.path.lexists(path):
            raise
        unfinished.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
