"""BLAKE3, written from its specification and slow: what the chain's hashes are compared with."""

import struct

CHUNK = 1_024
BLOCK = 64
MASK = 0xFFFF_FFFF
IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8
MIXES = (
    *((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)),
    *((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)),
)


def _rotate(word: int, by: int) -> int:
    return (word >> by | word << (32 - by)) & MASK


def _compress(chaining: tuple[int, ...], block: bytes, flags: int, counter: int = 0) -> tuple[int, ...]:
    words = struct.unpack("<16I", block.ljust(BLOCK, b"\0"))
    state = [*chaining, *IV[:4], counter, 0, len(block), flags]
    for _ in range(7):
        for number, (a, b, c, d) in enumerate(MIXES):
            for word, right, left in ((words[2 * number], 16, 12), (words[2 * number + 1], 8, 7)):
                state[a] = (state[a] + state[b] + word) & MASK
                state[d] = _rotate(state[d] ^ state[a], right)
                state[c] = (state[c] + state[d]) & MASK
                state[b] = _rotate(state[b] ^ state[c], left)
        words = tuple(words[place] for place in PERMUTATION)
    return tuple(low ^ high for low, high in zip(state[:8], state[8:], strict=True))


def _chunk(data: bytes, counter: int, root: int) -> tuple[int, ...]:
    chaining: tuple[int, ...] = IV
    starts = range(0, max(len(data), 1), BLOCK)
    for start in starts:
        flags = (CHUNK_START if start == 0 else 0) | (CHUNK_END | root if start == starts[-1] else 0)
        chaining = _compress(chaining, data[start : start + BLOCK], flags, counter)
    return chaining


def _tree(data: bytes, counter: int = 0, root: int = 0) -> tuple[int, ...]:
    """The left half of a tree has as many chunks as the largest power of two that leaves some for the right one."""
    chunks = -(-len(data) // CHUNK)
    if chunks <= 1:
        return _chunk(data, counter, root)
    left = 1 << ((chunks - 1).bit_length() - 1)
    children = _tree(data[: left * CHUNK], counter), _tree(data[left * CHUNK :], counter + left)
    return _compress(IV, struct.pack("<16I", *children[0], *children[1]), PARENT | root)


def blake3(data: bytes) -> bytes:
    return struct.pack("<8I", *_tree(data, root=ROOT))


def chain(payloads: list[bytes]) -> list[bytes]:
    """The content hashes of a log: BLAKE3 of the hash before, if there is one, and the payload."""
    hashes: list[bytes] = []
    for payload in payloads:
        hashes.append(blake3((hashes[-1] if hashes else b"") + payload))
    return hashes
