"""The tree of RFC 6962, chapter 2.1, word by word, which the core is tested against; and what is stored of one."""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from agent_store import _core


def leaf_hash(leaf: bytes) -> bytes:
    return sha256(b"\0" + leaf).digest()


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def _split(count: int) -> int:
    """The largest power of two below it."""
    return 1 << ((count - 1).bit_length() - 1)


class Tree:
    """The roots and proofs of all beginnings of these leaf hashes."""

    def __init__(self, hashes: Sequence[bytes]) -> None:
        self.hashes = hashes
        self._nodes: dict[tuple[int, int], bytes] = {}

    def root(self, end: int, first: int = 0) -> bytes:
        """Of leaves `first` to `end`, which is not included."""
        if end == first:
            return sha256().digest()
        if end - first == 1:
            return self.hashes[first]
        found = self._nodes.get((first, end))
        if found is None:
            middle = first + _split(end - first)
            found = self._nodes[first, end] = node(self.root(middle, first), self.root(end, middle))
        return found

    def inclusion(self, index: int, end: int, first: int = 0) -> list[bytes]:
        if end - first == 1:
            return []
        middle = first + _split(end - first)
        if index < middle:
            return [*self.inclusion(index, middle, first), self.root(end, middle)]
        return [*self.inclusion(index, end, middle), self.root(middle, first)]

    def consistency(self, old: int, new: int) -> list[bytes]:
        return self._subproof(old, new, 0, whole=True) if old else []

    def _subproof(self, old: int, end: int, first: int, *, whole: bool) -> list[bytes]:
        if old == end:
            return [] if whole else [self.root(end, first)]
        middle = first + _split(end - first)
        if old <= middle:
            return [*self._subproof(old, middle, first, whole=whole), self.root(end, middle)]
        return [*self._subproof(old, end, middle, whole=False), self.root(middle, first)]


class Tiles(dict[tuple[int, int], bytes]):
    """Hashes by level and number of their tile, grown by the core."""

    def __init__(self) -> None:
        self.size = 0

    def wanted(self, places: Iterable[tuple[int, int, int]]) -> list[bytes]:
        return [self.get((level, number), b"") for level, number, _ in places]

    def add(self, hashes: Sequence[bytes]) -> list[tuple[int, int]]:
        """The tiles that grew."""
        grown = _core.grow(self.size, self.wanted(_core.edge_of(self.size)), b"".join(hashes))
        self.update({(level, number): tile for level, number, tile in grown})
        self.size += len(hashes)
        return [(level, number) for level, number, _ in grown]

    def root(self, size: int) -> bytes:
        return _core.root_of(size, self.wanted(_core.edge_of(size)))

    def inclusion(self, index: int, size: int) -> list[bytes]:
        return _core.inclusion(index, size, self.wanted(_core.inclusion_needs(index, size)))

    def consistency(self, old: int, new: int) -> list[bytes]:
        return _core.consistency(old, new, self.wanted(_core.consistency_needs(old, new)))
