"""Erased entries on their way into a store: each comes with the signed record of its erasure, or not at all."""

from typing import TYPE_CHECKING, Any

from agent_store.errors import EvidenceRefused, TargetDiverged
from agent_store.evidence import erasure
from agent_store.evidence.facts import facts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agent_store._core import Entry
    from agent_store.evidence.shelf import Erased, Shelf

_WHAT = "record of an erasure"


def check_record(entry: "Entry", note: str | None) -> erasure.Record:
    """The record, if it is one of this very entry; MalformedEvidence, EvidenceRefused if not."""
    record = erasure.parse(note or "")
    facts = facts_of(entry)
    if (record.position, record.payload_len, record.leaf_hash) != (
        facts.position,
        facts.payload_len,
        facts.leaf_hash(),
    ):
        raise EvidenceRefused(_WHAT, "it is of another entry, or says that its payload had another length")
    return record


class Erasures:
    """What was erased of what comes."""

    def __init__(self, shelf: "Shelf", later: "Iterable[Erased]") -> None:
        """`later`: of entries that the target has with their payloads."""
        self._shelf = shelf
        self.later = list(later)
        self._origins: set[str] = set()
        self._newest = max((each.position for each in self.later), default=0)

    @property
    def came(self) -> bool:
        """True where there is anything to `check`."""
        return bool(self._origins or self.later)

    def add(self, entry: "Entry", note: str | None, tx: Any) -> None:
        """The next entry of the store, with its record."""
        record = check_record(entry, note)
        backend = self._shelf.backend
        if entry.seq == 1:
            backend.change("add_log", entry.stream, entry.writer, tx=tx)
        backend.change("add_erased", entry.position, entry.stream, entry.writer, entry.seq, entry.content_hash, tx=tx)
        self._shelf.add_erasure(entry.position, entry.payload_len, note or "", tx)
        self._origins.add(record.origin)
        self._newest = max(self._newest, entry.position)

    def catch_up(self, tx: Any) -> None:
        """Erase what was erased in the source since it came."""
        for position, payload_len, note in self.later:
            self._origins.add(erasure.parse(note or "").origin)
            self._shelf.add_erasure(position, payload_len, note or "", tx)
            if self._shelf.backend.change("erase", position, tx=tx) != 1:
                raise EvidenceRefused(_WHAT, f"it is of position {position}, where the target has no entry")

    def check(self, sealed: int, origin: str | None) -> None:
        """EvidenceRefused where something was erased that no checkpoint covers, or that is of another origin."""
        if self._newest > sealed:
            raise EvidenceRefused(
                _WHAT, f"position {self._newest} is erased, and {sealed} are sealed: only these can be"
            )
        if strange := self._origins - {origin}:
            raise EvidenceRefused(_WHAT, f"it is of {min(strange)!r:.100}, and the checkpoints are of {origin!r:.100}")


def since(source: "Shelf", target: "Shelf", position: int) -> "Iterator[Erased]":
    """What is erased in the source and not yet in the target, which has the entries up to `position`.

    TargetDiverged where it is the other way round: an erased payload does not come back.
    """
    for each in target.erasures():
        if source.erasure(each.position) is None:
            raise TargetDiverged(f"the target has erased position {each.position}, whose payload the source has")
    for each in source.erasures():
        if each.position > position:
            return
        if target.erasure(each.position) is None:
            yield each
