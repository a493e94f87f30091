"""The tree over a store's entries (RFC 6962, section 2.1): its root at any size, and how it grows."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from agent_store._core import edge_of, root_of
from agent_store.errors import ChainBroken
from agent_store.evidence.growth import Growth, Tile
from agent_store.evidence.shelf import Shelf
from agent_store.ticker import Progress

if TYPE_CHECKING:
    from agent_store._core import Findings

BATCH = 1 << 18  # positions: 8 MiB of hashes, and what one commit of tiles writes; less costs a fifth of the speed


class Growing(Growth):
    """The tree at `size`, as the tiles of the shelf have it, and what comes to it."""

    def __init__(self, shelf: Shelf, size: int) -> None:
        super().__init__(size, shelf.tiles(edge_of(size)))
        self._shelf = shelf

    def up_to(self, position: int, progress: Progress | None = None) -> Iterator[list[Tile]]:
        """Add what the store has up to a position; the new tiles, batch by batch. ChainBroken where it is damaged."""
        first = self.size
        while self.size < position:
            last = min(self.size + BATCH, position)
            tell = None if progress is None else _shifted(progress, self.size - first, position - first)
            findings, hashes = self._shelf.backend.leaves(self.size + 1, last, tell)
            refuse(findings)
            yield self.add(hashes)


def _shifted(progress: Progress, before: int, total: int) -> Progress:
    def tell(done: int, _: int) -> object:
        return progress(before + done, total)

    return tell


def refuse(findings: "Findings") -> None:
    """ChainBroken for the first break, whatever its kind."""
    for kind, stream, writer, seq, position, detail in findings.breaks:
        place = "" if position is None else f" at position {position}"
        raise ChainBroken(stream, writer, seq, f"{detail} ({kind}{place})")


def root_at(shelf: Shelf, size: int, tx: Any = None) -> bytes:
    """The root over positions 1 to `size`, which is sealed, from its tiles; ChainBroken where these are not there."""
    return root_of(size, shelf.tiles(edge_of(size), tx))
