"""What became of a transaction: what was read inside it may be of entries that are gone."""

from agent_store.backends.common.shape import undone
from agent_store.errors import TransactionConflict


class Fate:
    """Of a transaction, or of a savepoint inside the one whose fate is `outer`."""

    def __init__(self, outer: "Fate | None" = None) -> None:
        self.outer = outer
        self.undone = False
        self.committed = False

    def is_undone(self) -> bool:
        """True where it, or what it is in, was rolled back."""
        return self.undone or (self.outer is not None and self.outer.is_undone())

    def is_open(self) -> bool:
        """True while nobody outside can see what was written."""
        if self.outer is not None:
            return self.outer.is_open()
        return not self.undone and not self.committed


class Began:
    """In which transaction a reading began, asked before each page."""

    def __init__(self) -> None:
        self._began = False
        self._fate: Fate | None = None

    def enter(self, fate: Fate | None) -> None:
        """`fate`: of the transaction that the next page is read in. TransactionConflict where it cannot be."""
        if not self._began:
            self._began, self._fate = True, fate
        elif self._fate is not None:
            if self._fate.is_undone():
                raise undone()
            if fate is None and self._fate.is_open():
                raise TransactionConflict(
                    "this iteration began in a transaction that is still open in another thread: only that one sees it"
                )
