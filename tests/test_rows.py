"""What a backend in Python has of the core to write with: chains extended, and blocks of a binary COPY."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_store import _core
from blake3_rule import blake3

LARGEST = 2**63 - 1
HASH = bytes(range(32))


def content_hash(prev: bytes | None, payload: bytes) -> bytes:
    return blake3((prev or b"") + payload)


@given(st.lists(st.binary(max_size=200)), st.booleans())
def test_a_log_is_extended_after_its_head(payloads: list[bytes], empty: bool) -> None:
    seq, prev = (0, None) if empty else (7, HASH)
    rows = _core.extend(100, 3, seq, prev, payloads)
    expected = []
    for number, payload in enumerate(payloads):
        prev = content_hash(prev, payload)
        expected.append((100 + number, 3, seq + 1 + number, prev, payload))
    assert rows == expected


def test_payloads_are_not_copied() -> None:
    payload = b"x" * 100_000
    [row] = _core.extend(1, 1, 0, None, [payload])
    assert row[4] is payload
    [row] = _core.extend_rows(1, [("s", "w", payload)], {("s", "w"): (1, 0, None)})
    assert row[4] is payload


def test_many_logs_are_extended_in_their_order() -> None:
    heads: dict[tuple[str, str], tuple[int, int, bytes | None]] = {
        ("s", "a"): (4, 2, HASH),
        ("s", "b"): (9, 0, None),
        ("t", "a"): (5, 1, HASH),
    }
    rows = _core.extend_rows(11, [("s", "b", b"1"), ("s", "a", b"2"), ("s", "b", b"3")], heads)
    first, second = content_hash(None, b"1"), content_hash(HASH, b"2")
    third = content_hash(first, b"3")
    assert rows == [(11, 9, 1, first, b"1"), (12, 4, 3, second, b"2"), (13, 9, 2, third, b"3")]
    assert heads == {("s", "a"): (4, 3, second), ("s", "b"): (9, 2, third), ("t", "a"): (5, 1, HASH)}


def test_what_cannot_be_extended_leaves_the_heads_as_they_were() -> None:
    heads: dict[tuple[str, str], tuple[int, int, bytes | None]] = {
        ("s", "a"): (1, 1, HASH),
        ("s", "full"): (2, LARGEST, HASH),
        ("s", "short"): (3, 1, b"short"),
    }
    before = dict(heads)
    for writer, error in (("full", OverflowError), ("short", ValueError), ("absent", KeyError)):
        with pytest.raises(error):
            _core.extend_rows(1, [("s", "a", b""), ("s", writer, b"")], heads)
        assert heads == before


def test_numbers_end() -> None:
    with pytest.raises(OverflowError, match="seq"):
        _core.extend(1, 1, LARGEST, HASH, [b""])
    with pytest.raises(OverflowError, match="position"):
        _core.extend(LARGEST, 1, 0, None, [b"", b""])
    with pytest.raises(OverflowError, match="position"):
        _core.extend_rows(LARGEST, [("s", "w", b"")] * 2, {("s", "w"): (1, 0, None)})
    assert _core.extend(LARGEST, 1, LARGEST - 1, HASH, [b""])[0][:3] == (LARGEST, 1, LARGEST)


def test_a_block_is_a_whole_binary_copy() -> None:
    rows = [(1, 2, 3, HASH, b"hello"), (LARGEST, 1, 1, HASH, b"")]
    expected = b"PGCOPY\n\xff\r\n\0" + bytes(8)
    for position, log, seq, hash_, payload in rows:
        expected += struct.pack("!hiqiqiq", 5, 8, position, 8, log, 8, seq)
        for blob in (hash_, payload):
            expected += struct.pack("!i", len(blob)) + blob
    assert _core.copy_block(rows) == expected + b"\xff\xff"
    assert _core.copy_block([]) == b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\xff\xff"


def test_what_an_append_did_can_be_made_in_python() -> None:
    appended = _core.Appended(2, 5, HASH, bytes(32), 9)
    assert (appended.count, appended.seq, appended.prev_hash) == (2, 5, HASH)
    assert (appended.content_hash, appended.position) == (bytes(32), 9)
    entry = appended.entry("s", "w", b"x")
    assert (entry.seq, entry.prev_hash, entry.position, entry.payload) == (5, HASH, 9, b"x")
    with pytest.raises(ValueError, match="prev_hash"):
        _core.Appended(1, 1, b"short", bytes(32), 1)
