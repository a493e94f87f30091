"""A transaction of the store's, or a savepoint in one."""

import os
from collections.abc import Callable

from psycopg.pq import TransactionStatus

from agent_store.backends.common.fate import Fate
from agent_store.backends.common.shape import part_of_another
from agent_store.backends.postgres.statements import Statement
from agent_store.backends.postgres.turn import Turn, roll_back
from agent_store.backends.postgres.wire import Wire
from agent_store.errors import TransactionConflict

OVER = (
    "the transaction of this block was ended inside it, by a COMMIT or ROLLBACK on the connection: what came before a "
    "COMMIT is kept, and nothing else is"
)
UNDONE = "an error inside this transaction has undone it: leave the block, and run the whole of it again"


class Transaction:
    """`whole` began it and can end it; None: a savepoint, in `outer` or in a transaction that the caller began."""

    def __init__(
        self,
        wire: Wire,
        turn: Turn,
        whole: Turn | None,
        *,
        outer: "Transaction | None" = None,
        release: Callable[[Wire], None] | None = None,
    ) -> None:
        self.wire = wire
        self.turn = turn
        self.fate: Fate = Fate(outer.fate if outer is not None else None)
        self._whole = whole
        self._release = release
        self._pid = os.getpid()
        self._saved = turn.ledger.save()
        self.depth: int = 0 if outer is None else outer.depth + 1
        self._name = f"_agent_store_{self.depth}"
        self._ended = False  # Last: what is made only in part is for its maker to end.

    def save(self) -> None:
        """Set the savepoint."""
        self.turn.run((Statement(f"SAVEPOINT {self._name}"), ()))

    def check(self) -> None:
        """TransactionConflict where it is over, by its own end or by what somebody ran on the connection."""
        if self._ended:
            raise TransactionConflict("this transaction is over")
        if self.wire.status == TransactionStatus.IDLE:
            raise TransactionConflict(OVER)

    def commit(self) -> None:
        """Durable on return where it is the whole; TransactionConflict where an error has undone it."""
        if self._ended:
            raise TransactionConflict("the transaction has ended already")
        if self.wire.status != TransactionStatus.INTRANS and not self.wire.lost:
            why = OVER if self.wire.status == TransactionStatus.IDLE else UNDONE
            self.rollback()
            raise TransactionConflict(why)
        try:
            if self._whole is not None:
                self._whole.run(last=True)
            else:
                self.turn.run((Statement(f"RELEASE SAVEPOINT {self._name}"), ()))
        except BaseException:
            self.rollback()
            raise
        self.fate.committed = True
        self._end()

    def rollback(self) -> None:
        """Never raises."""
        if self._ended:
            return
        self.fate.undone = True
        if self._whole is not None:
            self._whole.undo()
        else:
            back = Statement(f"ROLLBACK TO SAVEPOINT {self._name}")
            roll_back(self.wire, (back, ()), (Statement(f"RELEASE SAVEPOINT {self._name}"), ()))
        self.turn.ledger.restore(self._saved)
        self._end()

    def _end(self) -> None:
        self._ended = True
        if self._release is not None:
            self._release(self.wire)

    def __del__(self) -> None:
        # Lost without an end: an interrupt fell between its beginning and the block.
        if not getattr(self, "_ended", True) and self._release is not None and self._pid == os.getpid():
            self.rollback()


def within(outer: Transaction, *, synced: bool) -> Transaction:
    """A savepoint, which is as durable as what it is part of."""
    if synced:
        raise part_of_another()
    inner = Transaction(outer.wire, outer.turn, None, outer=outer)
    inner.save()
    return inner
