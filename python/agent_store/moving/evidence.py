"""What comes into a store beside its entries: erasures, checkpoints and whatever else was signed."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from agent_store.errors import EvidenceRefused, MalformedEvidence
from agent_store.evidence import heads
from agent_store.evidence.shelf import CHECKPOINT, COSIGNATURE, FORK, HEAD, ROTATION, WITNESSED, Shelf
from agent_store.moving.erasures import Erasures, since
from agent_store.moving.leaves import Leaves
from agent_store.moving.lines import Kept
from agent_store.moving.taking import Taking, check_own

if TYPE_CHECKING:
    from agent_store._core import Entry
    from agent_store.evidence.shelf import Erased
    from agent_store.moving.source import Source
    from agent_store.transaction import Binding

SIZED = CHECKPOINT, COSIGNATURE, ROTATION
"""Of the checkpoint whose size is their number. A cosignature comes after its checkpoint."""


class Evidence:
    """Into `target`, which has the entries up to `position`. `sealed`: the size of the newest checkpoint that comes."""

    def __init__(
        self,
        target: "Binding",
        sealed: int,
        position: int,
        *,
        record: "Callable[[Entry], str | None]",
        kept: Callable[[], Iterator[Kept]],
        later: "Iterable[Erased]",
        is_due: Callable[[], bool],
        refused: Callable[[Exception], Exception],
    ) -> None:
        """`record` gives that of an erased entry, `is_due` says whether `kept` has anything, once the entries came."""
        self._target = target
        self._sealed = sealed
        self._record = record
        self._kept = kept
        self._is_due = is_due
        self._refused = refused
        self._shelf = Shelf(target)
        self._erasures = Erasures(self._shelf, later)
        self._leaves = Leaves(self._shelf, sealed, position)
        self._done = False

    @property
    def is_due(self) -> bool:
        """True where something is still to come, once the entries came."""
        return not self._done and (self._erasures.came or self._is_due())

    def erased(self, entry: "Entry", tx: Any) -> None:
        """The next entry is one whose payload is erased: it is added here."""
        self._erasures.add(entry, self._record(entry), tx)

    def arrived(self, page: "list[Entry]", tx: Any) -> None:
        """These entries came."""
        self._leaves.add(page, tx)

    def write(self, tx: Any) -> None:
        """Before a commit."""
        self._leaves.write(tx)

    def take(self, tx: Any) -> None:
        """All entries are there, and this is the last transaction."""
        try:
            self._erasures.catch_up(tx)
            taking = Taking(self._shelf, self._sealed, tx)
            kept = self._kept()
            while (each := self._target.draw(lambda: next(kept, None))) is not None:
                taking.take(each)
            taking.end()
            self._erasures.check(self._sealed, self._shelf.origin(tx))
        except (EvidenceRefused, MalformedEvidence) as error:
            raise self._refused(error) from None
        self._done = True

    def settle(self) -> None:
        """After the last commit: what was erased in the target leaves no bytes behind."""
        if self._erasures.later and self._target.backend.commits:
            self._target.backend.scrub()


def of_store(source: "Source", target: "Binding", position: int) -> Evidence:
    """What a store has. TargetDiverged where the target has evidence of its own."""
    ours, theirs = source.shelf, Shelf(target)
    check_own(ours, theirs)

    def refused(error: Exception) -> Exception:
        error.add_note("this is in the source")
        return error

    return Evidence(
        target,
        source.sealed,
        position,
        record=source.record,
        kept=lambda: kept_of(source),
        later=since(ours, theirs, position),
        is_due=lambda: any(theirs.note(*each[:3]) != each.note for each in kept_of(source)),
        refused=refused,
    )


def kept_of(source: "Source") -> Iterator[Kept]:
    """What a store has signed, was given and has seen, as far as it is of the entries that are moved."""
    for kind in (CHECKPOINT, COSIGNATURE, FORK, HEAD, ROTATION, WITNESSED):
        for found in source.shelf.of_kind(kind):
            if kind in SIZED and found.number > source.sealed:
                continue
            if kind == HEAD and not _is_there(source, heads.stored(found)):
                continue
            if found.note is None:
                raise MalformedEvidence(kind, f"what is kept for {found.name!r:.100} at {found.number} is no text")
            yield Kept(kind, found.name, found.number, found.note)


def _is_there(source: "Source", head: "heads.SignedHead") -> bool:
    entry = source.entry(head.stream, head.writer, head.seq)
    return entry is None or entry.position <= source.position
