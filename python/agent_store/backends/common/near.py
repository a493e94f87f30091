"""A few positions looked at one by one, for those of selected logs: what is paid for is what came since, however many
logs are selected.
"""

from agent_store._core import Entry
from agent_store.backends.common.select import Select
from agent_store.backends.common.session import PAGE_BYTES, Found, Session
from agent_store.backends.common.shape import Name, check, is_hash, malformed, missing, no_hash
from agent_store.errors import MalformedRow


class Near:
    """Positions above `select.after` up to `high` are still to come. `first`: the rows of the first page, if there."""

    def __init__(self, select: Select, high: int, first: list[Found] | None) -> None:
        self._select = select
        self._low = select.after
        self._high = high
        self._first = first

    def page(self, session: Session, limit: int) -> list[Entry]:
        """At most `limit` entries more."""
        while self._low < self._high:
            rows, self._first = self._first, None
            if rows is None:
                rows = session.near(self._select, self._low, self._high, limit)
            page = [self._entry(row) for row in rows if row[0] <= self._high and self._has(row)]
            if len(rows) < limit and sum(len(row[4] or b"") for row in rows) < PAGE_BYTES:
                self._low = self._high
            elif self._select.reverse:
                self._high = rows[-1][0] - 1
            else:
                self._low = rows[-1][0]
            if page:
                return page
        return []

    def _has(self, row: Found) -> bool:
        position, log, _, _, _, listed, stream, writer, _, _ = row
        if listed is not None:
            return self._select.has(stream, writer)
        if self._select.is_everything:
            raise MalformedRow(
                None,
                None,
                None,
                f"the entry at position {position} is of log {log}, which is not there; verify the store",
            )
        return False

    def _entry(self, row: Found) -> Entry:
        position, log, seq, content_hash, payload, _, stream, writer, before, prev = row
        if stream is None or writer is None:
            raise malformed(("", ""), None, f"stream or writer of log {log} is not text")
        name: Name = (stream, writer)
        if not isinstance(seq, int):
            raise malformed(name, None, "seq is not an integer")
        check(name, seq, content_hash, payload)
        if seq == 1:
            prev = None
        elif before != seq - 1:
            raise missing(name, (before or 0) + 1)
        elif not is_hash(prev):
            raise no_hash(name, before)
        return Entry(*name, seq, prev, content_hash, payload, position)
