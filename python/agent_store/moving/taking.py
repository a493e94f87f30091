"""Signed texts on their way into a store: each must be what it is kept as, and be of what the store holds.

No key is at hand: who has signed them is for `verify(keys=…)` to tell, as it is of those that were there before.
"""

from typing import TYPE_CHECKING, Any

from agent_store.errors import EvidenceRefused, TargetDiverged
from agent_store.evidence import cosignature, heads, rotation
from agent_store.evidence.checkpoint import Checkpoint
from agent_store.evidence.keys import TIME
from agent_store.evidence.shelf import CHECKPOINT, COSIGNATURE, FORK, HEAD, ROTATION, WITNESSED, Noted, cosigned
from agent_store.evidence.tree import root_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent_store._core import Entry
    from agent_store.evidence.note import Signature
    from agent_store.evidence.shelf import Shelf
    from agent_store.moving.lines import Kept

OWN = CHECKPOINT, ROTATION
"""Of which a target has none that are not in the source: of two copies only one may seal."""


def called(kind: str, name: str, number: int) -> str:
    """One of them in a message."""
    return f"the {kind} of {name.partition(chr(10))[0]!r:.100} at {number}"


class Taking:
    """Into `shelf`, whose entries are all there, in one transaction. `sealed`: the size of the newest checkpoint."""

    def __init__(self, shelf: "Shelf", sealed: int, tx: Any) -> None:
        self._shelf = shelf
        self._sealed = sealed
        self._tx = tx
        self._missing = {(kind, *found[:2]) for kind in OWN for found in _all(shelf, kind, tx)}

    def take(self, kept: "Kept") -> None:
        """Keep it; MalformedEvidence, EvidenceRefused, and TargetDiverged where another is in its place."""
        kind, name, number, text = kept
        present = self._shelf.note(kind, name, number, self._tx)
        if present == text:
            self._missing.discard((kind, name, number))
            return
        self._check(kept)
        if present is None:
            self._shelf.add_note(kind, name, number, text, self._tx)
        elif kind != COSIGNATURE:
            raise TargetDiverged(f"{called(kind, name, number)} is another one in the target")
        elif _time(text) > _time(present):
            self._shelf.renew_note(kind, name, number, text, self._tx)

    def _check(self, kept: "Kept") -> None:
        kind, found = kept.kind, Noted(*kept[1:])
        if kind == CHECKPOINT:
            self._check_checkpoint(found)
        elif kind == COSIGNATURE:
            self._check_cosignature(found)
        elif kind == ROTATION:
            rotation.stored(found)
        elif kind == HEAD:
            head = heads.stored(found)
            wrong = heads.difference(head, self._entry(head.stream, head.writer, head.seq))
            if wrong is not None:
                raise EvidenceRefused("head", wrong)
        elif kind in {WITNESSED, FORK}:
            _checkpoint(found)

    def _check_checkpoint(self, found: Noted) -> None:
        checkpoint = _checkpoint(found)
        if checkpoint.size > self._sealed:
            raise EvidenceRefused("checkpoint", f"it is of size {checkpoint.size}, and {self._sealed} is the newest")
        if (origin := self._shelf.origin(self._tx)) not in {None, checkpoint.origin}:
            detail = f"it is of {checkpoint.origin!r}, and others are of {origin!r}: one store, one origin"
            raise EvidenceRefused("checkpoint", detail)
        if checkpoint.size and root_at(self._shelf, checkpoint.size, self._tx) != checkpoint.root:
            raise EvidenceRefused("checkpoint", f"its root is not that of the first {checkpoint.size} entries")

    def _check_cosignature(self, found: Noted) -> None:
        signature = _line(found.note)
        origin = found.name.partition("\n")[0]
        name = cosigned(origin, found.number, f"{signature.name}+{signature.key_id.hex()}")
        if name != found.name or self._shelf.note(CHECKPOINT, origin, found.number, self._tx) is None:
            raise EvidenceRefused("cosignature", "it is of no checkpoint that is there, or of another witness")

    def _entry(self, stream: str, writer: str, seq: int) -> "Entry | None":
        backend = self._shelf.backend
        page = backend.read(backend.pages(stream, writer, start=seq, stop=seq + 1), 1, self._tx)
        return page[0] if page else None

    def end(self) -> None:
        """All has come."""
        last = self._shelf.last_checkpoint(self._tx)
        if self._missing:
            raise TargetDiverged(f"{called(*min(self._missing))} is in the target alone: of two copies one may seal")
        if (0 if last is None else last.number) != self._sealed:
            raise EvidenceRefused(
                "checkpoint", f"the one of size {self._sealed}, which is to be the newest, is not there"
            )


def check_own(source: "Shelf", target: "Shelf") -> None:
    """TargetDiverged where a target has a checkpoint or a rotation that the source does not have."""
    for kind in OWN:
        for name, number, note in target.of_kind(kind):
            if source.note(kind, name, number) != note:
                raise TargetDiverged(f"{called(kind, name, number)} is not in the source: of two copies one may seal")


def _all(shelf: "Shelf", kind: str, tx: Any) -> "Iterator[Noted]":
    return shelf.of_kind(kind, tx=tx)


def _checkpoint(found: Noted) -> Checkpoint:
    checkpoint = Checkpoint(found.note or "")
    if (checkpoint.origin, checkpoint.size) != (found.name, found.number):
        raise EvidenceRefused("checkpoint", "it is of another origin or size than it is kept as")
    return checkpoint


def _line(text: str | None) -> "Signature":
    signatures = cosignature.parse(text or "")
    if len(signatures) != 1 or len(signatures[0].blob) < TIME:
        raise EvidenceRefused("cosignature", "it is not the line of one witness")
    return signatures[0]


def _time(text: str) -> int:
    return int.from_bytes(_line(text).blob[:TIME])
