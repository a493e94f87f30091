"""Rotation: another key signs from now on, and both it and the one before say so.

The format is a signed note (docs/format.md) with both signatures, and this text:

    agent-store/rotation/v1
    <origin>
    <size of the last checkpoint that the old key signs>
    <verifier key, the old one>
    <verifier key, the new one>
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from agent_store.errors import EvidenceRefused, MalformedEvidence
from agent_store.evidence import note
from agent_store.evidence.checkpoint import Checkpoint
from agent_store.evidence.keys import SIGNS, VerifierKey
from agent_store.evidence.shelf import ROTATION, Noted, Shelf
from agent_store.evidence.text import MOST, number_of, short

if TYPE_CHECKING:
    from agent_store.evidence.keys import Signer

KIND = "agent-store/rotation/v1"
_WHAT = "rotation"


class Rotation(NamedTuple):
    """Of `origin`: `old` signs up to `size`, `new` what is larger."""

    origin: str
    size: int
    old: VerifierKey
    new: VerifierKey

    @property
    def text(self) -> str:
        """What both sign."""
        return f"{KIND}\n{self.origin}\n{self.size}\n{self.old}\n{self.new}\n"


def parse(text: object) -> Rotation:
    """A rotation that both its keys have signed; MalformedEvidence, EvidenceRefused for any other text."""
    signed = note.parse(text, _WHAT)
    lines = signed.text.removesuffix("\n").split("\n")
    if len(lines) != 5 or lines[0] != KIND:
        raise MalformedEvidence(_WHAT, f"it is not {KIND}, origin, size and two verifier keys, each on a line")
    _, origin, size, old, new = lines
    rotation = Rotation(origin, number_of(size, _WHAT), VerifierKey.parse(old, SIGNS), VerifierKey.parse(new, SIGNS))
    if {rotation.old.name, rotation.new.name} != {origin} or rotation.old == rotation.new:
        raise MalformedEvidence(_WHAT, f"its keys are not two of {short(origin)}")
    for key in rotation.old, rotation.new:
        note.verify(signed, [key], _WHAT)
    return rotation


def stored(found: Noted) -> Rotation:
    """As `parse`, of one that the store has, which must be the one that it was kept as."""
    rotation = parse(found.note or "")
    if (rotation.origin, rotation.size) != (found.name, found.number):
        raise EvidenceRefused(
            _WHAT, f"it is of {short(rotation.origin)} at size {rotation.size}, and was kept as another"
        )
    return rotation


def newest(shelf: Shelf, origin: str, tx: object = None) -> Rotation | None:
    """The last one of the store's."""
    found = shelf.newest(ROTATION, origin, tx)
    return found and stored(found)


class Trust:
    """Which keys are right at which size: those that the caller gave, and whom these name by rotations."""

    def __init__(self, keys: Iterable[VerifierKey]) -> None:
        self._right = dict.fromkeys(keys, (0, MOST))
        self._rotations: list[Rotation] = []

    def learn(self, rotation: Rotation) -> bool:
        """Of one, in the order of their sizes; False where its old key was not right any more at its size."""
        old = self._right.get(rotation.old)
        if old is not None and not old[0] <= rotation.size <= old[1]:
            return False
        self._rotations.append(rotation)
        if old is not None:
            self._follow(rotation)
            return True
        # Who gave only the newer key: it has signed, too, which one came before.
        for earlier in reversed(self._rotations):
            if earlier.new in self._right and earlier.old not in self._right:
                self._right[earlier.old] = (0, MOST)
        for each in self._rotations:
            if each.old in self._right:
                self._follow(each)
        return True

    def strangers(self) -> list[Rotation]:
        """When all are learned: those by keys that none of the given ones leads to."""
        return [each for each in self._rotations if each.old not in self._right]

    def _follow(self, rotation: Rotation) -> None:
        first, last = self._right[rotation.old]
        self._right[rotation.old] = (first, min(last, rotation.size))
        first, last = self._right.get(rotation.new, (0, MOST))
        self._right[rotation.new] = (max(first, rotation.size + 1), last)

    def since(self, size: int) -> list[VerifierKey]:
        """The keys that were right at this size or are at a later one."""
        return [key for key, (_, last) in self._right.items() if size <= last]

    def at(self, size: int) -> list[VerifierKey]:
        """The keys that a checkpoint of this size may be signed by."""
        return [key for key, (first, last) in self._right.items() if first <= size <= last]


def check_signer(shelf: Shelf, key: VerifierKey, last: Checkpoint | None, tx: object = None) -> None:
    """EvidenceRefused where `key` may not sign what comes after the last checkpoint: the store has another."""
    if last is None:
        return
    if last.origin != key.name:
        detail = f"the store seals under {short(last.origin)}, and its name is {short(key.name)}: one store, one origin"
        raise EvidenceRefused("signer", detail)
    rotation = newest(shelf, key.name, tx)
    if rotation is not None and key != rotation.new:
        was = "was replaced" if key == rotation.old else "is not the store's, which was set"
        raise EvidenceRefused("signer", f"this key of {short(key.name)} {was} at size {rotation.size}")
    before = rotation.old if rotation is not None and last.size <= rotation.size else key
    try:
        note.verify(last.note, [before], "checkpoint")
    except EvidenceRefused as error:
        detail = f"the last checkpoint, of size {last.size}, is not signed by it: {error.detail}"
        raise EvidenceRefused("signer", f"{detail}; store.rotate(old, new) sets another key") from None


def make(origin: str, size: int, old: "Signer", new: "Signer") -> str:
    """The signed note."""
    rotation = Rotation(origin, size, VerifierKey.of(old), VerifierKey.of(new))
    if {rotation.old.name, rotation.new.name} != {origin} or rotation.old == rotation.new:
        raise ValueError(f"the new key must be another one and have the same name, {origin!r}: it is the origin")
    return note.sign(rotation.text, old, new)
