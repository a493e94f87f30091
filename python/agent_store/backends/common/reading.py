"""Reading entries in pages: one log by seq, a few logs merged by position, or the whole store by position.

A reading goes up to what was newest when it began. Each page is a short read of its own.
"""

from dataclasses import dataclass

from agent_store._core import Entry
from agent_store.backends.common.fate import Began
from agent_store.backends.common.heads import listed, position
from agent_store.backends.common.merge import Merge
from agent_store.backends.common.one_log import OneLog
from agent_store.backends.common.search import first_after
from agent_store.backends.common.session import Session
from agent_store.backends.common.whole import Whole

LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Select:
    """The only reading vocabulary. `after` is a position and excluded, `start` and `stop` are seqs, `stop` excluded."""

    stream: str | None = None
    writer: str | None = None
    after: int = 0
    start: int = 1
    stop: int | None = None
    reverse: bool = False


class Reading(Began):
    """A reading under way; `enter` comes before each page."""

    def __init__(self, select: Select) -> None:
        super().__init__()
        self._select = select
        self._source: OneLog | Merge | Whole | None = None

    def next(self, session: Session, limit: int) -> list[Entry]:
        """At most `limit` entries more; none when the reading is over."""
        if self._source is None:
            self._source = _begin(session, self._select)
        return self._source.page(session, limit)


def _begin(session: Session, select: Select) -> OneLog | Merge | Whole:
    if select.stream is None and select.writer is None:
        return Whole(select.after, position(session), reverse=select.reverse)
    # One statement, so all of one state. What is looked up after it are entries, which stay as they are.
    logs = listed(session, select.stream, select.writer)
    begun = [row for row in logs if row[3] is not None]
    if len(logs) != 1:
        return Merge(session, begun, select.after, reverse=select.reverse)
    if not begun:
        return OneLog(0, ("", ""), 1, 1, reverse=select.reverse)
    log, stream, writer, seq, _, place = begun[0]
    first = first_after(session, [(log, seq or 0, place or 0)], select.after)
    low = max(first.get(log, LARGEST), select.start)
    high = min(LARGEST if select.stop is None else select.stop, (seq or 0) + 1)
    return OneLog(log, (stream, writer), low, high, reverse=select.reverse)
