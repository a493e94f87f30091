"""Known keys, checkpoints, receipts and entries for the tests of evidence, made from fixed seeds."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_store import Checkpoint, Entry, SigningKey
from agent_store.evidence import cosignature, note, receipt
from agent_store.evidence.checkpoint import text_of
from agent_store.evidence.facts import facts_of
from blake3_rule import chain
from tree_model import Tree

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "evidence_vectors.json").read_text("utf-8"))
LOG = SigningKey.from_seed("audit.example/agent-store/db1", bytes.fromhex(VECTORS["log_seed"]))
WITNESS = SigningKey.from_seed("witness.example/w1", bytes.fromhex(VECTORS["witness_seed"]))
TIME = VECTORS["witness_time"]
OTHER = SigningKey.from_seed("audit.example/other", bytes(32))


def witnesses(count: int) -> list[SigningKey]:
    return [SigningKey.from_seed(f"witness.example/{number}", bytes([number]) * 32) for number in range(1, count + 1)]


def entries(count: int, payload: bytes = b"payload") -> list[Entry]:
    """Of two writers in turn."""
    found = []
    hashes = chain([payload] * -(-count // 2))
    for index in range(count):
        seq = index // 2 + 1
        before = hashes[seq - 2] if seq > 1 else None
        found.append(Entry("orders", f"agent-{index % 2}", seq, before, hashes[seq - 1], payload, index + 1))
    return found


def known_entries() -> list[Entry]:
    """Those of the vectors, in commit order."""
    found = []
    for position, place in enumerate(VECTORS["commit_order"], 1):
        name, _, seq = place.partition("#")
        payloads = [text.encode() for text in VECTORS["chains"][name]]
        hashes, number = chain(payloads), int(seq)
        before = hashes[number - 2] if number > 1 else None
        stream, _, writer = name.partition("/")
        found.append(Entry(stream, writer, number, before, hashes[number - 1], payloads[number - 1], position))
    return found


def facts(entry: Entry) -> dict[str, Any]:
    """As JSON has them, without the payload."""
    return {
        "stream": entry.stream,
        "writer": entry.writer,
        "seq": entry.seq,
        "prev_hash": entry.prev_hash and entry.prev_hash.hex(),
        "content_hash": entry.content_hash.hex(),
        "payload_len": len(entry.payload),
        "position": entry.position,
    }


@dataclass
class Sealed:
    """What a store with these entries would hand out."""

    entries: Sequence[Entry]
    key: SigningKey = LOG
    witnesses: Sequence[SigningKey] = ()

    def __post_init__(self) -> None:
        self.tree = Tree([facts_of(entry).leaf_hash() for entry in self.entries])

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        size = len(self.entries) if size is None else size
        made = Checkpoint(note.sign(text_of(self.key.name, size, self.tree.root(size)), self.key))
        return cosignature.add(made, [cosignature.cosign(made, witness, TIME) for witness in self.witnesses])

    def receipt(self, index: int, size: int | None = None) -> str:
        size = len(self.entries) if size is None else size
        return receipt.write(index, self.tree.inclusion(index, size), self.checkpoint(size))


def resigned(text: str, *keys: SigningKey) -> Checkpoint:
    """A checkpoint of any text, signed anew."""
    return Checkpoint(note.sign(text, *keys))


def mutations(text: str) -> list[str]:
    """Each byte changed in two ways, removed, and doubled; not those that are no UTF-8 any more."""
    data, found = text.encode(), []
    for place, byte in enumerate(data):
        for new in (bytes([byte ^ 1]), bytes([byte ^ 0x20]), b"", bytes([byte, byte])):
            changed = data[:place] + new + data[place + 1 :]
            if changed != data:
                found.append(changed.decode(errors="surrogateescape"))
    return found
