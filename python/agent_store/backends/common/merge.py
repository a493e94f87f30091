"""Several logs read as one, in commit order: what is returned is paid for, whatever else the store holds.

Of each log the position of its next entry is known, and the logs whose next entries come first are read a few entries
ahead, all in one statement. A log that turns out to have more in a row is read further ahead the next time.
"""

import heapq
from collections import deque
from collections.abc import Iterable

from agent_store._core import Entry
from agent_store.backends.common.search import first_after
from agent_store.backends.common.session import PAGE_BYTES, Listed, Range, Row, Session
from agent_store.backends.common.shape import Name, check, missing, undone
from agent_store.backends.common.whole import look_up

OVERHEAD = 400  # bytes that a row read ahead takes beside its payload
AHEAD = 4 * PAGE_BYTES  # bytes of rows read ahead that are kept from page to page


class _Log:
    """One of the logs, of which the entries from `low` to below `high` are still to come."""

    __slots__ = ("ahead", "high", "last", "log", "low", "name", "next", "rows")

    def __init__(self, log: int, name: Name, low: int, high: int) -> None:
        self.log, self.name, self.low, self.high = log, name, low, high
        self.rows: deque[Row] = deque()  # read ahead, in the order of reading
        self.next: int | None = None  # the position of what comes next, where it is known
        self.last: tuple[int, bytes] | None = None  # seq and hash of the entry read last
        self.ahead = 0  # entries read ahead the last time


class Merge:
    """The entries of `logs`, each with its head, whose positions are above `after`."""

    def __init__(self, session: Session, logs: Iterable[Listed], after: int, *, reverse: bool) -> None:
        self._after = after
        self._reverse = reverse
        self._logs: dict[int, _Log] = {}
        heads = {}
        for log, stream, writer, seq, _, position in logs:
            if seq is not None and position is not None and position > after:
                self._logs[log] = _Log(log, (stream, writer), 1, seq + 1)
                self._logs[log].next = position
                heads[log] = (seq, position)
        if self._logs and not reverse:
            first = first_after(session, ((log, *head) for log, head in heads.items()), after)
            for log, seq in first.items():
                self._logs[log].low = seq
                self._logs[log].next = None
            found = session.from_seq([(log, each.low) for log, each in self._logs.items()])
            for log, seq, position in found:
                if seq != self._logs[log].low:
                    raise missing(self._logs[log].name, self._logs[log].low)
                self._logs[log].next = position
        # By the sign the first in the order of reading is always the smallest.
        self._sign = -1 if reverse else 1
        self._queue = [(self._sign * each.next, log) for log, each in self._logs.items() if each.next is not None]
        heapq.heapify(self._queue)
        self._unknown: list[_Log] = []  # read to the end of what was read ahead, and not at their end
        self._ahead: set[int] = set()  # logs with entries read ahead
        self._size = 0  # bytes of these

    def page(self, session: Session, limit: int) -> list[Entry]:
        """At most `limit` entries more."""
        if session.may_forget:
            self._forget()
        taken: list[tuple[_Log, Row]] = []
        size = 0
        while len(taken) < limit and size < PAGE_BYTES and (self._queue or self._unknown):
            if self._unknown or not self._logs[self._queue[0][1]].rows:
                self._read_ahead(session, limit - len(taken))
                continue
            _, log = heapq.heappop(self._queue)
            each = self._logs[log]
            row = each.rows.popleft()
            self._size -= OVERHEAD + len(row[4])
            taken.append((each, row))
            size += len(row[4])
            self._advance(each, row[2])
        page = self._entries(session, taken)
        if self._size > AHEAD:
            self._forget()
        return page

    def _advance(self, each: _Log, seq: int) -> None:
        """Entry `seq` was taken: line up the one after it."""
        if self._reverse:
            each.high = seq
        else:
            each.low = seq + 1
        if each.rows:
            self._line_up(each)
        elif each.low < each.high:
            each.next = None
            self._unknown.append(each)
        else:
            self._end(each)

    def _line_up(self, each: _Log) -> None:
        each.next = each.rows[0][0]
        if self._reverse and each.next <= self._after:
            self._end(each)
        else:
            heapq.heappush(self._queue, (self._sign * each.next, each.log))

    def _end(self, each: _Log) -> None:
        self._size -= sum(OVERHEAD + len(row[4]) for row in each.rows)
        self._ahead.discard(each.log)
        del self._logs[each.log]

    def _forget(self) -> None:
        """Let go of what was read ahead: of each log it is known what comes next, and where."""
        for log in self._ahead:
            self._logs[log].rows.clear()
        self._ahead.clear()
        self._size = 0

    def _read_ahead(self, session: Session, wanted: int) -> None:
        """Of the logs that come first and have nothing read ahead, and of all whose next position is not known."""
        first = [self._logs[log] for _, log in heapq.nsmallest(wanted, self._queue)]
        logs = {each.log: each for each in (*self._unknown, *first) if not each.rows}
        few = -(-wanted // len(logs)) + 1
        ranges: list[Range] = []
        for each in logs.values():
            each.ahead = min(max(2 * each.ahead, 2), wanted) if each.next is None else min(few, wanted + 1)
            if self._reverse:
                ranges.append((each.log, max(each.high - each.ahead, each.low), each.high))
            else:
                ranges.append((each.log, each.low, min(each.low + each.ahead, each.high)))
        rows = session.entries(ranges, reverse=self._reverse)
        if sum(len(row[4] or b"") for row in rows) < PAGE_BYTES:
            unread: set[int] = set()
        else:  # The answer ended early: nothing is known of those at its end.
            answered = {row[1] for row in rows}
            unread = {log for log in logs if log not in answered}
        for row in rows:
            self._take_in(session, logs[row[1]], row)
        for each in logs.values():
            if not each.rows and each.log not in unread:
                raise self._gone(session, each, each.high - 1 if self._reverse else each.low)
        known = [each for each in self._unknown if each.rows]
        self._unknown = [each for each in self._unknown if not each.rows]
        for each in known:
            self._line_up(each)

    def _take_in(self, session: Session, each: _Log, row: Row) -> None:
        position, _, seq, content_hash, payload = row
        if each.rows:
            wanted = each.rows[-1][2] + self._sign
        else:
            wanted = each.high - 1 if self._reverse else each.low
            if each.next is not None and position != each.next:
                raise undone()
        if seq != wanted:
            raise self._gone(session, each, wanted)
        check(each.name, seq, content_hash, payload)
        each.rows.append(row)
        self._ahead.add(each.log)
        self._size += OVERHEAD + len(payload)

    def _gone(self, session: Session, each: _Log, seq: int) -> Exception:
        """Entry `seq`, or a later one, was there when the reading began."""
        if session.may_forget and not session.from_seq([(each.log, seq)]):
            return undone()
        return missing(each.name, seq)

    def _entries(self, session: Session, taken: list[tuple[_Log, Row]]) -> list[Entry]:
        """With the hash that each links to: of this page, read before or ahead; else it is looked up."""
        hashes = {(each.log, row[2]): row[3] for each, row in taken}
        for each, _ in taken:
            if self._reverse and each.rows:
                hashes[each.log, each.rows[0][2]] = each.rows[0][3]
            elif each.last is not None and not session.may_forget:
                hashes[each.log, each.last[0]] = each.last[1]
        prevs = {(each.log, row[2]): hashes.get((each.log, row[2] - 1)) for each, row in taken}
        unknown = [(log, seq) for (log, seq), prev in prevs.items() if prev is None and seq > 1]
        if unknown:
            prevs.update(look_up(session, unknown, {each.log: each.name for each, _ in taken}))
        page = []
        for each, (position, log, seq, content_hash, payload) in taken:
            page.append(Entry(*each.name, seq, prevs[log, seq], content_hash, payload, position))
            each.last = seq, content_hash
        return page
