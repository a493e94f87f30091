"""Verifies a receipt of an agent-store without agent-store: for whoever does not trust who made it, nor its programs.

    pip install cryptography
    python verify_receipt.py order.tlog-proof order.json VERIFIER-KEY [--witness VERIFIER-KEY …]

order.json has the facts of the entry: stream, writer, seq, prev_hash and content_hash (hex, null before entry 1), and
payload (base64) or payload_len (bytes). A line of `agent-store export` or `show --json` is one. The verifier key of the
store, and those of witnesses, come from elsewhere: who hands out the receipt must not choose them. It exits with 0
where the receipt proves that the entry is in that store, and every witness asked for has cosigned; else with 1.

This one file is all there is to read. It follows C2SP's tlog-proof, tlog-checkpoint, signed-note and tlog-cosignature
(https://c2sp.org), and RFC 6962 for the tree. The payload's hash is BLAKE3: `pip install blake3` to compare it too.
"""

import argparse
import base64
import hashlib
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LOG, WITNESS = 0x01, 0x04


class Refused(Exception):
    """The receipt does not prove it, and why."""


def need(holds: object, why: str) -> None:
    if not holds:
        raise Refused(why)


def decoded(text: str) -> bytes:
    """Base64 in its one spelling."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise Refused(f"{text[:80]!r} is no base64") from None
    need(base64.b64encode(data).decode() == text, f"{text[:80]!r} is no base64 as it is written")
    return data


def number(text: str) -> int:
    need(text.isascii() and text.isdigit() and len(text) <= 19, f"{text[:80]!r} is no number")
    value = int(text)
    need(str(value) == text and value < 1 << 63, f"{text!r} is no number as it is written")
    return value


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def blake3(data: bytes) -> bytes | None:
    """None where nothing that computes it is installed."""
    try:
        return bytes(import_module("blake3").blake3(data).digest())
    except ImportError:
        return None


def verifier(vkey: str, kind: int) -> tuple[str, bytes, Ed25519PublicKey]:
    """Of `<name>+<key id>+<base64>`: the name, the id, and the key."""
    name, *rest = vkey.split("+", 2)
    need(name and len(rest) == 2, f"{vkey[:80]!r} is no verifier key")
    key = decoded(rest[1])
    need(len(key) == 33 and key[0] == kind, f"the verifier key of {name!r} is not of type 0x{kind:02x}")
    key_id = sha256(name.encode() + b"\n" + key)[:4]
    need(key_id.hex() == rest[0], f"the verifier key of {name!r} has another id")
    return name, key_id, Ed25519PublicKey.from_public_bytes(key[1:])


def signed_by(vkey: str, kind: int, text: str, lines: list[str]) -> bool:
    """Whether it has signed; a signature of its own that is wrong is refused, whatever else there is."""
    name, key_id, key = verifier(vkey, kind)
    found = False
    for line in lines:
        blob = decoded(line.removeprefix(f"— {name} ")) if line.startswith(f"— {name} ") else b""
        if blob[:4] != key_id:
            continue
        message, signature = text.encode(), blob[4:]
        if kind == WITNESS:
            seconds = int.from_bytes(signature[:8])
            message, signature = f"cosignature/v1\ntime {seconds}\n{text}".encode(), signature[8:]
            need(seconds < 1 << 63, f"the time of {name!r} is no time")
        try:
            key.verify(signature, message)
        except InvalidSignature:
            raise Refused(f"the signature of {name!r} is wrong") from None
        found = True
    return found


def has_payload(entry: dict[str, Any]) -> bool:
    """False where it is withheld, or was erased: then there is none, or an empty one in its place."""
    need(not entry.get("erased") or not entry.get("payload"), "a payload is there that is said to be erased")
    return entry.get("payload") is not None and not entry.get("erased")


def leaf_hash(entry: dict[str, Any]) -> bytes:
    """What the tree has of an entry: its names, its place in its log, its hashes and the length of its payload."""
    stream, writer = entry["stream"].encode(), entry["writer"].encode()
    before, content = bytes.fromhex(entry["prev_hash"] or ""), bytes.fromhex(entry["content_hash"])
    length: int | None = entry.get("payload_len")
    if has_payload(entry):
        payload = decoded(entry["payload"])
        need(length in {None, len(payload)}, "payload_len is not the length of the payload")
        length = len(payload)
        need(blake3(before + payload) in {content, None}, "content_hash is not that of the payload")
    need(len(before) == (0 if entry["seq"] == 1 else 32), "prev_hash is missing at seq 1, and nowhere else")
    need(len(content) == 32, "content_hash is no hash")
    if length is None:
        raise Refused("neither payload nor payload_len is told")
    return sha256(
        b"\0agent-store/entry/v1\n"
        + b"".join(len(name).to_bytes(2) + name for name in (stream, writer))
        + entry["seq"].to_bytes(8)
        + bytes([bool(before)])
        + before.ljust(32, b"\0")
        + content
        + length.to_bytes(8)
    )


def root_of(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes:
    """RFC 6962, section 2.1.1: from the leaf to the root; `first` and `last` number the nodes of a level."""
    first, last, node = index, size - 1, leaf
    for sibling in proof:
        need(last, "the receipt has too many hashes")
        if first % 2 or first == last:
            node = sha256(b"\1" + sibling + node)
            while not first % 2:  # no sibling here: the node stands alone up to where it is a right one
                first, last = first // 2, last // 2
        else:
            node = sha256(b"\1" + node + sibling)
        first, last = first // 2, last // 2
    need(not last, "the receipt has too few hashes")
    return node


def verify(receipt: str, entry: dict[str, Any], vkey: str, witnesses: list[str]) -> tuple[str, int]:
    """The origin and the size of the checkpoint that covers the entry; Refused where the receipt does not prove it."""
    need(not any(one < " " and one != "\n" for one in receipt), "the receipt has control characters in it")
    head, _, note = receipt.partition("\n\n")
    magic, *lines = head.split("\n")
    need(magic == "c2sp.org/tlog-proof@v1", "this is no receipt")
    if lines and lines[0].startswith("extra "):
        decoded(lines.pop(0).removeprefix("extra "))
    need(lines and lines[0].startswith("index "), "the receipt has no index")
    index, proof = number(lines[0].removeprefix("index ")), [decoded(line) for line in lines[1:]]
    need(all(len(one) == 32 for one in proof), "the receipt has a hash that is none")

    text, _, below = note.rpartition("\n\n")
    *signatures, end = below.split("\n")
    need(not end and 0 < len(signatures) <= 100, "the checkpoint does not end with lines of signatures")
    for line in signatures:
        need(line.startswith("— ") and line.count(" ") == 2, "the checkpoint has a line that is no signature")
        need(len(decoded(line.split(" ")[2])) > 4, "the checkpoint has a signature without bytes")
    origin, *numbers = text.split("\n")
    need(len(numbers) >= 2 and "" not in numbers, "the checkpoint is not origin, size and root")
    size, root = number(numbers[0]), decoded(numbers[1])

    need(origin == vkey.partition("+")[0], f"the receipt is of the store {origin!r}, and the key of another")
    need(signed_by(vkey, LOG, f"{text}\n", signatures), "the store's key has not signed the checkpoint")
    for witness in witnesses:
        need(signed_by(witness, WITNESS, f"{text}\n", signatures), f"{witness.partition('+')[0]!r} has not cosigned")
    need(index < size, "the entry is not below the checkpoint's size")
    need(entry.get("position") in {None, index + 1}, "the receipt is of another position")
    need(root_of(leaf_hash(entry), index, size, proof) == root, "the hashes do not lead from the entry to the root")
    return origin, size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("receipt", type=Path)
    parser.add_argument("entry", type=Path)
    parser.add_argument("vkey")
    parser.add_argument("--witness", action="append", default=[])
    given = parser.parse_args()
    try:
        entry = json.loads(given.entry.read_text("utf-8"))
        # As it is: a reader that makes line ends of others would verify another text.
        origin, size = verify(given.receipt.read_bytes().decode(), entry, given.vkey, given.witness)
    except (Refused, UnicodeDecodeError) as error:
        sys.exit(f"not proven: {error}")
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        sys.exit(f"not proven: {given.entry} has not the facts of an entry ({error})")
    place = f"entry {entry['seq']} of {entry['stream']!r} by {entry['writer']!r}"
    print(f"proven: {place} is among the first {size} entries of {origin}")
    if not has_payload(entry) or blake3(b"") is None:
        print("not compared: the payload with content_hash")


if __name__ == "__main__":
    main()
