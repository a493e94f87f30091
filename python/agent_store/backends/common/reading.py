"""Reading entries in pages: one log by seq, a few logs merged by position, or the whole store by position.

A reading goes up to what was newest when it began. Each page is a short read of its own.
"""

from contextlib import nullcontext

from agent_store._core import Entry
from agent_store.backends.common.fate import Began
from agent_store.backends.common.heads import listed
from agent_store.backends.common.merge import Merge
from agent_store.backends.common.one_log import OneLog
from agent_store.backends.common.search import cut, first_after
from agent_store.backends.common.select import Place, Select, newest
from agent_store.backends.common.session import Session
from agent_store.backends.common.whole import Whole

LARGEST = 2**63 - 1

Source = OneLog | Merge | Whole


class Reading(Began):
    """A reading under way; `enter` comes before each page."""

    def __init__(self, select: Select) -> None:
        super().__init__()
        self._select = select
        self._source: Source | None = None
        self._newest: Place | None = None

    @property
    def newest(self) -> Place | None:
        """What was newest in the store when it began, and where it ends; None before."""
        return self._newest

    def next(self, session: Session, limit: int) -> list[Entry]:
        """At most `limit` entries more; none when the reading is over."""
        if self._source is None:
            # What is asked for first is where it ends, so no state is needed that is the same for all that comes after,
            # unless what was seen before must be there all the while.
            with nullcontext() if self._select.known is None else session.snapshot():
                last = newest(session, self._select.known)
                self._source = _begin(session, self._select, last[0])
                self._newest = last
        return self._source.page(session, limit)


def _begin(session: Session, select: Select, upto: int) -> Source:
    if select.is_everything:
        return Whole(select.after, upto, reverse=select.reverse)
    if select.is_nothing or select.after >= upto:
        return OneLog(0, ("", ""), 1, 1, reverse=select.reverse)
    logs = listed(session, select.streams, select.writer, select.exclude_writer)
    begun = cut(session, logs, upto)
    if len(logs) != 1:
        return Merge(session, begun, select.after, reverse=select.reverse)
    if not begun:
        return OneLog(0, ("", ""), 1, 1, reverse=select.reverse)
    log, stream, writer, seq, _, place = begun[0]
    first = first_after(session, [(log, seq or 0, place or 0)], select.after)
    low = max(first.get(log, LARGEST), select.start)
    high = min(LARGEST if select.stop is None else select.stop, (seq or 0) + 1)
    return OneLog(log, (stream, writer), low, high, reverse=select.reverse)
