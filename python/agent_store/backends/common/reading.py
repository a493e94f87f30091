"""Reading entries in pages: one log by seq, a few logs merged by position, or the whole store by position.

A reading goes up to what was newest when it began. Each page is a short read of its own.
"""

from agent_store._core import Entry
from agent_store.backends.common.erased import marked
from agent_store.backends.common.fate import Began
from agent_store.backends.common.heads import checked
from agent_store.backends.common.merge import Merge
from agent_store.backends.common.near import Near
from agent_store.backends.common.one_log import OneLog
from agent_store.backends.common.search import cut, first_after
from agent_store.backends.common.select import Place, Select, newest
from agent_store.backends.common.session import Beginning, Session
from agent_store.backends.common.whole import Whole

LARGEST = 2**63 - 1

Source = OneLog | Merge | Near | Whole


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
        if self._source is not None:
            return marked(session, self._source.page(session, limit))
        if self._select.known is None:
            # What is asked for first is where it ends, so that no state is needed that is the same for all after it.
            return self._first(session, limit)
        with session.snapshot():
            return self._first(session, limit)

    def _first(self, session: Session, limit: int) -> list[Entry]:
        beginning = session.begin(self._select, limit)
        last = newest(session, beginning.places, self._select.known)
        source = _begin(session, self._select, last[0], beginning)
        page = marked(session, source.page(session, limit))
        self._newest, self._source = last, source
        return page


def _begin(session: Session, select: Select, upto: int, beginning: Beginning) -> Source:
    if select.is_nothing or select.after >= upto:
        return OneLog(0, ("", ""), 1, 1, reverse=select.reverse)
    few = select.is_everything or select.is_one_log  # questions, where each position is not looked at
    if select.is_near(upto) and (beginning.near is not None or not few):
        return Near(select, upto, beginning.near)
    if select.is_everything:
        return Whole(select.after, upto, reverse=select.reverse)
    logs = checked(session.listed(select) if beginning.logs is None else beginning.logs)
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
