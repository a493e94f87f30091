"""A file that is there whole, and on disk, or not at all."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def new_file(target: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write to, which gets its name when the block ends without an error.

    Meanwhile it is beside it, as `NAME-unfinished-` and 16 digits. FileExistsError for what is there, then too; only a
    pipe or a device is written to as it is.
    """
    name = os.fspath(target)
    if not name:
        raise ValueError("the path is empty")
    path = Path(name).absolute()
    if _is_pipe_or_device(path):
        with path.open("wb") as file:
            yield file
        return
    _look(path)
    unfinished = path.with_name(f"{path.name}-unfinished-{os.urandom(8).hex()}")
    try:
        with unfinished.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _give_name(unfinished, path)
    finally:
        with suppress(FileNotFoundError):
            unfinished.unlink()


def _look(path: Path) -> None:
    """Say what hinders it in the words of the file that was asked for."""
    if not path.parent.exists():
        what = "the directory that the export is to be in does not exist"
        raise FileNotFoundError(errno.ENOENT, what, str(path.parent))
    if not path.parent.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "the export is to be in it, and it is no directory", str(path.parent))
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, "an export writes over nothing, and this is there already", str(path))
    if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(errno.EACCES, "this user may make no file in the directory", str(path.parent))


def _is_pipe_or_device(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def _give_name(unfinished: Path, path: Path) -> None:
    try:
        path.hardlink_to(unfinished)  # unlike a renaming, over nothing
    except FileExistsError:
        raise FileExistsError(errno.EEXIST, "somebody else made it meanwhile, and it is left", str(path)) from None
    except OSError:  # There are file systems without hard links.
        if os.path.lexists(path):
            raise
        unfinished.rename(path)
    if os.name != "posix":
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
