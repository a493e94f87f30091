"""The store: what `open` returns."""

import errno
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from agent_store._core import Head, TransactionBlock, draw_rows
from agent_store.backends import sqlite
from agent_store.bulk import append_all
from agent_store.doorbell import Doorbell
from agent_store.follow import follow
from agent_store.generation import Generation
from agent_store.log import WriterLog
from agent_store.names import check_names, checked_streams
from agent_store.reading import LARGEST, Entries, iterate
from agent_store.sealed import Sealed
from agent_store.targets import INSTEAD, Path, Target, kind_of, missing_file
from agent_store.transaction import Binding
from agent_store.verdict import Verdict
from agent_store.waiting import checked_timeout
from agent_store.watch import Watch

if TYPE_CHECKING:
    from agent_store.backends.backend import Backend
    from agent_store.evidence.checkpoint import Checkpoint
    from agent_store.log import Buffer

Durability = Literal["full", "normal"]
Progress = Callable[[int, int], object]
Params = Sequence[Any] | Mapping[str, Any]


def open(
    target: Target,
    *,
    durability: Durability | None = None,
    read_only: bool | None = None,
    timeout: float | None = None,
    progress: Progress | None = None,
    schema: str | None = None,
    at_least: "Checkpoint | str | None" = None,
) -> "Store":
    """Open a store, or make one where there is none.

    `target` is the path of a file; `":memory:"`, a store that lives as long as it is open; a postgresql:// URL, all of
    libpq's with `?schema=` beside (default: agent_store); or a connection of the caller's: a sqlite3.Connection or a
    psycopg.Connection, with `schema=`. On a connection a write does what an INSERT of the caller's would: it joins the
    open transaction, and neither `open` nor `close` changes how the connection is set up.

    `durability="full"`, the default: what returned is on disk. `"normal"`: a power cut may take the newest commits,
    whole. `timeout` is how many seconds a call waits for what others hold, by default 5. `progress(done, total)` is
    called while a file of the Rust crate is brought to the present layout. A connection takes none of these: there
    they are the caller's to set.

    `at_least` is a checkpoint that you kept elsewhere, which the store must extend: StoreReplaced where an older copy
    of it was put back, or another store is in its place, FileNotFoundError where there is no file.

    Raises FileNotFoundError, IsADirectoryError, PermissionError, ReadOnlyStore, BusyError, CorruptDatabase for what is
    no database, UnsupportedFormat for one of a newer version, ChainBroken for a file of the crate's that is damaged,
    BackendError for a server that cannot be reached or says no; ValueError and TypeError for arguments.
    """
    if at_least is None:
        return _open(target, durability, read_only, timeout, progress, schema)
    from agent_store.evidence.checkpoint import Checkpoint
    from agent_store.evidence.holding import check_at_least

    held = Checkpoint(at_least)
    missing = missing_file(target)
    if missing is not None:
        raise FileNotFoundError(errno.ENOENT, "there is no store, and at_least is a checkpoint of one", missing)
    opened = _open(target, durability, read_only, timeout, progress, schema)
    try:
        check_at_least(opened._binding, held)  # noqa: SLF001 - of its own module
    except BaseException:
        opened.close()
        raise
    return opened


def _open(
    target: Target,
    durability: Durability | None,
    read_only: bool | None,  # noqa: FBT001
    timeout: float | None,
    progress: Progress | None,
    schema: str | None,
) -> "Store":
    kind = kind_of(target)
    if schema is not None and (kind == "sqlite" or isinstance(target, str)):
        raise ValueError("schema= is for a psycopg connection: in a URL it is ?schema=, and SQLite has none")
    if not isinstance(target, str | os.PathLike):
        for name, value in (("durability", durability), ("read_only", read_only), ("timeout", timeout)):
            if value is not None:
                raise ValueError(f"{name}= is for a store opened by a path or URL: {INSTEAD[name]}")
        return Store(_on_connection(kind, target, schema), repr(target))
    seconds = 5.0 if timeout is None else timeout
    if kind == "postgres":
        from agent_store.backends import postgres

        opened = postgres.open(os.fspath(target), durability or "full", bool(read_only), seconds)
        return Store(opened, opened.shown)
    return Store(sqlite.open(target, durability or "full", bool(read_only), seconds, progress), os.fspath(target))


def _on_connection(kind: str, connection: Any, schema: str | None) -> "Backend[Any, Any]":
    # Each takes as long to import as all the rest.
    if kind == "sqlite":
        from agent_store.backends import dbapi

        return dbapi.open(connection)
    from agent_store.backends import postgres

    return postgres.adopt(connection, schema)


def binding_of(what: str, store: object) -> Binding:
    """The binding of what must be a Store."""
    if not isinstance(store, Store):
        raise TypeError(f"{what} must be a Store, as open() gives one, not {type(store).__name__}")
    return store._binding  # noqa: SLF001 - of its own module


class Store(Sealed):
    """Logs, generations and the caller's own SQL in one database. Safe to use from many threads."""

    _closed = True

    def __init__(self, backend: "Backend[Any, Any]", target: str) -> None:
        self._binding = Binding(backend)
        self._target = target
        self._closed = False

    @property
    def target(self) -> str:
        """What it was opened by, of a URL without its password."""
        return self._target

    def log(self, stream: str, writer: str) -> WriterLog:
        """The log of one writer in one stream; nothing is written yet."""
        self._binding.backend.check_open()
        return WriterLog(self._binding, stream, writer)

    def generation(self, key: str) -> Generation:
        """A named counter; nothing is written yet."""
        self._binding.backend.check_open()
        return Generation(self._binding, key)

    def append_many(self, rows: "Iterable[tuple[str, str, Buffer]]", *, batch: int | None = None) -> int:
        """Append rows of (stream, writer, payload) to many logs, in this order; the last position.

        One transaction, all or nothing; with `batch` one for each so many. As `WriterLog.append_many` otherwise.
        """
        drawn = iter(rows)

        def draw(first: int, most: int, size: int) -> tuple[list[tuple[str, str, bytes]], bool]:
            return draw_rows(drawn, first, most, size)

        def write(items: list[tuple[str, str, bytes]], tx: Any) -> int:
            return self._binding.backend.append_rows(items, tx)

        position = append_all(self._binding, draw, write, batch)
        return self.position() if position is None else position

    def entries(
        self,
        *,
        after: int = 0,
        stream: str | Sequence[str] | None = None,
        writer: str | None = None,
        reverse: bool = False,
    ) -> Entries:
        """The entries with positions above `after`, in commit order or backwards, in pages.

        Ends where the store ended at the first `next()`. With `stream` (one, or several) or `writer` only theirs.
        """
        stream = checked_streams(stream)
        check_names(None, writer)
        if after < 0:
            raise ValueError(f"after must be a position, 0 or more, not {after}")
        pages = self._binding.backend.pages(stream, writer, after=min(after, LARGEST), reverse=reverse)
        return iterate(self._binding, pages)

    def heads(self, stream: str | None = None) -> list[Head]:
        """The newest entry of every log, or of those of one stream, by stream and writer."""
        check_names(stream)
        return self._binding.backend.heads(stream, self._binding.reading())

    def position(self) -> int:
        """The newest committed position, 0 in an empty store."""
        return self._binding.backend.position(self._binding.reading())

    @property
    def doorbell(self) -> Doorbell:
        """Waiting for commits: `wait`, `subscribe`, `ring`."""
        return Doorbell(self._binding)

    def watch(
        self,
        *,
        stream: str | Sequence[str] | None = None,
        writer: str | None = None,
        after: int | None = None,
        exclude_writer: str | None = None,
        timeout: float | None = None,
    ) -> Watch:
        """The entries with positions above `after`, and then each that is committed, by anybody: `tail -f`.

        In commit order, without a gap, none twice. `after=None` begins with what is committed from this call on,
        `after=0` with the first entry. With `stream` (one name or several) and `writer` only theirs; without those of
        `exclude_writer`. Ends `timeout` seconds after `next` found no entry (0: when all that is there was taken), or
        when it is closed. Ctrl-C is heard within 100 ms.

        `next` raises StoreClosed where the store is closed meanwhile, StoreReplaced where the file is replaced or an
        older state of it restored, ForkedStore; and this call TransactionConflict inside `transaction()`, BackendError
        on a caller's connection.
        """
        streams = checked_streams(stream)
        check_names(None, writer, exclude_writer)
        seconds = checked_timeout(timeout)
        waiter, follower = follow(
            self._binding, "watch()", stream=streams, writer=writer, exclude_writer=exclude_writer, after=after
        )
        return Watch(self._binding, waiter, follower, seconds)

    def transaction(self) -> TransactionBlock:
        """`with store.transaction():` all that this thread does in the block is committed together, or vanishes."""
        return TransactionBlock(self, self._binding)

    def execute(self, sql: str, params: Params = ()) -> int:
        """Run one statement of the caller's own on the writing connection; how many rows it changed.

        ValueError for what would take the store out of its own hands: BEGIN, COMMIT, VACUUM, ATTACH, some PRAGMAs.
        """
        return self._binding.backend.execute(sql, params, self._binding.writing())

    def query(self, sql: str, params: Params = ()) -> list[tuple[Any, ...]]:
        """The rows of one statement, read beside writers; one that writes (RETURNING) runs as a write."""
        may_write = not self._binding.is_drawing()
        return self._binding.backend.query(sql, params, self._binding.reading(), may_write=may_write)

    def info(self) -> dict[str, Any]:
        """Facts of the store: kind, path, format, id, layout, entries, logs, position, bytes, sqlite_version,
        durability, read_only, locks. Counting takes time in proportion to the store.

        `locks`: "ofd" and "windows" where no other library in the process can drop the locks on the file, "posix" where
        it can.
        """
        return self._binding.backend.info(self._binding.reading())

    def backup(self, path: Path, *, progress: Progress | None = None) -> Verdict:
        """Copy the store to a new file while others go on writing, verify the copy, and only then give it its name.

        The copy is the store as it was at one moment: one file, with the permissions of the store's. Returns the
        Verdict of the copy; damage that the store has is in it, a finding as for `verify`. `progress(done, total)` is
        called about 20 times a second with pages, each counted twice: copied, verified.

        Raises FileExistsError for what is there, FileNotFoundError for a missing directory, PermissionError,
        TransactionConflict inside `transaction()`, BackendError for a full disk. After an error no file is at `path`.
        """
        self._binding.backend.check_open()
        self._binding.check_outside("backup()")
        return Verdict.of(self._binding.backend.backup(sqlite.place(path), progress))

    def close(self) -> None:
        """Close the store, once the calls of other threads have ended. Any number of times."""
        self._binding.check_outside("close()")
        self._binding.backend.close()
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if not self._closed and self._binding.backend.owned:
            warnings.warn(f"{self!r} was never closed: use `with agent_store.open(…) as store`", ResourceWarning, 2)

    def __repr__(self) -> str:
        return f"Store({self._target!r})"
