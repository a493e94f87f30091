"""A tree that leaves are added to one after the other, of which only the edge is kept."""

from collections.abc import Iterable

from agent_store._core import edge_of, grow, root_of
from agent_store.evidence.text import HASH

FULL = 256  # hashes in a tile
Tile = tuple[int, int, bytes]  # level, number, hashes


class Growth:
    """A tree of `size` leaves, given the tiles that `edge_of(size)` names."""

    def __init__(self, size: int = 0, edge: Iterable[bytes] = ()) -> None:
        self.size = size
        self.edge = list(edge)

    def add(self, hashes: bytes) -> list[Tile]:
        """Add leaves, 32 bytes each; the tiles that are new or longer."""
        grown = grow(self.size, self.edge, hashes)
        tiles = dict(zip(self._places(), self.edge, strict=True))
        tiles |= {(level, number): tile for level, number, tile in grown}
        self.size += len(hashes) // HASH
        self.edge = [tiles.get(place, b"") for place in self._places()]
        return grown

    def root(self, hashes: bytes = b"") -> bytes:
        """Its root, or the one that it would have with these leaves added."""
        if not hashes:
            return root_of(self.size, self.edge)
        grown = Growth(self.size, self.edge)
        grown.add(hashes)
        return grown.root()

    def _places(self) -> list[tuple[int, int]]:
        return [(level, number) for level, number, _ in edge_of(self.size)]
