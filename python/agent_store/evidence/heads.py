"""Signed heads: what a writer says itself of its log, so that who runs the store cannot speak for it.

The format is a signed note (docs/format.md) with this text, where base64 is that of RFC 4648:

    agent-store/head/v1
    <base64 of the stream's UTF-8>
    <writer: the Fingerprint of the key, in hex>
    <seq>
    <base64 of content_hash>
    <verifier key>
"""

from typing import TYPE_CHECKING, Any, NamedTuple

from agent_store._core import Entry, Fingerprint, Head
from agent_store.errors import EvidenceRefused, MalformedEvidence
from agent_store.evidence import note
from agent_store.evidence.keys import SIGNS, VerifierKey
from agent_store.evidence.sealing import check_alone
from agent_store.evidence.shelf import HEAD, Noted, Shelf
from agent_store.evidence.text import base64, from_base64, hash_of, number_of

if TYPE_CHECKING:
    from agent_store.evidence.keys import Signer
    from agent_store.log import WriterLog
    from agent_store.transaction import Binding

KIND = "agent-store/head/v1"
_WHAT = "signed head"


class SignedHead(NamedTuple):
    """Entry `seq` of a log, which with all before it is the writer's own, and the key that says so."""

    stream: str
    writer: str
    seq: int
    content_hash: bytes
    key: VerifierKey

    @property
    def text(self) -> str:
        """What is signed."""
        stream = base64(self.stream.encode())
        return f"{KIND}\n{stream}\n{self.writer}\n{self.seq}\n{base64(self.content_hash)}\n{self.key}\n"

    @property
    def name(self) -> str:
        """By which it is kept, with `seq` as the number."""
        return f"{base64(self.stream.encode())}\n{self.writer}"


def fingerprint(key: VerifierKey) -> str:
    """The writer that this key is of."""
    return Fingerprint.from_ed25519_public_key(key.public_key).hex


def parse(text: object) -> SignedHead:
    """A head that its writer has signed; MalformedEvidence, EvidenceRefused for any other text."""
    signed = note.parse(text, _WHAT)
    lines = signed.text.removesuffix("\n").split("\n")
    if len(lines) != 6 or lines[0] != KIND:
        raise MalformedEvidence(_WHAT, f"it is not {KIND}, stream, writer, seq, hash and verifier key, each on a line")
    _, stream, writer, seq, content_hash, key = lines
    try:
        name = from_base64(stream, _WHAT).decode()
    except UnicodeDecodeError:
        raise MalformedEvidence(_WHAT, "its stream is no UTF-8 text") from None
    head = SignedHead(name, writer, number_of(seq, _WHAT), hash_of(content_hash, _WHAT), VerifierKey.parse(key, SIGNS))
    if fingerprint(head.key) != writer:
        raise EvidenceRefused(
            _WHAT, f"its key is not that of the writer {writer!r}, whose name would be its fingerprint"
        )
    note.verify(signed, [head.key], _WHAT)
    return head


def stored(found: Noted) -> SignedHead:
    """As `parse`, of one that the store has, which must be the one that it was kept as."""
    head = parse(found.note or "")
    if (head.name, head.seq) != (found.name, found.number):
        raise EvidenceRefused(_WHAT, f"it is of entry {head.seq} of {head.stream!r}, and was kept as another")
    return head


def sign(binding: "Binding", log: "WriterLog", signer: "Signer") -> str:
    """`WriterLog.sign`."""
    key = VerifierKey.of(signer)
    if fingerprint(key) != log.writer:
        raise ValueError(
            f"a writer signs its own log: the writer of this one would have to be named {fingerprint(key)!r}, "
            f"Fingerprint.from_ed25519_public_key(key.public_key).hex, and is {log.writer!r}"
        )
    check_alone(binding, "sign()")
    shelf = Shelf(binding)
    head = log.verify(since=_since(shelf, log, key))
    if head is None:
        raise ValueError(f"{log!r} is empty: there is no head to sign")
    signing = SignedHead(log.stream, log.writer, head.seq, head.content_hash, key)
    known = shelf.note(HEAD, signing.name, signing.seq)
    if known is not None:
        return _same(known, signing)
    text = note.sign(signing.text, signer)

    def keep(tx: Any) -> str:
        known = shelf.note(HEAD, signing.name, signing.seq, tx)
        if known is not None:
            return _same(known, signing)
        shelf.add_note(HEAD, signing.name, signing.seq, text, tx)
        return text

    return shelf.written("sign()", keep)


def _since(shelf: Shelf, log: "WriterLog", key: VerifierKey) -> Head | None:
    """The newest head that this key has signed: what is up to there it has looked at already."""
    empty = SignedHead(log.stream, log.writer, 0, b"", key)
    found = shelf.newest(HEAD, empty.name)
    if found is None:
        return None
    before = stored(found)
    return Head(before.stream, before.writer, before.seq, before.content_hash)


def _same(text: str, signing: SignedHead) -> str:
    if parse(text)[:4] != signing[:4]:
        raise EvidenceRefused(_WHAT, f"entry {signing.seq} was signed with another hash before")
    return text


def difference(head: SignedHead, entry: Entry | None) -> str | None:
    """Why what the store has there is not what the writer signed."""
    if entry is None:
        return f"its writer signed entry {head.seq}, and the log has no such entry"
    if entry.content_hash != head.content_hash:
        return f"its writer signed another entry {head.seq} than the log has"
    return None
