"""One write: what goes before it, what ends it, and what its failure means.

What comes first (BEGIN, the store's lock) travels with the first statements, and COMMIT with the last.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from psycopg.pq import TransactionStatus

from agent_store.backends.postgres import failures
from agent_store.backends.postgres.bell import Bell
from agent_store.backends.postgres.ledger import Ledger
from agent_store.backends.postgres.statements import COMMIT, ROLLBACK, Statement, Statements
from agent_store.backends.postgres.trouble import Trouble
from agent_store.backends.postgres.values import Call, Rows
from agent_store.backends.postgres.wire import Wire
from agent_store.errors import OutcomeUnknown, StoreError

BY_INDEX = Statement("SELECT pg_catalog.set_config('enable_seqscan', 'off', true)")
_NOT_PREPARED = {"26000", "42P05"}  # there is no such statement, or there is one already
LOCK = "the store's write lock, which another transaction has"


class Turn:
    """The right to write on one connection: from a first `run` to one with `last=True`, or to `undo`."""

    def __init__(
        self,
        wire: Wire,
        statements: Statements,
        oid: int,
        *,
        before: Sequence[Call] = (),
        commits: bool = False,
        ledger: Ledger | None = None,
        isolated: bool = False,
        unprepared: Callable[[], None] | None = None,
        bell: Bell | None = None,
    ) -> None:
        self.wire = wire
        self.statements = statements
        self.ledger = Ledger() if ledger is None else ledger
        self._oid = oid
        self._before = list(before)  # the last of these takes the lock
        self._begins = bool(before) and before[0][0].text.startswith(b"BEGIN")
        self._commits = commits
        self._isolated = isolated
        self._unprepared = unprepared
        self._bell = bell  # told of each commit that wrote something, and whether anybody listens
        self._heard = False

    def call(self, name: str, *params: object) -> Call:
        """A statement by its name."""
        return self.statements[name], params

    def rung_along(self, log: int, seq: int, content_hash: bytes) -> list[Call]:
        """What rings for one entry, in a transaction behind its own; nothing, where nobody is known to listen."""
        bell = self._bell
        if bell is None or not (self.wire.prepares and self.wire.pipelines and bell.goes_along()):
            return []
        return [(BY_INDEX, ()), self.call("ring_after", bell.channel, log, seq, content_hash)]

    def run(self, *calls: Call, last: bool = False, alone: bool = False, later: Sequence[Call] = ()) -> list[Rows]:
        """The rows of these statements; with `last`, the transaction ends where it is one of its own.

        `alone`: they are all of it, and see to it themselves that it is READ COMMITTED; `later` goes along with such.
        """
        before, self._before = self._before, []
        ends = last and self._commits
        after: list[Call] = [(COMMIT, ())] if ends else []
        if not (before or calls or after):
            return []
        if alone and ends and self._begins and self.wire.pipelines and self._unprepared is not None:
            # What goes in one pipeline is one transaction to the server anyway.
            before, after = before[1:], []
        began = time.monotonic()
        try:
            rows = self._first([*before, *calls, *after], later) if before else self.wire.run(*calls, *after)
        except Trouble as trouble:
            commit_at = len(before) + len(calls) if ends else None
            waits_for_lock = bool(before) and trouble.done == len(before) - 1
            raise self._error(trouble, commit_at, time.monotonic() - began if waits_for_lock else None) from None
        if before and rows[len(before) - 1][0][-1] != self._oid:
            if ends:
                self._begins = False  # it is over; the statement itself has seen to it that nothing was written
            raise failures.replaced(self.statements.schema)
        if before and self._bell is not None:
            self._heard = rows[len(before) - 1][0][-2]
        if ends:
            self._begins = False
            if not alone or rows[-1]:
                self._committed(rung=bool(later))
        return rows[len(before) : len(before) + len(calls)]

    def _first(self, calls: list[Call], later: Sequence[Call]) -> list[Rows]:
        """Only what travels with BEGIN is prepared."""
        if not self._begins:
            return self.wire.run(*calls)
        return run_prepared(self.wire, calls, self._unprepared, later)

    def copy(self, statement: Statement, blocks: Iterable[bytes], *, last: bool) -> int:
        """Entries by COPY, and how many the server has taken; with `last` as `run` has it."""
        commits = last and self._commits
        try:
            written = self.wire.copy_in(statement, blocks, commit=commits)
        except Trouble as trouble:
            raise self._error(trouble, 1 if commits else None, None) from None
        if commits:
            self._begins = False
            self._committed()
        return written

    def _committed(self, *, rung: bool = False) -> None:
        if self._bell is not None and (self.ledger.count or self.ledger.other):
            self._bell.ring(heard=self._heard, rung=rung)

    def _error(self, trouble: Trouble, commit_at: int | None, waited: float | None) -> Exception:
        if commit_at is not None and trouble.may_have_done(commit_at):
            detail = f"the connection to the server was lost at the commit ({trouble.words})"
            return OutcomeUnknown(detail, self.ledger.written(), self.ledger.count)
        if waited is not None:
            busy = failures.busy(trouble, LOCK, waited, lent=self._isolated)
            if busy is not None:
                return busy
        if trouble.state == "22003":
            return OverflowError("the store has reached position 2^63 - 1")
        return failures.error(trouble, self.statements.schema, "the write failed", isolated=self._isolated)

    def undo(self) -> None:
        """Take back what was begun here and not ended; never raises."""
        self._before = []
        if self._begins and not self.wire.lost:
            self._begins = False
            roll_back(self.wire)


def run_prepared(
    wire: Wire, calls: list[Call], unprepared: Callable[[], None] | None, later: Sequence[Call] = ()
) -> list[Rows]:
    """Prepared by the server, which is most of what a call costs there: a transaction, from its BEGIN on.

    Where a pooler has put another session behind the connection, that is refused before anything is done: `unprepared`
    is told, and it is repeated without.
    """
    if not wire.prepares:
        return wire.run(*calls, later=later)
    try:
        return wire.run(*calls, prepared=True, later=later)
    except Trouble as trouble:
        if trouble.state not in _NOT_PREPARED or unprepared is None:
            raise
    unprepared()
    wire.prepares = False
    roll_back(wire)
    return wire.run(*calls, later=later)


def roll_back(wire: Wire, *calls: Call) -> None:
    """End a transaction, or go back to a savepoint; never raises, and a connection that is gone has done it."""
    todo: Any = calls or ((ROLLBACK, ()),)
    try:
        if wire.status in {TransactionStatus.INTRANS, TransactionStatus.INERROR}:
            wire.run(*todo)
    except (Trouble, StoreError):
        pass  # A savepoint that is gone; the transaction has failed then, and whoever began it ends it.
