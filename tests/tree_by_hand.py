"""The tree over a store by hand: leaves made in Python, tiles put where checkpoints put them."""

import hashlib
import struct

from agent_store import _core

FULL = 256


def leaf(entry: _core.Entry, payload_len: int) -> bytes:
    """The hash of an entry's leaf, written anew from evidence's formats."""
    stream, writer = entry.stream.encode(), entry.writer.encode()
    parts = [
        b"\0agent-store/entry/v1\n",
        *(struct.pack(">H", len(name)) + name for name in (stream, writer)),
        struct.pack(">QB", entry.seq, entry.prev_hash is not None),
        entry.prev_hash or bytes(32),
        entry.content_hash,
        struct.pack(">Q", payload_len),
    ]
    return hashlib.sha256(b"".join(parts)).digest()


def root(leaves: list[bytes]) -> bytes:
    """RFC 6962, 2.1."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256().digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + root(leaves[:split]) + root(leaves[split:])).digest()


def entries(store: _core.Sqlite) -> list[_core.Entry]:
    pages = store.pages()
    found = []
    while page := store.read(pages, 10_000):
        found += page
    return found


def leaves(store: _core.Sqlite) -> list[bytes]:
    return [leaf(entry, len(entry.payload)) for entry in entries(store)]


def tiles(leaves: list[bytes]) -> dict[tuple[int, int], bytes]:
    """Level and number of each tile, and its hashes."""
    found = {}
    level, hashes = 0, leaves
    while hashes:
        above = []
        for number, tile in enumerate(cut(hashes)):
            found[level, number] = b"".join(tile)
            if len(tile) == FULL:
                above.append(root(tile))
        level, hashes = level + 1, above
    return found


def cut(hashes: list[bytes]) -> list[list[bytes]]:
    return [hashes[start : start + FULL] for start in range(0, len(hashes), FULL)]


def seal(store: _core.Sqlite) -> bytes:
    """Put the tiles there; the root."""
    of_store = leaves(store)
    tx = store.begin()
    for (level, number), hashes in tiles(of_store).items():
        store.change("set_tile", level, number, hashes, tx=tx)
    store.commit(tx)
    return root(of_store)
