"""One log, read by seq."""

from agent_store._core import Entry
from agent_store.backends.common.session import Session
from agent_store.backends.common.shape import Name, check, is_hash, missing, no_hash, undone


class OneLog:
    """A log of which the entries from `low` to below `high` are still to come."""

    def __init__(self, log: int, name: Name, low: int, high: int, *, reverse: bool) -> None:
        self._log = log
        self._name = name
        self._low = low
        self._high = high
        self._reverse = reverse
        self._prev: bytes | None = None  # the hash that entry `low` links to, once it is known
        self._link: bytes | None = None  # read backwards: the hash that entry `high - 1` must have

    def page(self, session: Session, limit: int) -> list[Entry]:
        """At most `limit` entries more."""
        if self._low >= self._high:
            return []
        return self._backward(session, limit) if self._reverse else self._forward(session, limit)

    def _forward(self, session: Session, limit: int) -> list[Entry]:
        log, low = self._log, self._low
        end = min(low + limit, self._high)
        begin = low
        if low > 1 and (self._prev is None or session.may_forget):
            begin = low - 1  # Its hash is what the first links to.
        rows = session.entries([(log, begin, end)], reverse=False)
        if begin < low:
            if not rows or rows[0][2] != begin:
                if session.may_forget and not session.from_seq([(log, begin)]):
                    raise undone()
                raise _before_is_missing(session, log, self._name, low)
            found = rows[0][3]
            if not is_hash(found):
                raise no_hash(self._name, begin)
            if self._prev is not None and found != self._prev:
                raise undone()
            self._prev = found
            del rows[0]
            if not rows:  # It has a page of payload by itself, or what was there is gone.
                rows = session.entries([(log, low, end)], reverse=False)
        page = []
        for position, _, seq, content_hash, payload in rows:
            if seq != self._low:
                raise self._gone(session, self._low)
            check(self._name, seq, content_hash, payload)
            page.append(Entry(*self._name, seq, self._prev, content_hash, payload, position))
            self._prev = content_hash
            self._low += 1
        if not page:
            raise self._gone(session, self._low)
        return page

    def _backward(self, session: Session, limit: int) -> list[Entry]:
        log, high = self._log, self._high
        begin = max(high - limit, self._low)
        # One more, where there is one: its hash is what the last links to.
        rows = session.entries([(log, max(begin - 1, 1), high)], reverse=True)
        page = []
        for at, (position, _, seq, content_hash, payload) in enumerate(rows):
            if self._high <= begin:
                break
            if seq != self._high - 1:
                raise self._gone(session, self._high - 1)
            check(self._name, seq, content_hash, payload)
            if self._link is not None and content_hash != self._link:
                raise undone()
            self._link = None
            if seq > 1:
                below = rows[at + 1] if at + 1 < len(rows) else None
                self._link = below[3] if below and below[2] == seq - 1 else prev_hash(session, log, self._name, seq)
                if not is_hash(self._link):
                    raise no_hash(self._name, seq - 1)
            page.append(Entry(*self._name, seq, self._link, content_hash, payload, position))
            self._high -= 1
        if not page:
            raise self._gone(session, self._high - 1)
        return page

    def _gone(self, session: Session, seq: int) -> Exception:
        """Entry `seq` was there when the reading began, or a later one was."""
        if session.may_forget and not session.from_seq([(self._log, seq)]):
            return undone()
        return missing(self._name, seq)


def prev_hash(session: Session, log: int, name: Name, seq: int) -> bytes | None:
    """The hash that entry `seq` of a log links to; None for the first."""
    if seq == 1:
        return None
    for _, _, found, content_hash, _ in session.before([(log, seq)]):
        if found == seq - 1:
            if content_hash is None:
                raise no_hash(name, found)
            return content_hash
    raise _before_is_missing(session, log, name, seq)


def _before_is_missing(session: Session, log: int, name: Name, seq: int) -> Exception:
    found = session.before([(log, seq)])
    return missing(name, found[0][2] + 1 if found else 1)
