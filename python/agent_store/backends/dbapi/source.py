"""What a verification reads from a caller's connection, in short reads: a long one keeps a WAL from being reset."""

from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from agent_store._core import Checker
from agent_store.backends.common.session import PAGE_BYTES, Before, Listed
from agent_store.backends.common.verifying import Feeding, Place
from agent_store.backends.dbapi import schema
from agent_store.backends.dbapi.audit import LEAST, Audit
from agent_store.backends.dbapi.session import Session
from agent_store.errors import BackendError, CorruptDatabase

CHUNK = 4_096  # rows of one read
TRIES = 100_000  # reads of a damaged range before the rest of it is given up


class Source:
    """`read` runs one short read, with the connection to itself and errors as ours."""

    def __init__(self, session: Session, read: Callable[[Callable[[], Any]], Any]) -> None:
        self._session = session
        self._read = read
        self._upto = 0
        self._logs = 0
        self._unread = False

    def check_schema(self, checker: Checker) -> bool:
        altered: bool = self._read(lambda: schema.check(self._session, checker))
        return altered

    def bounds(self, checker: Checker) -> int:
        # Where the page with the newest entry cannot be read, the index knows its position.
        self._upto = self._number(checker, "_agent_store_entries", "last_position", "newest_in_index")
        self._logs = self._number(checker, "_agent_store_logs", "newest_log")
        return self._upto

    def _number(self, checker: Checker, what: str, *statements: str) -> int:
        detail = ""
        for statement in statements:
            try:
                found: int = self._fetch(statement)[0][0]
                return found
            except CorruptDatabase as error:
                detail = error.detail
        self._corrupt(checker, f"{what} cannot be read: {detail}")
        return 0

    def _fetch(self, statement: str, *params: object) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._read(lambda: self._session.fetch(statement, *params))
        return rows

    def _corrupt(self, checker: Checker, detail: str) -> None:
        self._unread = True
        checker.report("corrupt", None, None, None, detail)

    def audit(self, checker: Checker) -> Generator[None, None, int]:
        audit = Audit(self._session, self._read, checker, self._upto, self._logs, unread=self._unread)
        yield from audit.run()
        return audit.listed

    def positions(self, checker: Checker, first: int, last: int) -> Feeding:
        """A page that cannot be read costs the positions on it: the range is halved until what is readable was read."""
        ranges = [(first, last)] if last >= first else []
        unread: tuple[int, int, str] | None = None
        tries = TRIES
        while ranges:
            low, high = ranges.pop()
            rows, full, error = self._rows("scan", low, high)
            if error is not None and not rows:
                # sqlite3 reads one row ahead, and does not give the last one before what it cannot read.
                rows, _, _ = self._rows("scan_one", low)
            if rows:
                if unread is not None:
                    checker.unreadable(*unread)
                    unread = None
                checker.rows(rows)
                reached = rows[-1][0]
                # A table of another make may hold what is no integer; that is reported.
                low = reached + 1 if reached is not None else high + 1
                yield low - 1, True
            if low > high:
                continue
            if error is None or rows:
                if full or error is not None:
                    ranges.append((low, high))
            elif low < high and tries > 0:
                tries -= 1
                middle = low + (high - low) // 2
                ranges += [(middle + 1, high), (low, middle)]
            else:
                self._unread = True
                if unread is not None and unread[1] + 1 < low:
                    checker.unreadable(*unread)
                    unread = None
                unread = (low, high, error) if unread is None else (unread[0], high, unread[2])
        if unread is not None:
            checker.unreadable(*unread)

    def below_one(self, checker: Checker) -> Feeding:
        low = LEAST
        while True:
            rows, full, error = self._rows("scan", low, 0)
            if rows:
                checker.rows(rows)
                yield 0, True
            # The page is the one of the first positions too, mostly, which then are reported.
            if error is not None and not self._unread:
                self._corrupt(checker, f"positions below 1 could not be read: {error}")
            if error is not None or not full or rows[-1][0] is None:
                return
            low = rows[-1][0] + 1

    def of_log(self, checker: Checker, log: int, first: int, last: int) -> Feeding:
        low, done = first, 0
        while low <= last:
            rows, full, error = self._rows("scan_log", log, low, last)
            if error is not None:
                raise CorruptDatabase(error)
            if rows:
                checker.rows(rows)
                done += len(rows)
                yield done, True
            if not full or rows[-1][2] is None:
                return
            low = rows[-1][2] + 1

    def _rows(self, statement: str, *params: int) -> tuple[list[tuple[Any, ...]], bool, str | None]:
        """What could be read of a range, whether there may be more, and what hindered it."""
        rows: list[tuple[Any, ...]] = []

        def read() -> bool:
            size = 0
            cursor = self._session.cursor(statement, *params)
            try:
                for row in cursor:
                    rows.append(row)
                    size += len(row[4] or b"")
                    if len(rows) >= CHUNK or size >= PAGE_BYTES:
                        return True
            finally:
                cursor.close()
            return False

        try:
            return rows, self._read(read), None
        except CorruptDatabase as error:
            return rows, False, error.detail

    def head(self, stream: str, writer: str) -> Listed | None:
        rows = self._fetch("heads_of_log", stream, writer)
        return rows[0] if rows else None

    def hash_at(self, log: int, seq: int) -> bytes | None:
        for found, content_hash, _ in self._fetch("from_seq", log, seq):
            if found == seq:
                return content_hash or b""
        return None

    def before(self, places: Sequence[tuple[int, int]]) -> list[Before]:
        found: list[Before] = self._read(partial(self._session.before, places))
        return found

    def names(self, logs: Sequence[int]) -> dict[int, tuple[str, str]]:
        names: dict[int, tuple[str, str]] = {}
        for log in logs:
            # What cannot be read is reported without.
            with suppress(CorruptDatabase):
                names |= self._read(partial(self._session.names, [log]))
        return names

    def has_tiles(self) -> bool:
        try:
            self._fetch("tile", 0, 0)
        except BackendError:
            return False
        except CorruptDatabase:
            return True
        return True

    def tiles(self, places: Sequence[Place], checker: Checker) -> tuple[dict[Place, bytes | None], list[Place]]:
        found: dict[Place, bytes | None] = {}
        unread: list[Place] = []
        for place in places:
            try:
                rows = self._fetch("tile", *place)
            except CorruptDatabase as error:
                unread.append(place)
                level, number = place
                self._corrupt(checker, f"tile {number} of level {level} of the tree cannot be read: {error.detail}")
            else:
                found[place] = rows[0][0] if rows else None
        return found, unread
