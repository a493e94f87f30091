"""Looking through a directory of tiles: whether its leaves and its tree are one."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from agent_store._core import edge_of, unbundle
from agent_store.evidence.directory import Directory
from agent_store.evidence.growth import FULL, Growth, Tile
from agent_store.evidence.linking import Facts, Links
from agent_store.evidence.text import HASH
from agent_store.verdict import Break

if TYPE_CHECKING:
    from agent_store.ticker import Ticker

MOST = 1_000  # breaks that are kept
MOST_OF_ONE = 10  # of one log, or of one tile


class Audit:
    """What was found in the files of a tree of `size` leaves. Nothing in them is trusted, nor are `size` and `root`."""

    def __init__(self, directory: Directory, size: int, root: bytes | None) -> None:
        self.directory = directory
        self.size = size
        self.root = root
        self.entries = 0
        self.entries_hold = 0
        self.links = Links()
        self.roots: dict[int, bytes] = {}
        self.breaks: list[Break] = []
        self.breaks_total = 0
        self.broken: dict[tuple[str, str], int] = {}
        self._tree: Growth | None = Growth()

    def report(self, found: Break) -> None:
        """Keep a break, if there are not too many, and count it."""
        self.breaks_total += 1
        count = 0
        if found.stream is not None and found.writer is not None:
            log = (found.stream, found.writer)
            count = self.broken[log] = self.broken.get(log, 0) + 1
        if count <= MOST_OF_ONE and len(self.breaks) < MOST:
            self.breaks.append(found)

    def run(self, sizes: Iterable[int], ticker: "Ticker") -> None:
        """Look through all of it; `roots` then has the root at these sizes and at its own, if it can be told."""
        wanted = sorted({*sizes, self.size})
        for number in range(-(-self.size // FULL)):
            done, width = number * FULL, min(FULL, self.size - number * FULL)
            hashes = self._hashes(number, width)
            if hashes is None:
                self._tree = None
                if self.breaks_total > MOST:
                    return  # There may be any number of files that are not there.
            elif self._tree is not None:
                for size in wanted:
                    if done < size <= done + width:
                        self.roots[size] = self._tree.root(hashes[: (size - done) * HASH])
                self._compare(tile for tile in self._tree.add(hashes) if len(tile[2]) == FULL * HASH)
            ticker.tell(done + width)
        if self._tree is not None:
            self.roots.setdefault(0, Growth().root())
            self._compare(
                (level, number, tile)
                for (level, number, width), tile in zip(edge_of(self.size), self._tree.edge, strict=True)
                if width
            )

    def _compare(self, tiles: Iterable[Tile]) -> None:
        """The tiles above the leaves with those that are there."""
        for level, number, expected in tiles:
            if level == 0:
                continue
            found = self.directory.tile(level, number, len(expected) // HASH)
            if found != expected:
                wrong = "is missing" if found is None else "is not made of the roots of the tiles below it"
                position = (number * FULL + _same(found or b"", expected)) * FULL**level + 1
                self.report(_seal(position, None, f"tile {number} of level {level} {wrong}"))

    def _hashes(self, number: int, width: int) -> bytes | None:
        """The hashes of the leaves in a bundle, after a look at each; else those of the tile that it should make."""
        first = number * FULL + 1
        tile = self.directory.tile(0, number, width)
        if tile is None or len(tile) != width * HASH:
            wrong = "is missing" if tile is None else f"has {len(tile)} bytes instead of {width * HASH}"
            self.report(_seal(first, None, f"tile {number} of level 0 {wrong}"))
            tile = None
        leaves = self._leaves(number, width)
        if leaves is None:
            return tile
        hashes, facts = leaves
        odd = set() if tile is None or tile == hashes else set(self._differences(first, facts, hashes, tile))
        for position, leaf in enumerate(facts, first):
            held = self.breaks_total
            if leaf is None:
                detail = "the leaf is not that of an entry"
                self.report(Break("malformed", None, None, None, position, detail))
            else:
                for found in self.links.breaks(position, leaf):
                    self.report(found)
            self.entries_hold += held == self.breaks_total and position not in odd
        self.entries += width
        return tile if odd and tile is not None and self._is_right(number, tile) else hashes

    def _is_right(self, number: int, tile: bytes) -> bool:
        """Whether it is the tile, and not its leaves, that the rest of the tree is made of: then they were altered."""
        if len(tile) < FULL * HASH:
            return self._tree is not None and self._tree.root(tile) == self.root
        above = self.directory.tile(1, number // FULL, min(FULL, self.size // FULL - number // FULL * FULL))
        at = number % FULL * HASH
        return above is not None and above[at : at + HASH] == Growth().root(tile)

    def _leaves(self, number: int, width: int) -> "tuple[bytes, list[Facts | None]] | None":
        bundle = self.directory.bundle(number, width)
        wrong = "is missing"
        if bundle is not None:
            data, named = bundle
            try:
                hashes, facts = unbundle(data)
            except ValueError:
                wrong = "ends amid an entry"
            else:
                if len(facts) == named:
                    return hashes[: width * HASH], facts[:width]
                wrong = f"has {len(facts)} entries instead of {named}"
        first, last = number * FULL + 1, number * FULL + width
        self.report(
            Break(
                "gap" if bundle is None else "malformed",
                None,
                None,
                None,
                first,
                f"the bundle of positions {first} to {last} {wrong}",
            )
        )
        self.links.lost()
        return None

    def _differences(self, first: int, facts: "list[Facts | None]", hashes: bytes, tile: bytes) -> Iterator[int]:
        """The positions at which the leaves are not those of the tile; the first ten are reported."""
        reported = 0
        for position, leaf in enumerate(facts, first):
            place = slice((position - first) * HASH, (position - first + 1) * HASH)
            if hashes[place] != tile[place]:
                yield position
                reported += 1
                if reported <= MOST_OF_ONE:
                    self.report(_seal(position, leaf, "the leaf is not the one that the tree has there"))


def _same(found: bytes, expected: bytes) -> int:
    """Hashes that both begin with."""
    parts = [slice(first, first + HASH) for first in range(0, len(expected), HASH)]
    return next((number for number, part in enumerate(parts) if found[part] != expected[part]), len(parts))


def _seal(position: int | None, leaf: Facts | None, detail: str) -> Break:
    stream, writer, seq = leaf[:3] if leaf is not None else (None, None, None)
    return Break("seal", stream, writer, seq, position, detail)
