"""The chain's known answers, which the Rust tests check too."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent_store import Store
from blake3_rule import blake3

VECTORS = json.loads((Path(__file__).parent / "data" / "chain_vectors.json").read_text())["entries"]
COUNTED = ["d88775a5e637", "f77861dc3c80", "0b6c19a4e8f4"]
"""How the hashes of the payloads {"n":1}, {"n":2}, {"n":3} begin, as another program made them."""


def payload(entry: dict[str, Any]) -> bytes:
    if "payload" in entry:
        return bytes.fromhex(entry["payload"])
    return bytes(number % 251 for number in range(entry["length"]))


def chains() -> list[list[dict[str, Any]]]:
    found: list[list[dict[str, Any]]] = []
    for entry in VECTORS:
        if entry["prev_hash"] is None:
            found.append([])
        found[-1].append(entry)
    return found


def test_each_entry_has_the_hash_that_the_specification_gives_it() -> None:
    for entry in VECTORS:
        prev_hash = bytes.fromhex(entry["prev_hash"] or "")
        assert blake3(prev_hash + payload(entry)).hex() == entry["content_hash"]
    counted = next(chain for chain in chains() if payload(chain[0]) == b'{"n":1}')
    assert [entry["content_hash"][:12] for entry in counted] == COUNTED


@pytest.mark.parametrize("whole", [False, True])
def test_each_chain_of_a_store_has_these_hashes(store: Store, whole: bool) -> None:
    for number, chain in enumerate(chains()):
        log = store.log("vectors", str(number))
        payloads = [payload(entry) for entry in chain]
        if whole:
            log.append_many(payloads)
        else:
            assert [log.append(one).content_hash.hex() for one in payloads] == [one["content_hash"] for one in chain]
        assert [(entry.prev_hash and entry.prev_hash.hex(), entry.content_hash.hex()) for entry in log.entries()] == [
            (entry["prev_hash"], entry["content_hash"]) for entry in chain
        ]
    assert store.verify().holds
