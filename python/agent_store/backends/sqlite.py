"""SQLite, natively: a file, or memory."""

import errno
import os
import re
import stat
import warnings
from collections.abc import Callable
from pathlib import Path

from agent_store._core import Sqlite
from agent_store.errors import BackendError, ReadOnlyStore

URL = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*://")
ADDRESS_OF_POSTGRES = re.compile(r"postgres(ql)?:/")
"""What pathlib makes of such a URL."""
CONNINFO = re.compile(r"\s*(host|hostaddr|port|dbname|user|password|service)\s*=")
UNSAFE = (
    "{path}: the system gives this file only locks that belong to the whole process (there is no /proc, or the file "
    "system has no others). While it is open here, another SQLite library or a plain open() of it in this process can "
    "make committed rows vanish: use neither"
)


def open(
    target: str | os.PathLike[str],
    durability: str,
    read_only: bool,  # noqa: FBT001
    timeout: float,
    progress: Callable[[int, int], object] | None,
) -> Sqlite:
    """The backend on the file at `target`, or in memory for `":memory:"`."""
    text = os.fspath(target)
    if text == ":memory:":
        if read_only:
            raise ValueError("a store in memory is empty when it is opened: read_only=True makes no sense there")
        return Sqlite(None, durability=durability, read_only=False, timeout=timeout)
    path = _path(target)
    _look(path, read_only)
    try:
        opened = Sqlite(path, durability=durability, read_only=read_only, timeout=timeout, progress=progress)
    except BackendError:
        _look(path, read_only)  # What went away or changed meanwhile has an error of its own.
        raise
    if opened.locks_refused():
        warnings.warn(UNSAFE.format(path=path), RuntimeWarning, stacklevel=4)
    return opened


def place(target: str | os.PathLike[str]) -> str:
    """Where a new file is to be made, looked at before anything is done."""
    if os.fspath(target) == ":memory:":
        raise ValueError("a backup is a file, and ':memory:' is none")
    text = str(target)
    if URL.match(text) or ADDRESS_OF_POSTGRES.match(text):
        raise ValueError("a backup is a file, and this is a URL: `agent-store copy` takes a store to postgresql://…")
    path = _path(target)
    folder = os.path.dirname(path)  # noqa: PTH120
    mode = _mode(folder)
    if mode is None:
        raise FileNotFoundError(errno.ENOENT, "the directory that the backup is to be in does not exist", folder)
    if not stat.S_ISDIR(mode):
        raise NotADirectoryError(errno.ENOTDIR, "the backup is to be in it, and it is no directory", folder)
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(errno.EACCES, "this user may make no file in the directory", folder)
    if os.path.isdir(path):  # noqa: PTH112
        raise IsADirectoryError(errno.EISDIR, "a backup is a file and this is a directory", path)
    # What lies beside a database under these names SQLite takes for a part of it.
    for there in (path, f"{path}-wal", f"{path}-journal"):
        if os.path.lexists(there):
            raise FileExistsError(errno.EEXIST, "a backup writes over nothing, and this is there already", there)
    return path


def _path(target: str | os.PathLike[str]) -> str:
    text = os.fspath(target)
    if not isinstance(text, str):
        raise TypeError(f"the path must be a str, not {type(text).__name__}")
    if not text:
        raise ValueError("the path is empty")
    if "\0" in text:
        raise ValueError("the path contains a NUL character")
    if isinstance(target, str) and text.startswith("file:"):
        raise ValueError(f"{text!r} looks like a URI: give the path alone (a file of that name: pathlib.Path)")
    _refuse_address(text, a_path=not isinstance(target, str))
    # Neither a URI to SQLite, nor another file after a chdir.
    return str(Path(text).absolute())


def _refuse_address(text: str, *, a_path: bool) -> None:
    """ValueError for a server's address in a form that is not taken, without the password that may be in it."""
    url = ADDRESS_OF_POSTGRES.match(text) if a_path else URL.match(text)
    if url:
        raise ValueError(
            f"what begins with {url[0].strip()!r} looks like a URL, and is no path: a store on PostgreSQL is opened by "
            "a str that begins with 'postgresql://'"
        )
    if not a_path and CONNINFO.match(text):
        raise ValueError(
            "this looks like libpq's list of keywords: a store on PostgreSQL is opened by a URL, "
            "postgresql://user@host:port/database (a file of that name: pathlib.Path)"
        )


def _look(path: str, read_only: bool) -> None:  # noqa: FBT001
    """Say in Python's own errors why a file cannot be opened, before SQLite says it in one for all."""
    may = {"effective_ids": os.access in os.supports_effective_ids}
    folder = os.path.dirname(os.path.realpath(path))  # noqa: PTH120 - where SQLite keeps its files beside it
    mode = _mode(path)
    if mode is None:
        if not os.path.isdir(folder):  # noqa: PTH112
            raise FileNotFoundError(errno.ENOENT, "the directory that the store is to be in does not exist", folder)
        if read_only:
            raise FileNotFoundError(errno.ENOENT, "there is no file to read; without read_only one is made", path)
        if not os.access(folder, os.W_OK | os.X_OK, **may):
            raise ReadOnlyStore(f"no file can be made in {folder}, which this user may not write to")
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "a store is a file and this is a directory", path)
    if not stat.S_ISREG(mode):
        raise BackendError(f"{path} is a device, a pipe or a socket: a store is a file")
    if not os.access(path, os.R_OK, **may):
        raise PermissionError(errno.EACCES, "this user may not read the file", path)
    if not read_only and not os.access(path, os.W_OK, **may):
        raise ReadOnlyStore(f"{path} may not be written to by this user: open it with read_only=True")
    if not read_only and not os.access(folder, os.W_OK | os.X_OK, **may):
        raise ReadOnlyStore(
            f"{folder} may not be written to by this user, and SQLite keeps its log there: open with read_only=True"
        )


def _mode(path: str) -> int | None:
    """Kind and permissions, None where there is nothing; what hinders the look itself is raised."""
    try:
        return os.stat(path).st_mode  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return None
