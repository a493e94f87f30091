"""A directory of tiles, made word by word as C2SP's tlog-tiles says: what the exported ones are compared with."""

import os
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

from agent_store import Entry, SigningKey
from agent_store.evidence import note
from agent_store.evidence.checkpoint import text_of
from tree_model import Tree, leaf_hash

Files = dict[str, bytes]


def leaf_of(entry: Entry) -> bytes:
    """As shown in docs/format.md."""
    leaf = b"agent-store/entry/v1\n"
    for name in (entry.stream.encode(), entry.writer.encode()):
        leaf += len(name).to_bytes(2, "big") + name
    leaf += entry.seq.to_bytes(8, "big") + bytes([entry.prev_hash is not None]) + (entry.prev_hash or bytes(32))
    return leaf + entry.content_hash + entry.payload_len.to_bytes(8, "big")


def number_of(number: int) -> str:
    """Its digits in threes, all but the last after an x."""
    digits = f"{number:,}".split(",")
    return "/".join([f"x{int(part):03}" for part in digits[:-1]] + [f"{int(digits[-1]):03}"])


def files_of(leaves: Sequence[bytes], checkpoint: str) -> Files:
    """Contents by path."""
    files = {"checkpoint": checkpoint.encode()}
    for first in range(0, len(leaves), 256):
        part = leaves[first : first + 256]
        bundle = b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in part)
        files[f"tile/entries/{number_of(first // 256)}{width(part)}"] = bundle
    row, level = [leaf_hash(leaf) for leaf in leaves], 0
    while row:
        parts = [row[first : first + 256] for first in range(0, len(row), 256)]
        for number, hashes in enumerate(parts):
            files[f"tile/{level}/{number_of(number)}{width(hashes)}"] = b"".join(hashes)
        row, level = [Tree(hashes).root(256) for hashes in parts if len(hashes) == 256], level + 1
    return files


def width(part: Sequence[bytes]) -> str:
    return "" if len(part) == 256 else f".p/{len(part)}"


def signed(leaves: Sequence[bytes], key: SigningKey, *, size: int | None = None) -> str:
    """A checkpoint of these leaves."""
    root = Tree([leaf_hash(leaf) for leaf in leaves]).root(len(leaves)) if leaves else sha256().digest()
    return note.sign(text_of(key.name, len(leaves) if size is None else size, root), key)


def written(directory: Path, files: Files) -> Path:
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return directory


def read(directory: Path) -> Files:
    """All that is in it."""
    found = (Path(folder) / name for folder, _, names in os.walk(directory) for name in names)
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in found}


def leaves_of(entries: Iterable[Entry]) -> list[bytes]:
    return [leaf_of(entry) for entry in entries]
