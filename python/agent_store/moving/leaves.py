"""The tree of a store that entries come into: its tiles are made from them, whatever the source says that they are."""

from functools import partial
from typing import TYPE_CHECKING, Any

from agent_store._core import leaf_hash
from agent_store.errors import ChainBroken
from agent_store.evidence.sealing import last_of
from agent_store.evidence.tree import BATCH, Growing

if TYPE_CHECKING:
    from agent_store._core import Entry
    from agent_store.evidence.shelf import Shelf

_CALL = "bringing the tree of a store up to its entries"


class Leaves:
    """Of positions up to `sealed`, of which the target has those up to `position`."""

    def __init__(self, shelf: "Shelf", sealed: int, position: int) -> None:
        self._shelf = shelf
        self._sealed = sealed
        self._tree = _present(shelf, sealed)
        self._waiting: list[bytes] = []
        for tiles in self._tree.up_to(min(position, sealed)):
            shelf.written(_CALL, partial(shelf.set_tiles, tiles), synced=False)

    def add(self, page: "list[Entry]", tx: Any) -> None:
        """These come next."""
        if page[0].position > self._sealed:
            return
        self._waiting += [
            leaf_hash(entry.stream, entry.writer, entry.seq, entry.prev_hash, entry.content_hash, entry.payload_len)
            for entry in page
            if entry.position <= self._sealed
        ]
        if len(self._waiting) >= BATCH:
            self.write(tx)

    def write(self, tx: Any) -> None:
        """What has come."""
        if self._waiting:
            hashes, self._waiting = b"".join(self._waiting), []
            self._shelf.set_tiles(self._tree.add(hashes), tx)


def _present(shelf: "Shelf", sealed: int) -> Growing:
    """As far as it is there and right; they are derived, and else made anew."""
    last = last_of(shelf)
    if last is None or last.size > sealed:
        return Growing(shelf, 0)
    try:
        tree = Growing(shelf, last.size)
    except ChainBroken:
        return Growing(shelf, 0)
    return tree if tree.root() == last.root else Growing(shelf, 0)
