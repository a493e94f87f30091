"""Where evidence is kept: the tables of tiles, of signed notes and of erasures, whatever the database.

Tiles are those of C2SP's tlog-tiles (https://c2sp.org/tlog-tiles): number n of level 0 has the hashes of leaves 256 n
to 256 n + 255, of level l + 1 the roots of full tiles of level l; the last of a level is partial, and grows. They are
derived from the entries. Notes are texts, verbatim, each by kind, name and number (docs/format.md lists them).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from agent_store.errors import ChainBroken, MalformedRow
from agent_store.evidence.text import HASH
from agent_store.transaction import Binding

CHECKPOINT: Final = "checkpoint"
COSIGNATURE: Final = "cosignature"
ROTATION: Final = "rotation"
HEAD: Final = "head"
WITNESSED: Final = "witnessed"
FORK: Final = "fork"

PAGE = 256  # rows

Result = TypeVar("Result")
Wanted = tuple[int, int, int]  # level, number, and how many of the tile's hashes


class Noted(NamedTuple):
    """A signed note and where it is kept; `note` is None for what is no text."""

    name: str
    number: int
    note: str | None


class Erased(NamedTuple):
    """The record of an erasure: of which position, how long the payload was in bytes, and the signed note."""

    position: int
    payload_len: int
    note: str | None


class Shelf:
    """Reads and writes them; alone, with the scan that looks at tiles. Without `tx`: as a call of this thread does."""

    def __init__(self, binding: Binding) -> None:
        self._binding = binding
        self.backend = binding.backend

    def reading(self) -> Any:
        """The transaction that a read of this thread runs in."""
        return self._binding.reading()

    def _fetch(self, tx: Any, statement: str, *params: object) -> list[tuple[Any, ...]]:
        return self.backend.fetch(statement, *params, tx=self.reading() if tx is None else tx)

    def written(self, call: str, work: Callable[[Any], Result], *, synced: bool = True) -> Result:
        """What `work` returns, given a transaction of its own, which is committed then; TransactionConflict inside one.

        With `synced` it is on disk when this returns, whatever the store's durability.
        """
        self._binding.check_outside(call)
        # No context manager: an interrupt could fall between its lines, and the write lock would be kept.
        tx = self.backend.begin(None, synced=synced)
        try:
            result = work(tx)
            self.backend.commit(tx)
        except BaseException:
            self.backend.rollback(tx)
            raise
        return result

    # Signed notes.

    def note(self, kind: str, name: str, number: int, tx: Any = None) -> str | None:
        """One, None where there is none, and empty for what is no text."""
        rows = self._fetch(tx, "note", kind, name, number)
        return _text(rows[0][0]) or "" if rows else None

    def newest(self, kind: str, name: str, tx: Any = None) -> Noted | None:
        """The one with the greatest number."""
        rows = self._fetch(tx, "newest_note", kind, name)
        return _noted(name, *rows[0]) if rows else None

    def notes(self, kind: str, name: str, *, reverse: bool = False) -> Iterator[Noted]:
        """All of one name, by number, read in pages."""
        statement, last = "notes_forward", -1
        if reverse:
            if (newest := self.newest(kind, name)) is None:
                return
            yield newest
            statement, last = "notes_reverse", newest.number
        while rows := self._fetch(None, statement, kind, name, last, PAGE):
            for row in rows:
                found = _noted(name, *row)
                last = found.number
                yield found

    def of_kind(
        self, kind: str, after: tuple[str, int] = ("", -1), page: int = PAGE, tx: Any = None
    ) -> Iterator[Noted]:
        """All with names and numbers greater than these, by name (its bytes) and number, read in pages."""
        while rows := self._fetch(tx, "notes_of_kind", kind, *after, page):
            for row in rows:
                found = _noted(*row)
                after = found[:2]
                yield found

    def add_note(self, kind: str, name: str, number: int, note: str, tx: Any) -> None:
        """Keep a new one, for good."""
        self.backend.change("add_note", kind, name, number, note, tx=tx)

    def renew_note(self, kind: str, name: str, number: int, note: str, tx: Any) -> None:
        """Keep one in the place of another, which only cosignatures may take."""
        self.backend.change("renew_note", kind, name, number, note, tx=tx)

    # Checkpoints, and whose they are.

    def origin(self, tx: Any = None) -> str | None:
        """Under which name the store seals, None before its first checkpoint."""
        first = next(self.of_kind(CHECKPOINT, page=1, tx=tx), None)
        return first and first.name

    def last_checkpoint(self, tx: Any = None) -> Noted | None:
        """The newest one of the store's."""
        origin = self.origin(tx)
        return None if origin is None else self.newest(CHECKPOINT, origin, tx)

    def cosignatures(self, origin: str, size: int, tx: Any = None) -> Iterator[str]:
        """The lines that witnesses gave for the checkpoint of this size, of each its newest."""
        names = cosigned(origin, size)
        for found in self.of_kind(COSIGNATURE, (names, -1), 16, tx):
            if not found.name.startswith(names):
                return
            yield found.note or ""

    # Tiles.

    def tile(self, level: int, number: int, tx: Any = None) -> bytes | None:
        """The hashes that are there of one, None where it is not, and none for what is no bytes."""
        rows = self._fetch(tx, "tile", level, number)
        if not rows:
            return None
        (hashes,) = rows[0]
        return hashes if isinstance(hashes, bytes) else b""

    def tiles(self, wanted: Iterable[Wanted], tx: Any = None) -> list[bytes]:
        """So many hashes of each; ChainBroken where one is missing or too short."""
        return [self._hashes(*each, tx) for each in wanted]

    def _hashes(self, level: int, number: int, width: int, tx: Any) -> bytes:
        if width == 0:
            return b""
        hashes = self.tile(level, number, tx)
        if hashes is None or len(hashes) < width * HASH:
            there = "is missing" if hashes is None else f"has {len(hashes)} bytes and must have {width * HASH}"
            raise ChainBroken(None, None, None, f"tile {number} of level {level} of the tree {there} (seal)")
        return hashes[: width * HASH]

    def leaf(self, position: int) -> bytes:
        """The hash of one leaf; ChainBroken where its tile is missing or too short."""
        index = position - 1
        (hashes,) = self.tiles([(0, index // 256, index % 256 + 1)])
        return hashes[-HASH:]

    def set_tiles(self, tiles: Sequence[tuple[int, int, bytes]], tx: Any) -> None:
        """Keep these (level, number, hashes), in the place of shorter ones."""
        for tile in tiles:
            self.backend.change("set_tile", *tile, tx=tx)

    # Erasures.

    def erasure(self, position: int, tx: Any = None) -> Erased | None:
        """The record of one."""
        rows = self._fetch(tx, "erasure", position)
        return _erased(position, *rows[0]) if rows else None

    def erasures(self, after: int = 0) -> Iterator[Erased]:
        """The records of all above a position, in order, read in pages."""
        while rows := self._fetch(None, "erasures", after, PAGE):
            for row in rows:
                found = _erased(*row)
                after = found.position
                yield found

    def lengths(self, first: int, last: int) -> list[int]:
        """How many bytes of payload the entries at these positions have, or had: of those that are there, in order."""
        return [length for (length,) in self._fetch(None, "lengths", first, last)]

    def add_erasure(self, position: int, payload_len: int, note: str, tx: Any) -> None:
        """Record one, for good."""
        self.backend.change("add_erasure", position, payload_len, note, tx=tx)


def cosigned(origin: str, size: int, key: str = "") -> str:
    """By which name the cosignature of a witness (`<key name>+<key id>`) is kept: those of one checkpoint together."""
    return f"{origin}\n{size:019}\n{key}"


# Whoever can write the file can have declared its tables anew: the columns may hold anything then.


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object, what: str) -> int:
    if isinstance(value, int) and value >= 0:
        return value
    raise MalformedRow(None, None, None, f"{what} is no number from 0 on")


def _noted(name: object, number: object, note: object) -> Noted:
    if not isinstance(name, str):
        raise MalformedRow(None, None, None, "the name that a note is kept by is no text")
    return Noted(name, _number(number, "the number that a note is kept by"), _text(note))


def _erased(position: object, payload_len: object, note: object) -> Erased:
    what = "the record of an erasure"
    return Erased(
        _number(position, f"the position in {what}"), _number(payload_len, f"the length in {what}"), _text(note)
    )
