"""What the rows alone do not show: indexes that disagree with their tables, logs without entries and entries without a
log, counters of the wrong shape.

An index is compared with its table by a sum over a keyed hash of their rows, order aside. The keys are new for each
verification, so a file cannot be made to fit them. It is of numbers modulo 2^31 - 1, so that no product leaves 63 bits,
where SQLite would go on in floating point.
"""

import secrets
from collections.abc import Callable, Generator, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

from agent_store._core import Checker
from agent_store.backends.dbapi.session import Session
from agent_store.errors import CorruptDatabase

ROWS = 16_384  # of one read
LEAST = -(2**63)
_COUNTERS = """SELECT CAST(quote(key) AS BLOB), CAST(quote(ival) AS BLOB) FROM main._agent_store_meta
    WHERE typeof(key) <> 'text' OR typeof(ival) <> 'integer' OR ival < 0"""
_META = "SELECT CAST(integrity_check AS BLOB) FROM pragma_integrity_check('_agent_store_meta', 'main')"

Run = tuple[int, int, int, int]  # log, how many entries; seq and position of the first


class Audit:
    """As of `upto` and `logs`, the newest position and log when the verification began."""

    def __init__(
        self,
        session: Session,
        read: Callable[[Callable[[], Any]], Any],
        checker: Checker,
        upto: int,
        logs: int,
        *,
        unread: bool,
    ) -> None:
        self._session = session
        self._read = read
        self._checker = checker
        self._upto = upto
        self._logs = logs
        self._reported = unread  # The index was found wrong already, or something could not be read.
        self._keys = [secrets.randbelow(2**30 - 1) + 1 for _ in range(5)]
        self._index_sum = 0
        self._index_rows = 0
        self.listed = 0

    def _all(self, statement: str, *params: object) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._read(lambda: self._session.fetch(statement, *params))
        return rows

    def _report(self, kind: str, detail: str, log: int | None = None) -> None:
        self._checker.report(kind, log, None, None, detail)

    def run(self) -> Iterator[None]:
        try:
            yield from self._entries()
        except CorruptDatabase as error:
            self._reported = True
            self._report("corrupt", f"the index of _agent_store_entries, or the logs, cannot be read: {error.detail}")
        if not self._reported:
            yield from self._compare()
        for what, check in (
            ("_agent_store_logs", self._log_table),
            ("_agent_store_meta", self._counters),
            ("_agent_store_erasures", self._erasures),
        ):
            try:
                yield from check()
            except CorruptDatabase as error:
                self._report("corrupt", f"{what} cannot be read: {error.detail}")

    def _erasures(self) -> Iterator[None]:
        last = LEAST
        while records := self._all("audit_erasures", last, ROWS):
            self._checker.erasures(records)
            last = records[-1][0]
            yield

    def _compare(self) -> Iterator[None]:
        """The table of entries, with what its index gave."""
        low, total, rows = LEAST, 0, 0
        while True:
            [(count, mark, last)] = self._all("audit_table", *self._keys, low, self._upto, ROWS)
            total += mark
            rows += count
            yield
            if count < ROWS or not isinstance(last, int):
                break
            low = last + 1
        if (rows, total) != (self._index_rows, self._index_sum):
            self._report("index", "the index of _agent_store_entries disagrees with its table")

    def _entries(self) -> Iterator[None]:
        """The index of entries in its own order, beside the list of logs."""
        ids = self._ids()
        ahead = next(ids, None)
        current, orphans = None, [0, 0, 0]
        for run in self._runs():
            yield
            if run is None:
                continue
            log, count, seq, position = run
            if log == current:
                if orphans[0]:
                    orphans[0] += count
                continue
            self._orphaned(current, orphans)
            current, orphans = log, [0, 0, 0]
            while ahead is not None and ahead < log:
                self._checker.report_empty(ahead)
                ahead = next(ids, None)
            if ahead == log:
                ahead = next(ids, None)
            else:
                orphans = [count, seq, position]
        self._orphaned(current, orphans)
        while ahead is not None:
            # Out of order, the index was not looked through to its end: the rest may have entries.
            if not self._reported:
                self._checker.report_empty(ahead)
            ahead = next(ids, None)
            yield

    def _orphaned(self, log: int | None, orphans: list[int]) -> None:
        count, seq, position = orphans
        if count and log is not None:
            self._checker.report_orphans(log, seq, position, count)

    def _ids(self) -> Iterator[int]:
        last = LEAST
        while rows := self._all("audit_logs", last, self._logs, ROWS):
            self.listed += len(rows)
            last = rows[-1][0]
            yield from (log for log, _, _ in rows)

    def _runs(self) -> Iterator[Run | None]:
        """Entries of one log, one after the other; None where there was a read."""
        last: tuple[int, int] | None = None
        while True:
            before = last
            rows = self._all("audit_index_of_log", *self._keys, *last, ROWS) if last is not None else []
            if len(rows) < ROWS:
                rows += self._all("audit_index", *self._keys, LEAST if last is None else last[0], ROWS)
            yield None
            looked_at = []
            for log, seq, position, mark in rows:
                if position is None:
                    continue  # In a table of another make, which is reported.
                if position <= self._upto:
                    self._index_rows += 1
                    self._index_sum += mark or 0
                # Of another type: the table's row is found malformed.
                if log is None or seq is None:
                    continue
                if last is not None and (log, seq) <= last:
                    self._reported = True
                    detail = f"the index of _agent_store_entries is out of order after log {last[0]}, seq {last[1]}"
                    self._report("index", detail)
                    return
                last = log, seq
                if position <= self._upto:
                    looked_at.append((log, seq, position))
            for log, entries in groupby(looked_at, itemgetter(0)):
                found = list(entries)
                yield log, len(found), found[0][1], found[0][2]
            if last == before or len(rows) < ROWS:
                return

    def _log_table(self) -> Iterator[None]:
        """The table of logs with its index."""
        table = 0
        last = LEAST
        while rows := self._all("audit_logs", last, self._logs, ROWS):
            last = rows[-1][0]
            for log, stream, writer in rows:
                if log < 1:
                    self._report("malformed", f"the id of a log is {log}, below 1", log)
                if stream is None or writer is None:
                    self._report("malformed", f"stream or writer of log {log} is not text", log)
                else:
                    table += hash((log, stream, writer))
            yield
        index = sum(
            hash(row) for row in self._all("audit_names", self._logs) if row[1] is not None and row[2] is not None
        )
        if table != index:
            self._report("index", "the index of _agent_store_logs disagrees with its table")

    def _counters(self) -> Generator[None, None, None]:
        for (found,) in self._read(lambda: self._session.run(_META).fetchall()):
            if found != b"ok":
                self._report("index", f"_agent_store_meta: {found.decode(errors='replace')}")
        yield
        for key, value in self._read(lambda: self._session.run(_COUNTERS).fetchall()):
            detail = f"generation {_text(key)} holds {_text(value)}, not an integer from 0 to 2^63 - 1"
            self._report("malformed", detail)


def _text(quoted: bytes) -> str:
    return quoted.decode(errors="replace")
