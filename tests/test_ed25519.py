"""Signing and verifying: known answers, and what a lax verifier would take."""

import base64
import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_store import _core

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "evidence_vectors.json").read_text())
ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of the group: RFC 8032, 5.1."""


def public_key(vkey: str) -> bytes:
    return base64.b64decode(vkey.split("+", 2)[2])[1:]


@pytest.mark.parametrize("who", ["log", "witness"])
def test_the_published_keys_of_this_store(who: str) -> None:
    key = _core.Ed25519(bytes.fromhex(VECTORS[f"{who}_seed"]))
    assert key.public_key == public_key(VECTORS[f"{who}_vkey"])


def test_the_published_checkpoint_of_this_store() -> None:
    key = _core.Ed25519(bytes.fromhex(VECTORS["log_seed"]))
    text, _, lines = VECTORS["checkpoint"].partition("\n\n")
    signature = base64.b64decode(lines.splitlines()[0].split(" ")[2])[4:]
    message = f"{text}\n".encode()
    assert key.sign(message) == signature
    assert _core.ed25519_verify(key.public_key, message, signature)


def test_another_programs_note() -> None:
    note = VECTORS["foreign_note"]
    signature = base64.b64decode(note["signature"])[4:]
    assert _core.ed25519_verify(public_key(note["vkey"]), note["text"].encode(), signature)
    assert not _core.ed25519_verify(public_key(note["vkey"]), note["text"].encode() + b"\n", signature)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=300), st.integers(0, 511))
def test_what_is_signed_holds_and_nothing_else(seed: bytes, message: bytes, bit: int) -> None:
    key = _core.Ed25519(seed)
    signature = key.sign(message)
    assert _core.ed25519_verify(key.public_key, message, signature)
    altered = (int.from_bytes(signature, "big") ^ (1 << bit)).to_bytes(64, "big")
    assert not _core.ed25519_verify(key.public_key, message, altered)
    assert not _core.ed25519_verify(key.public_key, message + b"\0", signature)
    assert not _core.ed25519_verify(_core.Ed25519(bytes(32)).public_key, message, signature) or seed == bytes(32)


def test_a_second_signature_of_the_same_message() -> None:
    """s + the order of the group solves the same equation; it is to be refused."""
    key = _core.Ed25519(bytes(32))
    signature = key.sign(b"once")
    second = int.from_bytes(signature[32:], "little") + ORDER
    assert not _core.ed25519_verify(key.public_key, b"once", signature[:32] + second.to_bytes(32, "little"))


def test_a_key_under_which_anything_holds() -> None:
    """The neutral point: with it a lax verifier takes one signature for all messages."""
    neutral = bytes([1, *bytes(31)])
    assert not _core.ed25519_verify(neutral, b"anything", neutral + bytes(32))
    assert not _core.ed25519_verify(b"\xff" * 32, b"anything", bytes(64))


def test_seeds_are_new_and_stay_in() -> None:
    seeds = {_core.new_seed() for _ in range(100)}
    assert len(seeds) == 100
    assert {len(seed) for seed in seeds} == {32}
    key = _core.Ed25519(bytes(range(32)))
    assert bytes(range(32)).hex() not in repr(key)
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(key)
    with pytest.raises(TypeError, match="pickle"):
        copy.copy(key)


def test_what_is_no_key_and_no_signature() -> None:
    with pytest.raises(ValueError, match="seed must be 32 bytes, not 31"):
        _core.Ed25519(bytes(31))
    with pytest.raises(ValueError, match="public key must be 32 bytes, not 33"):
        _core.ed25519_verify(bytes(33), b"", bytes(64))
    with pytest.raises(ValueError, match="signature must be 64 bytes, not 63"):
        _core.ed25519_verify(bytes(32), b"", bytes(63))
