"""A sealed store, and what an attacker makes of it who can write everything in it and has not its key.

The entries are those of tampering.py, 320 of them. The first checkpoint covers 60, the second all: the tree has a full
tile, one that is not, and one above them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import agent_store
from agent_store import Checkpoint, SigningKey, Store
from agent_store._core import edge_of, grow, leaf_hash, root_of
from agent_store.evidence import checkpoint, note
from tampering import LOGS, payload

FIRST, SECOND = 60, 320
ORIGIN = "audit.example/attacked"
KEY = SigningKey.from_seed(ORIGIN, bytes(range(32)))
THEIRS = SigningKey.from_seed(ORIGIN, bytes(32))
"""The attacker's own, of the same name."""
ELSEWHERE = SigningKey.from_seed("audit.example/elsewhere", bytes(32))
"""And under another name."""


@dataclass(frozen=True)
class Sealed:
    """What whoever sealed it kept elsewhere."""

    first: Checkpoint
    second: Checkpoint


def rows(first: int, last: int) -> list[tuple[str, str, bytes]]:
    """What is appended at these positions: the logs take turns."""
    found = []
    for position in range(first, last + 1):
        log, seq = (position - 1) % len(LOGS) + 1, (position - 1) // len(LOGS) + 1
        found.append((*LOGS[log - 1], payload(log, seq)))
    return found


def build(store: Store) -> Sealed:
    store.append_many(rows(1, FIRST))
    first = store.checkpoint(KEY)
    store.append_many(rows(FIRST + 1, SECOND))
    return Sealed(first, store.checkpoint(KEY))


def forged(position: int, words: bytes) -> list[tuple[str, str, bytes]]:
    """The rows with another payload at this position."""
    changed = rows(1, SECOND)
    stream, writer, _ = changed[position - 1]
    changed[position - 1] = (stream, writer, words)
    return changed


def entries_sql(changed: Sequence[tuple[str, str, bytes]]) -> str:
    """Statements that put these rows in the place of those that are there, with every hash right."""
    with agent_store.open(":memory:") as store:
        store.append_many(changed)
        return "".join(
            f"UPDATE _agent_store_entries SET payload = x'{entry.payload.hex()}', "
            f"content_hash = x'{entry.content_hash.hex()}' WHERE position = {entry.position};"
            for entry in store.entries()
        )


def hashes_of(changed: Sequence[tuple[str, str, bytes]], size: int) -> bytes:
    """The leaf hashes of the first of these rows."""
    with agent_store.open(":memory:") as store:
        store.append_many(changed[:size])
        return b"".join(
            leaf_hash(e.stream, e.writer, e.seq, e.prev_hash, e.content_hash, len(e.payload)) for e in store.entries()
        )


def tree(hashes: bytes) -> tuple[dict[tuple[int, int], bytes], bytes]:
    """All tiles over these leaves, by level and number, and the root."""
    tiles = {(level, number): tile for level, number, tile in grow(0, [], hashes)}
    size = len(hashes) // 32
    root = root_of(
        size, [tiles[level, number][: width * 32] if width else b"" for level, number, width in edge_of(size)]
    )
    return tiles, root


def tiles_sql(hashes: bytes) -> str:
    """Statements that make the stored tree that over these leaves."""
    tiles, _ = tree(hashes)
    return "DELETE FROM _agent_store_tiles;" + "".join(
        f"INSERT INTO _agent_store_tiles (level, number, hashes) VALUES ({level}, {number}, x'{tile.hex()}');"
        for (level, number), tile in tiles.items()
    )


def note_sql(text: str, *, size: int = SECOND, kind: str = "checkpoint") -> str:
    """A statement that puts this text in the place of a checkpoint."""
    quoted = text.replace("'", "''")
    return f"UPDATE _agent_store_notes SET note = '{quoted}' WHERE kind = '{kind}' AND number = {size};"


def signed(size: int, root: bytes, key: SigningKey) -> str:
    """A checkpoint that says so, of the origin that the key is named."""
    return note.sign(checkpoint.text_of(key.name, size, root), key)


def back_to(size: int) -> str:
    """Statements that leave of a store what it was when it was sealed at this size: as an old copy put back."""
    return (
        f"DELETE FROM _agent_store_entries WHERE position > {size}; "
        f"DELETE FROM _agent_store_notes WHERE number > {size}; {tiles_sql(hashes_of(rows(1, size), size))}"
    )
