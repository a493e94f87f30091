"""Leaves, the tree, its tiles and its proofs: known answers, and a plain model of the standard."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_store import _core
from tree_model import Tiles, Tree, leaf_hash

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "evidence_vectors.json").read_text())
LARGEST = 2**63 - 1
SIZES = 300
"""Of the trees of which everything is tried. Those of 256 leaves and more have a second level of tiles."""

# The eight leaves, and what is known of their trees, with which implementations of RFC 6962 are tested.
RFC_LEAVES = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
RFC_ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
RFC_INCLUSION_OF_0_IN_8 = [
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
]
RFC_CONSISTENCY_OF_6_TO_8 = [
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
]


def hexes(hashes: list[bytes]) -> list[str]:
    return [found.hex() for found in hashes]


def tiles_of(hashes: list[bytes]) -> Tiles:
    tiles = Tiles()
    tiles.add(hashes)
    return tiles


def test_the_published_leaves_of_this_store() -> None:
    heads: dict[str, tuple[int, bytes | None]] = {}
    for place, expected in zip(VECTORS["commit_order"], VECTORS["leaves"], strict=True):
        log, _, seq = place.partition("#")
        stream, _, writer = log.partition("/")
        payload = VECTORS["chains"][log][int(seq) - 1].encode()
        before, prev_hash = heads.get(log, (0, None))
        ((*_, content_hash, _),) = _core.extend(1, 1, before, prev_hash, [payload])
        heads[log] = (int(seq), content_hash)
        facts = (stream, writer, int(seq), prev_hash, content_hash, len(payload))
        assert _core.leaf(*facts).hex() == expected
        assert _core.leaf_hash(*facts) == leaf_hash(bytes.fromhex(expected))


def test_the_published_tree_of_this_store() -> None:
    hashes = [leaf_hash(bytes.fromhex(leaf)) for leaf in VECTORS["leaves"]]
    tiles = tiles_of(hashes)
    assert tiles.root(4).hex() == VECTORS["root"]
    assert tiles.root(2).hex() == VECTORS["root_size_2"]
    assert hexes(tiles.consistency(2, 4)) == VECTORS["consistency_2_to_4"]
    assert hexes(tiles.inclusion(2, 4)) == VECTORS["inclusion_index_2"]


def test_the_published_trees_of_the_standard() -> None:
    tiles = tiles_of([leaf_hash(bytes.fromhex(leaf)) for leaf in RFC_LEAVES])
    assert [tiles.root(size).hex() for size in range(1, 9)] == list(RFC_ROOTS)
    assert hexes(tiles.inclusion(0, 8)) == RFC_INCLUSION_OF_0_IN_8
    assert hexes(tiles.consistency(6, 8)) == RFC_CONSISTENCY_OF_6_TO_8
    assert tiles.root(0) == _core.empty_root() == Tree([]).root(0)


names = st.text(max_size=40)
hashes_32 = st.binary(min_size=32, max_size=32)


@given(names, names, st.integers(0, LARGEST), st.none() | hashes_32, hashes_32, st.integers(0, LARGEST))
def test_any_leaf(
    stream: str, writer: str, seq: int, prev_hash: bytes | None, content_hash: bytes, payload_len: int
) -> None:
    leaf = b"agent-store/entry/v1\n"
    for name in (stream.encode(), writer.encode()):
        leaf += len(name).to_bytes(2, "big") + name
    leaf += seq.to_bytes(8, "big") + bytes([prev_hash is not None]) + (prev_hash or bytes(32))
    leaf += content_hash + payload_len.to_bytes(8, "big")
    facts = (stream, writer, seq, prev_hash, content_hash, payload_len)
    assert _core.leaf(*facts) == leaf
    assert _core.leaf_hash(*facts) == leaf_hash(leaf)


def test_names_that_do_not_fit() -> None:
    longest = _core.leaf("s" * 65_000, "w" * 400, 1, None, bytes(32), 0)
    assert len(longest) == 65_400 + 106 <= 65_535
    assert _core.leaf_hash("s" * 65_000, "w" * 400, 1, None, bytes(32), 0) == leaf_hash(longest)
    with pytest.raises(ValueError, match="65400 bytes"):
        _core.leaf("s" * 65_000, "w" * 401, 1, None, bytes(32), 0)
    with pytest.raises(ValueError, match="65400 bytes"):
        _core.leaf_hash("ß" * 32_701, "", 1, None, bytes(32), 0)
    with pytest.raises(UnicodeEncodeError):
        _core.leaf("\ud800", "w", 1, None, bytes(32), 0)


@cache
def some() -> tuple[Tree, Tiles]:
    hashes = [leaf_hash(b"%d" % number) for number in range(SIZES)]
    return Tree(hashes), tiles_of(hashes)


def test_all_trees_and_all_their_proofs() -> None:
    tree, tiles = some()
    for size in range(SIZES + 1):
        root = tree.root(size)
        assert tiles.root(size) == root
        for index in range(size):
            proof = tiles.inclusion(index, size)
            assert proof == tree.inclusion(index, size)
            assert _core.root_from_inclusion(tree.hashes[index], index, size, proof) == root
        for old in range(size + 1):
            proof = tiles.consistency(old, size)
            assert proof == tree.consistency(old, size)
            assert _core.check_consistency(old, size, tree.root(old), root, proof)


@given(st.data())
def test_no_altered_inclusion_proof_leads_to_the_root(data: st.DataObject) -> None:
    tree, tiles = some()
    size = data.draw(st.integers(1, SIZES))
    index = data.draw(st.integers(0, size - 1))
    proof, leaf, root = tiles.inclusion(index, size), tree.hashes[index], tree.root(size)
    flipped = data.draw(st.integers(0, 255))
    for number, found in enumerate(proof):
        altered = [*proof[:number], flip(found, flipped), *proof[number + 1 :]]
        assert _core.root_from_inclusion(leaf, index, size, altered) != root
        assert refused(leaf, index, size, [*proof[:number], *proof[number + 1 :]])
        assert refused(leaf, index, size, [*proof[:number], found, *proof[number:]])
    for number in range(len(proof) - 1):
        swapped = [*proof[:number], proof[number + 1], proof[number], *proof[number + 2 :]]
        assert _core.root_from_inclusion(leaf, index, size, swapped) != root
    assert _core.root_from_inclusion(flip(leaf, flipped), index, size, proof) != root
    for other in range(size):
        if other != index:
            assert refused(leaf, other, size, proof) or _core.root_from_inclusion(leaf, other, size, proof) != root


@given(st.data())
def test_no_altered_consistency_proof_holds(data: st.DataObject) -> None:
    tree, tiles = some()
    new = data.draw(st.integers(1, SIZES))
    old = data.draw(st.integers(1, new))
    proof, old_root, new_root = tiles.consistency(old, new), tree.root(old), tree.root(new)
    flipped = data.draw(st.integers(0, 255))
    for number, found in enumerate(proof):
        for altered in (flip(found, flipped), None):
            other = [*proof[:number], *([altered] if altered else []), *proof[number + 1 :]]
            assert not _core.check_consistency(old, new, old_root, new_root, other)
        assert not _core.check_consistency(old, new, old_root, new_root, [*proof[:number], found, *proof[number:]])
    assert not _core.check_consistency(old, new, flip(old_root, flipped), new_root, proof)
    assert not _core.check_consistency(old, new, old_root, flip(new_root, flipped), proof)
    assert not _core.check_consistency(new + 1, new, old_root, new_root, proof)
    assert old == new or not _core.check_consistency(new, new, old_root, new_root, [])


def test_the_empty_tree_is_the_beginning_of_any_other_and_of_no_other_root() -> None:
    tree, _ = some()
    assert _core.check_consistency(0, 5, _core.empty_root(), tree.root(5), [])
    assert _core.check_consistency(0, 0, _core.empty_root(), _core.empty_root(), [])
    assert not _core.check_consistency(0, 0, _core.empty_root(), tree.root(1), [])
    assert not _core.check_consistency(0, 5, tree.root(1), tree.root(5), [])
    assert not _core.check_consistency(0, 5, _core.empty_root(), tree.root(5), [tree.root(5)])


def flip(found: bytes, bit: int) -> bytes:
    return (int.from_bytes(found, "big") ^ (1 << bit)).to_bytes(32, "big")


def refused(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bool:
    try:
        _core.root_from_inclusion(leaf, index, size, proof)
    except ValueError:
        return True
    return False
