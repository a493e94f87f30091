"""The tree as it is stored: tiles grow with their leaves, and no number is too large or too odd for them."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_store import _core
from tree_model import Tiles, Tree, leaf_hash, node

LARGEST = 2**63 - 1
HASHES = [leaf_hash(b"%d" % number) for number in range(1_400)]


def levels_of(hashes: list[bytes]) -> dict[tuple[int, int], bytes]:
    """The tiles of a tree as the format says."""
    tiles: dict[tuple[int, int], bytes] = {}
    level = 0
    while hashes:
        parts = [hashes[first : first + 256] for first in range(0, len(hashes), 256)]
        tiles |= {(level, number): b"".join(part) for number, part in enumerate(parts)}
        hashes = [Tree(part).root(256) for part in parts if len(part) == 256]
        level += 1
    return tiles


@given(st.lists(st.sampled_from([0, 1, 2, 100, 255, 256, 257, 512, 700]), max_size=6))
def test_tiles_grown_in_steps_are_those_of_the_whole_tree(steps: list[int]) -> None:
    tiles = Tiles()
    for step in steps:
        before, size = dict(tiles), tiles.size
        grown = tiles.add(HASHES[size : size + step])
        assert set(grown) == {place for place, tile in tiles.items() if before.get(place) != tile}
        assert tiles == levels_of(HASHES[: tiles.size])
        assert tiles.root(tiles.size) == Tree(HASHES).root(tiles.size)
        # What was proven goes on being proven, from tiles that have grown since.
        assert tiles.root(size) == Tree(HASHES).root(size)


def test_a_third_level() -> None:
    tiles = Tiles()
    hashes = [number.to_bytes(32, "big") for number in range(65_537)]
    tiles.add(hashes[:65_535])
    assert _core.edge_of(65_535) == [(0, 255, 255), (1, 0, 255)]
    assert sorted(tiles.add(hashes[65_535:65_536])) == [(0, 255), (1, 0), (2, 0)]
    assert _core.edge_of(65_536) == [(0, 256, 0), (1, 1, 0), (2, 0, 1)]
    assert tiles.root(65_536) == tiles[2, 0]
    tiles.add(hashes[65_536:])
    assert tiles.root(65_537) == node(tiles[2, 0], hashes[65_536])
    assert _core.inclusion_needs(0, 65_537) == [(0, 0, 256), (1, 0, 256), (0, 256, 1)]
    proof = tiles.inclusion(300, 65_537)
    assert _core.root_from_inclusion(hashes[300], 300, 65_537, proof) == tiles.root(65_537)


@pytest.mark.parametrize("size", [1, 255, 256, 65_536, 1_000_000, 2**40 - 1, 2**62, LARGEST])
def test_a_proof_needs_a_few_tiles(size: int) -> None:
    """What stands in a database is read one by one: two for each level that there is."""
    levels = len(_core.edge_of(size))
    for index in {0, size // 3, size // 2, size - 1}:
        for needs in (_core.inclusion_needs(index, size), _core.consistency_needs(index, size)):
            assert len(needs) == len({(level, number) for level, number, _ in needs}) <= 2 * levels
            for level, number, width in needs:
                assert width == min(256, (size >> 8 * level) - 256 * number) > 0


def test_the_largest_tree() -> None:
    edge = [bytes(32 * width) for _, _, width in _core.edge_of(LARGEST)]
    assert len(edge) == 8
    root = _core.root_of(LARGEST, edge)
    with pytest.raises(OverflowError):
        _core.grow(LARGEST, edge, bytes(32))
    for index in (0, LARGEST // 2, LARGEST - 1):
        tiles = [bytes(32 * width) for _, _, width in _core.inclusion_needs(index, LARGEST)]
        assert len(_core.root_from_inclusion(bytes(32), index, LARGEST, _core.inclusion(index, LARGEST, tiles))) == 32
        tiles = [bytes(32 * width) for _, _, width in _core.consistency_needs(index, LARGEST)]
        proof = _core.consistency(index, LARGEST, tiles)
        assert not _core.check_consistency(index, LARGEST, bytes(32), root, proof)


OF_A_SIZE: dict[str, Callable[[int], object]] = {
    "edge_of": _core.edge_of,
    "root_of": lambda size: _core.root_of(size, []),
    "grow": lambda size: _core.grow(size, [], b""),
    "inclusion_needs": lambda size: _core.inclusion_needs(0, size),
    "inclusion_needs of": lambda size: _core.inclusion_needs(size, 7),
    "consistency_needs": lambda size: _core.consistency_needs(0, size),
    "consistency_needs of": lambda size: _core.consistency_needs(size, 7),
    "root_from_inclusion": lambda size: _core.root_from_inclusion(bytes(32), 0, size, []),
    "root_from_inclusion of": lambda size: _core.root_from_inclusion(bytes(32), size, 7, []),
    "check_consistency": lambda size: _core.check_consistency(0, size, bytes(32), bytes(32), []),
    "leaf": lambda size: _core.leaf("s", "w", size, None, bytes(32), 0),
    "leaf_hash": lambda size: _core.leaf_hash("s", "w", 1, None, bytes(32), size),
}


@pytest.mark.parametrize("call", OF_A_SIZE.values(), ids=OF_A_SIZE)
@pytest.mark.parametrize("size", [-1, LARGEST + 1, 2**64, 10**30])
def test_a_number_that_is_no_size(call: Callable[[int], object], size: int) -> None:
    with pytest.raises(ValueError, match=re.escape("from 0 to 2^63 - 1")):
        call(size)


WRONG = r"hashes|tiles"


def test_what_is_no_tree() -> None:
    whole = b"".join(HASHES[:300])
    for wrong in ([], [whole[: 44 * 32]], [whole[: 43 * 32], b""], [whole[: 44 * 32 + 1], whole[:32]]):
        with pytest.raises(ValueError, match=WRONG):
            _core.root_of(300, wrong)
        with pytest.raises(ValueError, match=WRONG):
            _core.grow(300, wrong, whole)
        with pytest.raises(ValueError, match=WRONG):
            _core.inclusion(299, 300, wrong)
    with pytest.raises(ValueError, match="31 bytes"):
        _core.grow(0, [], bytes(31))
    with pytest.raises(ValueError, match="index 300"):
        _core.inclusion_needs(300, 300)
    with pytest.raises(ValueError, match="index 0"):
        _core.root_from_inclusion(bytes(32), 0, 0, [])
    with pytest.raises(ValueError, match="did not begin as one of 301"):
        _core.consistency(301, 300, [])
    with pytest.raises(ValueError, match="must be 32 bytes"):
        _core.root_from_inclusion(bytes(32), 0, 2, [bytes(31)])
    with pytest.raises(ValueError, match="must be 32 bytes"):
        _core.check_consistency(1, 2, bytes(32), bytes(33), [])
    assert not _core.grow(0, [], b"")
    assert not _core.edge_of(0)
