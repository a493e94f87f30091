"""Signed notes: a text and lines with signatures of it.

The format is C2SP's signed-note v1 (https://c2sp.org/signed-note), its rules those of Go's golang.org/x/mod/sumdb/note.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from agent_store.errors import EvidenceRefused, MalformedEvidence
from agent_store.evidence.text import base64, checked_text, from_base64, short

if TYPE_CHECKING:
    from agent_store.evidence.keys import Signer, VerifierKey

MOST_SIGNATURES = 100
DASH = "\N{EM DASH} "


class Signature(NamedTuple):
    """One line below a text: who says to have signed it, with which key, and the bytes that are to show it."""

    name: str
    key_id: bytes  # 4
    blob: bytes

    @property
    def line(self) -> str:
        """As it stands in a note, with its line end."""
        return f"{DASH}{self.name} {base64(self.key_id + self.blob)}\n"


class Note(NamedTuple):
    """A text, which ends in a line end, and the lines below it. Nothing is verified yet."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(signature.line for signature in self.signatures)}"


class Unsigned(EvidenceRefused):
    """None of the keys that were given has signed it."""


class Verified(NamedTuple):
    """A signature that is right, and by which key; `time` is what a cosignature says, in seconds since 1970."""

    key: "VerifierKey"
    signature: Signature
    time: int | None


def parse(text: object, what: str = "signed note") -> Note:
    """MalformedEvidence for a text that is none; `what` it is, for the error."""
    whole = checked_text(text, what)
    body, separator, lines = whole.rpartition("\n\n")
    if not separator:
        raise MalformedEvidence(what, "no empty line stands before the signatures")
    return Note(f"{body}\n", parse_lines(lines, what))


def parse_lines(lines: str, what: str) -> tuple[Signature, ...]:
    """Signature lines alone, at least one."""
    *each, last = lines.split("\n")
    if last or not each:
        raise MalformedEvidence(what, "it does not end with a whole line of a signature")
    if len(each) > MOST_SIGNATURES:
        raise MalformedEvidence(what, f"it has {len(each)} signatures, and {MOST_SIGNATURES} are the most")
    return tuple(_signature(line, what) for line in each)


def _signature(line: str, what: str) -> Signature:
    if not line.startswith(DASH):
        raise MalformedEvidence(what, f"{short(line)} is no line of a signature")
    name, _, encoded = line.removeprefix(DASH).partition(" ")
    if not is_name(name):
        raise MalformedEvidence(what, f"{short(name)} is no name of a key")
    data = from_base64(encoded, what)
    if len(data) < 5:
        raise MalformedEvidence(what, f"the signature of {short(name)} has no bytes after its key's id")
    return Signature(name, data[:4], data[4:])


def is_name(name: str) -> bool:
    """Whether a key may be named so: not empty, no plus, no space that Unicode knows, nothing that a note refuses."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return bool(name) and not any(one.isspace() or one == "+" or one < " " for one in name)


def sign(text: str, *signers: "Signer") -> str:
    """A note: `text`, which ends in a line end, signed by each.

    EvidenceRefused where a signature is not right under its signer's own public key.
    """
    checked_text(text, "text to sign")
    if not text.endswith("\n"):
        raise ValueError("the text of a note ends in a line end")
    return str(Note(text, tuple(signature_of(text, signer) for signer in signers)))


def signature_of(text: str, signer: "Signer") -> Signature:
    """The signer's, over a text of ours."""
    from agent_store.evidence.keys import VerifierKey

    key = VerifierKey.of(signer)
    blob = bytes(memoryview(signer.sign(text.encode())))
    signature = Signature(key.name, key.key_id, blob)
    if key.verify(text, blob) is None:
        raise EvidenceRefused("signature", f"what the signer {key.name!r} made is not right under its own public key")
    return signature


def verify(note: Note, keys: "Iterable[VerifierKey]", what: str = "signed note") -> list[Verified]:
    """The signatures by these keys, all of which are right, at least one.

    EvidenceRefused where one of them is wrong, whatever the others are, or where there is none. Signatures by other
    keys say nothing and are passed over.
    """
    known = {(key.name, key.key_id): key for key in keys}
    found = []
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is None:
            continue
        right = key.verify(note.text, signature.blob)
        if right is None:
            raise EvidenceRefused(what, f"the signature of {key.name!r} is wrong")
        found.append(Verified(key, signature, right.time))
    if not found:
        names = ", ".join(dict.fromkeys(repr(key.name) for key in known.values()))
        raise Unsigned(what, f"no key that was given has signed it ({names or 'none was given'})")
    return found
