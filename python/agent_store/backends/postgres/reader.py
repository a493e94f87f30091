"""Reading: the Session of the part that all backends in Python share."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from agent_store.backends.common.session import Before, Range, Row
from agent_store.backends.common.shape import is_hash
from agent_store.backends.postgres import failures
from agent_store.backends.postgres.statements import BEGIN_QUERY, BEGIN_READING, COMMIT, Statement, Statements
from agent_store.backends.postgres.trouble import Trouble
from agent_store.backends.postgres.turn import roll_back
from agent_store.backends.postgres.values import Rows
from agent_store.backends.postgres.wire import Call, Wire
from agent_store.errors import TransactionConflict

SAVE = Statement("SAVEPOINT _agent_store_query")
READ_ONLY = Statement("SET LOCAL transaction_read_only = on")
BACK = Statement("ROLLBACK TO SAVEPOINT _agent_store_query")
RELEASE = Statement("RELEASE SAVEPOINT _agent_store_query")


class Reader:
    """On a connection that one call has. With its first statement travels the question whose store this is."""

    def __init__(
        self, wire: Wire, statements: Statements, oid: int, *, may_forget: bool, joins: bool, shared: bool = False
    ) -> None:
        self.wire = wire
        self._statements = statements
        self.schema = statements.schema
        self._oid = oid
        self._may_forget = may_forget
        self._joins = joins
        # The same connection is used by what the caller does in `progress`.
        self.shared = shared or joins
        self._asked = False
        self._before: list[Call] = []

    @property
    def may_forget(self) -> bool:
        """A transaction of the caller's may be rolled back between two pages."""
        return self._may_forget

    def run(self, *calls: Call) -> list[Rows]:
        """The rows of each, in one round trip."""
        before = self._before
        self._before = []
        if not self._asked:
            before = [*before, (self._statements["table"], ())]
        try:
            rows = self.wire.run(*before, *calls)
        except Trouble as trouble:
            raise failures.error(trouble, self._statements.schema, failures.READ, isolated=self._joins) from None
        if not self._asked:
            self._asked = True
            if rows[len(before) - 1][0][0] != self._oid:
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

    def newest(self, known: int | None) -> list[tuple[int, Any]]:
        """In one statement."""
        return self.fetch("newest", known)

    def listed(self, streams: Sequence[str] | None, writer: str | None, excluded: str | None) -> list[tuple[Any, ...]]:
        """In one statement."""
        if excluded is not None and "\0" in excluded:
            excluded = None  # No text of the server's can be that.
        if streams is None:
            return self.fetch("heads", excluded) if writer is None else self.fetch("heads_of_writer", writer)
        if len(streams) != 1:
            there = [stream for stream in streams if "\0" not in stream]
            return self.fetch("heads_of_streams", there, writer, excluded) if there else []
        if writer is None:
            return self.fetch("heads_of_stream", *streams, excluded)
        return self.fetch("heads_of_log", *streams, writer)

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
            if not self._before:
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
