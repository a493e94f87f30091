"""The one way in: entries in commit order are appended to a store, and come out with the same hashes and positions.

A hash follows from the payload and the hash before, a position from the one before: what is appended to the same
beginning in the same order is the same. Every entry is compared before it is written, and every position after.
"""

from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from agent_store._core import Follower
from agent_store.errors import EvidenceRefused, MalformedEvidence, NonMonotonicGeneration, TargetDiverged

if TYPE_CHECKING:
    from agent_store._core import Entry, Head
    from agent_store.backends.backend import Backend
    from agent_store.moving.evidence import Evidence
    from agent_store.transaction import Binding

ENTRIES, SIZE = 16_384, 32 << 20
"""What is committed at once: so many entries, or bytes of payload."""
ROWS, PIECE = 2_048, 4 << 20
"""What is written at once: a server is then asked seldom enough."""


def arrive(
    target: "Binding",
    position: int,
    heads: "list[Head]",
    pages: "Iterator[list[Entry]]",
    generations: dict[str, int],
    fault: "Callable[[int, Entry, str], Exception]",
    evidence: "Evidence",
    *,
    whole: bool,
) -> None:
    """Append all entries and raise these generations, which are lower in the target; with `whole` in one transaction.

    `position` and `heads` are those of the target. `fault(number, entry, detail)` is the exception for an entry that
    does not follow, by its number in its page. The evidence comes last, and is on disk when it is committed.
    """
    page = target.draw(lambda: next(pages, None))
    arrival = _Arrival(target.backend, position, heads, fault, evidence)
    while page is not None or generations or evidence.is_due:
        # No context manager: an interrupt could fall between its lines, and the write lock would be kept.
        last = whole or page is None
        tx = arrival.tx = target.backend.begin(target.writing(), synced=last and target.backend.commits)
        try:
            arrival.set(generations)
            entries = size = 0
            while page is not None and (whole or (entries < ENTRIES and size < SIZE)):
                size += arrival.append(page)
                entries += len(page)
                page = None  # the next one takes its memory
                page = target.draw(lambda: next(pages, None))
            arrival.write()
            evidence.write(tx)
            if last:
                evidence.take(tx)
        except BaseException:
            target.backend.rollback(tx)
            raise
        target.backend.commit(tx)
        generations = {}
    evidence.settle()


class _Arrival:
    """What is written, and the transaction that it is written in."""

    def __init__(
        self,
        backend: "Backend[Any, Any]",
        position: int,
        heads: "list[Head]",
        fault: "Callable[[int, Entry, str], Exception]",
        evidence: "Evidence",
    ) -> None:
        self.tx: Any = None
        self._evidence = evidence
        self._backend = backend
        self._position = position
        self._follower = Follower(position, heads)
        self._fault = fault
        self._rows: list[tuple[str, str, bytes]] = []
        self._size = 0

    def append(self, page: "list[Entry]") -> int:
        """Compare, and append when enough has come; the bytes of payload."""
        rows, wrong = self._follower.rows(page, self._find)
        if wrong is not None:
            number, detail = wrong
            raise self._fault(number, page[number], detail)
        size = sum(map(len, map(itemgetter(2), rows)))
        if any(entry.erased for entry in page):
            self._append_erased(page, rows)
        else:
            self._rows += rows
        self._size += size
        if len(self._rows) >= ROWS or self._size >= PIECE:
            self.write()
        self._evidence.arrived(page, self.tx)
        return size

    def _append_erased(self, page: "list[Entry]", rows: list[tuple[str, str, bytes]]) -> None:
        """Of these some are: they are written as they are, each in its place."""
        for number, (entry, row) in enumerate(zip(page, rows, strict=True)):
            if not entry.erased:
                self._rows.append(row)
                continue
            self.write()
            try:
                self._evidence.erased(entry, self.tx)
            except (EvidenceRefused, MalformedEvidence) as error:
                raise self._fault(number, entry, str(error)) from None
            self._position += 1

    def write(self) -> None:
        """What has come."""
        if not self._rows:
            return
        rows, self._rows, self._size = self._rows, [], 0
        self._position += len(rows)
        reached = self._backend.append_rows(rows, self.tx)
        if reached != self._position:
            raise TargetDiverged(
                f"somebody else writes to the target: the newest entry stands at position {reached}, and at "
                f"{self._position} if nobody did. What had been committed before is there, and this is taken back"
            )

    def set(self, generations: dict[str, int]) -> None:
        """They never fall: what is higher than it was before is somebody else's doing."""
        for key, value in generations.items():
            try:
                self._backend.advance(key, "set", value, self.tx)
            except NonMonotonicGeneration as error:
                raise TargetDiverged(f"somebody else writes to the target: {error}") from None

    def _find(self, stream: str, writer: str, _seq: int) -> tuple[int, bytes] | None:
        self.write()
        newest = self._backend.read(self._backend.pages(stream, writer, reverse=True), 1, self.tx)
        return (newest[0].seq, newest[0].content_hash) if newest else None
