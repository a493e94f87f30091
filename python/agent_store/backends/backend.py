"""The contract between the store and a database. docs/backends.md shows how one is written.

The facade owns names, types, defaults, and which transaction a call belongs to; a backend owns bytes and statements.

**What it is handed has been checked.** Names and keys are `str` without lone surrogates; where something is written
they are 1 to 1,024 bytes of UTF-8 without NUL. Payloads are `bytes` of at most 512 MiB. Seqs and numbers are in range.

**tx=None** is a call by itself: a read sees what is committed; a write is a transaction of its own, all or nothing,
and durable when it returns. (On a connection of the caller's a call without `tx` does what a statement of the caller's
would: docs/api.md.) **With tx** it belongs to that transaction: it sees what was written in it, and nothing of it is
committed before `commit`. An error leaves the transaction as it was before the call; where the database cannot do that,
every later call in it, `commit` too, raises TransactionConflict. An ended `tx` gives TransactionConflict as well.

**Errors** are those of `agent_store.errors`, never a driver's own. Every method may raise StoreClosed after `close`,
ForkedStore in a process forked since it was opened, BusyError when what others hold was waited for in vain, and
BackendError for what the database says otherwise; every write ReadOnlyStore, and OutcomeUnknown where nobody can say
whether its commit took place, with the entries that may be there. After any other error nothing was written.

**Threads**: every method may be called from any number of threads at once, and each call of one transaction from the
same thread. Nothing of Python's that may wait for another thread is done with a lock held that this one may want.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from agent_store._core import Appended, Entry, Findings, Head
from agent_store.backends.waiter import Waiter

Tx = TypeVar("Tx")
"""What a backend knows its transactions by; the facade looks at none of it."""
Pages = TypeVar("Pages", bound="Reading")
"""And its readings."""


class Reading(Protocol):
    """What `pages` gives and `read` is handed."""

    @property
    def newest(self) -> tuple[int, bytes] | None:
        """Position and hash of the entry that was newest at the first call of `read`, which the reading ends at.

        `(0, b"")` for an empty store; None before the first call.
        """


class Backend(Protocol[Tx, Pages]):
    """One store in one database, opened."""

    @property
    def kind(self) -> str:
        """Its name in `info()`: "sqlite", "postgres"."""

    @property
    def owned(self) -> bool:
        """False for a connection of the caller's: who forgets to close such a store is not warned."""

    @property
    def commits(self) -> bool:
        """False while a write outside of `begin` becomes part of a transaction that only the caller ends."""

    @property
    def exclusive(self) -> bool:
        """True where nobody can read while a transaction is open, as there is one connection for all.

        What the caller's iterables and callbacks do with the store would then wait for itself: an iterable is drawn
        to its end before `begin`.
        """

    def check_open(self) -> None:
        """Raise StoreClosed or ForkedStore. It costs nothing: no statement, no lock."""

    # Transactions. `begin` to `commit` or `rollback` are in one thread; others wait, or see what was before.

    def begin(self, within: Tx | None = None, *, synced: bool = False) -> Tx:
        """Take the lock that orders all writes of the store; BusyError after the timeout, and nothing is open then.

        With `within`, the innermost open transaction of this thread: a savepoint inside it, which waits for nothing.
        `synced`: on disk when `commit` returns, whatever the store's durability, and what is removed in it is written
        over where that is for a client to do; TransactionConflict where it would be part of another transaction.
        """

    def commit(self, tx: Tx) -> None:
        """Make everything since `begin` visible at once, and durable before it returns. Of a savepoint: keep it.

        TransactionConflict where the database ended it before, and BackendError for a commit that it refused: nothing
        is there then. OutcomeUnknown where the answer was lost: its `entries` are the newest of each log that was
        written, at most 1,000, its `count` is of all.
        """

    def rollback(self, tx: Tx) -> None:
        """Take back everything since `begin`. It never raises, and may be called when all is over or the server gone.

        Whatever was remembered of what is taken back (heads, ids of logs, positions) is forgotten.
        """

    # Writing. The head is read under the write lock, in the same transaction as what is appended after it.

    def append(
        self,
        stream: str,
        writer: str,
        payloads: list[bytes],
        expected: tuple[int, bytes] | None = None,
        tx: Tx | None = None,
    ) -> Appended:
        """Append at least one payload to one log, in this order: all or none.

        seq goes on from the log's head, position from the store's newest, both without a gap. `expected` is seq and
        hash of the head that must be there, `(0, b"")` for none: else HeadMoved, with the head found. None: whatever
        the head is. The first entry of a log makes the log.

        What comes back is of the last payload (its seq, hash and position, the hash before it), with their number.
        """

    def append_rows(self, rows: list[tuple[str, str, bytes]], tx: Tx | None = None) -> int:
        """Append at least one (stream, writer, payload), in this order, to any number of logs: all or none.

        The position of the last.
        """

    # Reading. Stored values are checked for type, length and gaps, not for their hashes: MalformedRow, ChainBroken.

    def pages(
        self,
        stream: str | Sequence[str] | None = None,
        writer: str | None = None,
        *,
        exclude_writer: str | None = None,
        after: int = 0,
        start: int = 1,
        stop: int | None = None,
        reverse: bool = False,
        known: tuple[int, bytes] | None = None,
    ) -> Pages:
        """A reading, to be handed to `read`. It asks the database nothing yet, and holds nothing open ever.

        With both names of one log, by seq; else of all logs that the names select (`stream` may be several), or of all
        there are, by position. `after` is a position and excluded, `start` a seq, `stop` a seq and excluded (None: no
        end); `reverse` turns the order and not the limits. `start` and `stop` come with both names only. `known` is
        position and hash of an entry that was seen there: where it is no more, `read` raises StoreReplaced, so that
        who goes on from it never goes on in another history.
        """

    def read(self, pages: Pages, limit: int, tx: Tx | None = None) -> list[Entry]:
        """The next entries of a reading, at most `limit`, fewer where payloads are large; none when it is over.

        It ends at what was newest at its first call, whatever is appended meanwhile. It costs what it returns, however
        many other logs there are, and with `after` near the newest what came since, however many logs are selected.
        What began in a transaction goes on in it, or after its commit: TransactionConflict after its rollback, and
        from another thread while it is open.
        """

    def heads(self, stream: str | None = None, tx: Tx | None = None) -> list[Head]:
        """The newest entry of each log, or of each of one stream, by the bytes of stream and writer."""

    def position(self, tx: Tx | None = None) -> int:
        """The newest, 0 in an empty store."""

    # Verifying. Rows go into `_core.Checker`, which hashes and judges, whatever the database.

    def verify(
        self, progress: Callable[[int, int], object] | None = None, tx: Tx | None = None, *, sealed: int = 0
    ) -> Findings:
        """Judge every row of the store, and the tables, guards and indexes themselves, as of the newest position.

        Damage is a finding and never raised, also rows of the wrong types, logs without entries and entries without a
        log, and what cannot be read at all. Memory stays flat with a million logs. `progress(done, total)` counts
        entries, about 20 times a second; what it raises ends the call.

        With `sealed` the leaves of positions 1 to that one are computed too, and compared with the tiles of the tree,
        all levels of it: differences, and tiles that are missing or malformed, are breaks of kind seal. `root` of the
        findings is then the root over these leaves.
        """

    def leaves(
        self, first: int, last: int, progress: Callable[[int, int], object] | None = None
    ) -> tuple[Findings, bytes]:
        """Judge positions `first` to `last` as `verify` does, and hash their leaves: 32 bytes each, in order.

        These mean something only where nothing was found. All of it is in memory: who calls asks for few at a time.
        """

    def verify_log(
        self,
        stream: str,
        writer: str,
        since: Head | None = None,
        contains: Head | None = None,
        progress: Callable[[int, int], object] | None = None,
        tx: Tx | None = None,
    ) -> Findings:
        """Judge one log, from its first entry, or from the one after `since`; `head` of the findings is its newest.

        ChainBroken where `since` or `contains` is not in it, with that very hash. CorruptDatabase for what cannot be
        read.
        """

    def backup(self, path: str, progress: Callable[[int, int], object] | None = None) -> Findings:
        """Copy the store, as it is at one moment, to an absolute path where nothing is; what was found in the copy.

        BackendError, saying what to do instead, where a file cannot be a copy of it.
        """

    # Counters: 0 to 2^63 - 1, 0 for a key that nobody has moved.

    def advance(self, key: str, how: str, n: int = 0, tx: Tx | None = None) -> int:
        """Read and change a counter in one atomic step; the value after it.

        `how` is "current" (a read), "bump" (one more), "set" (`n`; NonMonotonicGeneration where that is less),
        "advance" (`n`, if that is more) or "reserve" (`n` more). OverflowError past 2^63 - 1, and nothing was changed.
        """

    def generations(self, tx: Tx | None = None) -> list[tuple[str, int]]:
        """Every counter but the store's own, and its value, by the bytes of the key."""

    # The caller's own SQL, in the database's own language and with its own placeholders.

    def execute(self, sql: str, params: Sequence[Any] | Mapping[str, Any], tx: Tx | None = None) -> int:
        """Run one statement as a write; how many rows it changed, 0 where that means nothing.

        ValueError, saying what to do instead, for more or less than one statement, and for what would end or begin a
        transaction or undo what the store promises. What it may have done to the store's own tables is remembered
        nowhere.
        """

    def query(
        self,
        sql: str,
        params: Sequence[Any] | Mapping[str, Any],
        tx: Tx | None = None,
        *,
        may_write: bool = True,
    ) -> list[tuple[Any, ...]]:
        """All rows of one statement, as plain tuples; one that writes (RETURNING) runs as a write.

        `may_write=False`, from inside an iterable of `append_many`: TransactionConflict for such a statement.
        """

    # The store's own statements beside those above: signed notes, tiles, erasures.

    def fetch(self, statement: str, *params: object, tx: Tx | None = None) -> list[tuple[Any, ...]]:
        """All rows of the statement in `agent_store/sql/<kind>/<statement>.sql`, as plain tuples.

        None for a stored value of another type than its column is to have.
        """

    def change(self, statement: str, *params: object, tx: Tx | None = None) -> int:
        """Run a statement of that kind that changes rows; how many."""

    def scrub(self) -> bool | None:
        """Write zeros over what was removed and is nobody's now, outside of the store's files too (a WAL).

        False where others' reading prevented that for the timeout; None where only the owner of the database can do it.
        """

    # Waking. Every commit that appended or moved a counter rings, after it can be read; a rollback never does.

    def waiter(self) -> Waiter:
        """One more who waits. Nothing is made or started before somebody does."""

    def ring(self) -> None:
        """Wake whoever waits, as a commit does by itself. On a connection of the caller's nobody else does."""

    def info(self, tx: Tx | None = None) -> dict[str, Any]:
        """Facts, with the same keys whatever the database (docs/api.md); None for what it does not have."""

    def close(self) -> None:
        """Let go of everything, once the calls of other threads have ended. Any number of times.

        A connection of the caller's stays open, and as it was handed over. ForkedStore in a forked child, which lets go
        of nothing.
        """
