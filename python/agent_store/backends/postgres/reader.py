"""Reading: the Session of the part that all backends in Python share."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from psycopg.pq import TransactionStatus

from agent_store.backends.common.select import NEAR, Select
from agent_store.backends.common.session import Before, Beginning, Found, Range, Row
from agent_store.backends.common.shape import is_hash
from agent_store.backends.postgres import failures
from agent_store.backends.postgres.statements import BEGIN_QUERY, BEGIN_READING, COMMIT, Statement, Statements
from agent_store.backends.postgres.trouble import Trouble
from agent_store.backends.postgres.turn import roll_back, run_prepared
from agent_store.backends.postgres.values import Call, Rows
from agent_store.backends.postgres.wire import Wire
from agent_store.errors import TransactionConflict

SAVE = Statement("SAVEPOINT _agent_store_query")
READ_ONLY = Statement("SET LOCAL transaction_read_only = on")
BACK = Statement("ROLLBACK TO SAVEPOINT _agent_store_query")
RELEASE = Statement("RELEASE SAVEPOINT _agent_store_query")
IDLE = TransactionStatus.IDLE
LARGEST = 2**63 - 1


class Reader:
    """On a connection that one call has. With its first statement travels the question whose store this is."""

    def __init__(
        self,
        wire: Wire,
        statements: Statements,
        oid: int,
        *,
        may_forget: bool,
        joins: bool,
        shared: bool = False,
        unprepared: Callable[[], None] | None = None,
    ) -> None:
        self.wire = wire
        self._statements = statements
        self.schema = statements.schema
        self._oid = oid
        self._may_forget = may_forget
        self._joins = joins
        # The same connection is used by what the caller does in `progress`.
        self.shared = shared or joins
        self._unprepared = unprepared
        self._asked = False
        self._before: list[Call] = []

    @property
    def may_forget(self) -> bool:
        """A transaction of the caller's may be rolled back between two pages."""
        return self._may_forget

    def run(self, *calls: Call, prepared: bool = False) -> list[Rows]:
        """The rows of each, in one round trip; `prepared` is for a whole transaction."""
        before = self._before
        self._before = []
        if not self._asked:
            # A plan is kept from when the table was small, and would then read all of it.
            before = [*before, (self._statements["table_by_index" if prepared else "table"], ())]
        try:
            if prepared and self.wire.pipelines:
                rows = run_prepared(self.wire, [*before, *calls], self._unprepared)
            else:
                rows = self.wire.run(*before, *calls)
        except Trouble as trouble:
            raise failures.error(trouble, self._statements.schema, failures.READ, isolated=self._joins) from None
        if not self._asked:
            self._asked = True
            if rows[len(before) - 1][0][-1] != self._oid:
                raise failures.replaced(self._statements.schema)
        return rows[len(before) :]

    def fetch(self, statement: str, *params: object) -> list[tuple[Any, ...]]:
        """All rows; of a name that no text of the server's can be there are none."""
        if any(isinstance(param, str) and "\0" in param for param in params):
            return []
        return self.run((self._statements[statement], params))[0]

    def shown(self) -> str:
        """The schema."""
        return f"the store in schema {self.schema!r}"

    def begin(self, select: Select, limit: int) -> Beginning:
        """All that can be of use, in one round trip."""
        places = self._statements["newest"], (None if select.known is None else select.known[0],)
        if select.is_near(0):
            high = min(select.after + NEAR, LARGEST)
            near_call = self._near(select, select.after, high, limit, upto=high)
            alone = bool(self._before)  # of a snapshot that nothing was asked in yet
            if alone:
                # Who follows a store asks this again and again: one statement, which is of one state anyway.
                self._before = []
                follow = self._statements["follow_reverse" if select.reverse else "follow_forward"]
                (rows,) = self.run((follow, (*places[1], *near_call[1])), prepared=True)
                found = [(row[1], row[4]) for row in rows if not row[0]]
                near = [row[1:] for row in rows if row[0]]
            else:
                found, near = self.run(places, near_call)
            if all(position <= high for position, _ in found):
                return Beginning(found, near=near)
            if alone:
                self._before = [(BEGIN_READING, ())]
        call = None if select.is_everything else self._listed(select)
        found, *logs = self.run(places, *([] if call is None else [call]))
        return Beginning(found, *logs)

    def listed(self, select: Select) -> list[tuple[Any, ...]]:
        """In one statement."""
        call = self._listed(select)
        return [] if call is None else self.run(call)[0]

    def _listed(self, select: Select) -> Call | None:
        """None where nothing that the server can hold is selected."""
        streams, writer, excluded = _there(select)
        if streams is None:
            if writer is not None:
                return self._statements["heads_of_writer"], (writer,)
            return self._statements["heads"], (excluded,)
        if len(streams) != 1:
            return (self._statements["heads_of_streams"], (streams, writer, excluded)) if streams else None
        if writer is not None:
            return self._statements["heads_of_log"], (*streams, writer)
        return self._statements["heads_of_stream"], (*streams, excluded)

    def near(self, select: Select, low: int, high: int, limit: int) -> list[Found]:
        """In one statement."""
        return self.run(self._near(select, low, high, limit))[0]

    def _near(self, select: Select, low: int, high: int, limit: int, upto: int = LARGEST) -> Call:
        """`upto`: nothing, where the newest position is above it."""
        statement = self._statements["near_reverse" if select.reverse else "near_forward"]
        return statement, (low, high, upto, *_there(select), limit)

    def page(self, statement: str, *params: object, limit: int) -> list[tuple[Any, ...]]:
        """The first rows, bounded by the server."""
        return self.fetch(statement, *params, limit)

    def entries(self, ranges: Sequence[Range], *, reverse: bool) -> list[Row]:
        """What is there of these ranges."""
        if not ranges:
            return []
        logs, first, before = (list(column) for column in zip(*ranges, strict=True))
        return self.fetch("ranges_reverse" if reverse else "ranges_forward", logs, first, before)

    def before(self, places: Sequence[tuple[int, int]]) -> list[Before]:
        """For each (log, seq) the entry of that log with the greatest seq below."""
        if not places:
            return []
        logs, seqs = (list(column) for column in zip(*places, strict=True))
        return [
            (log, seq, found, content_hash if is_hash(content_hash) else None, position)
            for log, seq, found, content_hash, position in self.fetch("before", logs, seqs)
        ]

    def from_seq(self, places: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
        """For each (log, seq) the entry of that log with the smallest seq from there on."""
        if not places:
            return []
        logs, seqs = (list(column) for column in zip(*places, strict=True))
        return self.fetch("from_seq", logs, seqs)

    def names(self, logs: Sequence[int]) -> dict[int, tuple[str, str]]:
        """Stream and writer of those of these logs that are listed."""
        if not logs:
            return {}
        return {log: (stream, writer) for log, stream, writer in self.fetch("names", list(logs))}

    def erased(self, positions: Sequence[int]) -> dict[int, Any]:
        """Those of these positions where the payload was erased, and how many bytes it had."""
        return dict(self.fetch("erased", list(positions)))

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """One state for several statements. On a connection of the caller's each has its own: what he does meanwhile on
        the same one must not get into a transaction of ours, and entries stay as they are anyway.
        """
        if self.shared:
            yield
            return
        self._before = [(BEGIN_READING, ())]
        try:
            yield
            if not self._before and self.wire.status != IDLE:
                self.run((COMMIT, ()))
        finally:
            self._before = []
            roll_back(self.wire)

    @contextlib.contextmanager
    def read_only(self, *, within: bool) -> Iterator[None]:
        """A transaction in which SQL of the caller's cannot write; in one that is open, `within` says so for a part."""
        if self._joins and not within:
            yield
            return
        if self._joins:
            self.run((SAVE, ()), (READ_ONLY, ()))
        else:
            self._before = [(BEGIN_QUERY, ())]  # First of all: after a statement it could not choose its isolation.
            self.run()
        back = [(BACK, ()), (RELEASE, ())] if self._joins else []
        try:
            yield
        except BaseException:
            roll_back(self.wire, *back)
            raise
        if self._joins:
            roll_back(self.wire, *back)
        else:
            self.run((COMMIT, ()))  # There is what a reading statement does: it notifies.

    def copy(self, statement: Statement) -> Iterator[list[bytes]]:
        """The pieces that a COPY gives."""
        if self._before:
            self.run()
        try:
            yield from self.wire.copy_out(statement)
        except Trouble as trouble:
            raise failures.error(trouble, self._statements.schema, failures.READ, isolated=self._joins) from None

    def begin_anew(self) -> None:
        """A new snapshot, after an error has ended this one; what is in entries was there before."""
        if self._joins:
            raise TransactionConflict("the error has ended the transaction of this connection: roll it back")
        if not self.shared:
            roll_back(self.wire)
            self._before = [(BEGIN_READING, ())]


def _there(select: Select) -> tuple[list[str] | None, str | None, str | None]:
    """Streams, writer and the writer that is excluded, without the names that no text of the server's can be."""
    streams = None if select.streams is None else [stream for stream in select.streams if "\0" not in stream]
    if select.writer is not None and "\0" in select.writer:
        return [], None, None
    excluded = select.exclude_writer
    return streams, select.writer, None if excluded is None or "\0" in excluded else excluded
