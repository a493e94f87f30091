"""Keys and stores for the tests of evidence: the same ones every time."""

import json
from itertools import count
from pathlib import Path
from typing import Any

from agent_store import SigningKey, Store

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "evidence_vectors.json").read_text())
KEY = SigningKey.from_seed("audit.example/agent-store/db1", bytes.fromhex(VECTORS["log_seed"]))
WITNESS = SigningKey.from_seed("witness.example/w1", bytes.fromhex(VECTORS["witness_seed"]))
OTHER = SigningKey.from_seed(KEY.name, bytes(32))
"""Of the same name."""
STRANGER = SigningKey.from_seed("another.example/db", bytes(range(32, 64)))
_payloads = count(1)


def known(store: Store) -> None:
    """The four entries of the known answers."""
    chains = {name: iter(payloads) for name, payloads in VECTORS["chains"].items()}
    for place in VECTORS["commit_order"]:
        name = place.partition("#")[0]
        stream, writer = name.split("/")
        store.log(stream, writer).append(next(chains[name]).encode())


def append(store: Store, entries: int, *, logs: int = 3) -> None:
    """Entries of several logs in turn, none like another."""
    store.append_many([("s", f"w{number % logs}", b"payload %d" % next(_payloads)) for number in range(entries)])
