"""Checkpoints: the size and the root of a store's tree, as signed text.

The format is C2SP's tlog-checkpoint v1 (https://c2sp.org/tlog-checkpoint).
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from agent_store.errors import EvidenceRefused, MalformedEvidence
from agent_store.evidence import note
from agent_store.evidence.text import base64, hash_of, number_of, short

if TYPE_CHECKING:
    from agent_store.evidence.keys import VerifierKey

_WHAT = "checkpoint"


class Checkpoint(str):
    """A checkpoint's text, verbatim, and what it says. Made from text alone, it is not verified.

    MalformedEvidence for a text that is none.
    """

    __slots__ = ("_note", "_origin", "_root", "_size")
    _note: note.Note
    _origin: str
    _size: int
    _root: bytes

    def __new__(cls, text: str) -> Self:  # noqa: D102 - the class says it
        if isinstance(text, cls):
            return text
        parsed = note.parse(text, _WHAT)
        origin, *rest = parsed.text.removesuffix("\n").split("\n")
        if len(rest) < 2 or not origin or "" in rest:
            raise MalformedEvidence(_WHAT, "its text is not origin, size and root, each on a line")
        self = super().__new__(cls, text)
        self._note, self._origin = parsed, origin
        self._size, self._root = number_of(rest[0], _WHAT), hash_of(rest[1], _WHAT)
        return self

    @property
    def origin(self) -> str:
        """Whose it is: the name of the store's key."""
        return self._origin

    @property
    def size(self) -> int:
        """How many entries it covers: positions 1 to `size`."""
        return self._size

    @property
    def root(self) -> bytes:
        """The root of the tree over them (RFC 6962), 32 bytes."""
        return self._root

    @property
    def note(self) -> note.Note:
        """Its text and its signatures, apart."""
        return self._note

    @property
    def signers(self) -> tuple[str, ...]:
        """Whose signatures stand below it, as they say: the store's, then its witnesses'."""
        return tuple(dict.fromkeys(signature.name for signature in self._note.signatures))

    def __repr__(self) -> str:
        return f"Checkpoint(origin={self._origin!r}, size={self._size}, root={self._root[:4].hex()}…)"

    def __reduce__(self) -> tuple[type["Checkpoint"], tuple[str]]:
        return Checkpoint, (str.__str__(self),)


def text_of(origin: str, size: int, root: bytes) -> str:
    """What is to be signed."""
    return f"{origin}\n{size}\n{base64(root)}\n"


def verified(
    checkpoint: "str | Checkpoint", keys: "Iterable[VerifierKey]", origin: str, what: str = _WHAT
) -> Checkpoint:
    """The checkpoint, if it is one of `origin` signed by one of these keys; EvidenceRefused if not.

    A key has a say for the origin that it is named for, and for no other.
    """
    found = Checkpoint(checkpoint)
    if found.origin != origin:
        raise EvidenceRefused(what, f"it is of {short(found.origin)}, and not of {short(origin)}")
    note.verify(found.note, [key for key in keys if key.name == origin], what)
    return found
