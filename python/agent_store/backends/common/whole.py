"""The whole store, read by position."""

from typing import Any

from agent_store._core import Entry
from agent_store.backends.common.session import Session
from agent_store.backends.common.shape import Name, check, malformed, missing, no_hash, undone
from agent_store.errors import MalformedRow

LOGS = 16_384  # whose name and last hash a reading remembers

Key = tuple[int, int]  # log, seq


class Whole:
    """Positions above `low` up to `high` are still to come."""

    def __init__(self, low: int, high: int, *, reverse: bool) -> None:
        self._low = low
        self._high = high
        self._reverse = reverse
        self._names: dict[int, Name] = {}
        self._last: dict[int, tuple[int, bytes]] = {}  # seq and hash of the entry of each log that was read last

    def page(self, session: Session, limit: int) -> list[Entry]:
        """At most `limit` entries more."""
        if self._low >= self._high:
            return []
        if len(self._names) > LOGS:
            self._names.clear()
        if session.may_forget or len(self._last) > LOGS:
            self._last.clear()
        statement = "store_reverse" if self._reverse else "store_forward"
        rows = session.page(statement, self._low, self._high, limit=limit)
        if not rows:
            self._low = self._high
            return []
        self._name(session, rows)
        for _, seq, content_hash, payload, log in rows:
            if not isinstance(seq, int):
                raise malformed(self._names[log], None, "seq is not an integer")
            check(self._names[log], seq, content_hash, payload)
        prevs = self._prevs(session, rows)
        page = []
        for position, seq, content_hash, payload, log in rows:
            page.append(Entry(*self._names[log], seq, prevs[log, seq], content_hash, payload, position))
            self._last[log] = seq, content_hash
        if self._reverse:
            self._high = rows[-1][0] - 1
        else:
            self._low = rows[-1][0]
        return page

    def _name(self, session: Session, rows: list[tuple[Any, ...]]) -> None:
        logs = {row[4]: row[0] for row in reversed(rows) if row[4] not in self._names}
        if not logs:
            return
        self._names.update(session.names([log for log in logs if isinstance(log, int)]))
        for log, position in logs.items():
            if log not in self._names:
                if session.may_forget and not session.page("store_forward", position - 1, position, limit=1):
                    raise undone()
                raise MalformedRow(
                    None,
                    None,
                    None,
                    f"the entry at position {position} is of log {log}, which is not there; verify the store",
                )

    def _prevs(self, session: Session, rows: list[tuple[Any, ...]]) -> dict[Key, bytes | None]:
        """The hash before each row: of the page, remembered, or looked up, all at once."""
        hashes: dict[Key, bytes] = {(log, seq): content_hash for _, seq, content_hash, _, log in rows}
        hashes.update({(log, seq): content_hash for log, (seq, content_hash) in self._last.items()})
        wanted = [(log, seq) for _, seq, _, _, log in rows if seq != 1]
        unknown = [(log, seq) for log, seq in wanted if (log, seq - 1) not in hashes]
        prevs: dict[Key, bytes | None] = {(log, seq): hashes.get((log, seq - 1)) for log, seq in wanted}
        if unknown:
            prevs.update(look_up(session, unknown, self._names))
        for _, seq, _, _, log in rows:
            prevs.setdefault((log, seq), None)
        return prevs


def look_up(session: Session, places: list[Key], names: dict[int, Name]) -> dict[Key, bytes]:
    """The hash that each of these entries links to; ChainBroken where it is not there."""
    found = {(log, seq): (before, content_hash) for log, seq, before, content_hash, _ in session.before(places)}
    hashes = {}
    for log, seq in places:
        before, content_hash = found.get((log, seq), (0, None))
        if before != seq - 1:
            raise missing(names[log], before + 1)
        if content_hash is None:
            raise no_hash(names[log], before)
        hashes[log, seq] = content_hash
    return hashes
