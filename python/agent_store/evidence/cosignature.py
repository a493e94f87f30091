"""Cosignatures: what a witness says of a checkpoint, and when.

The format is C2SP's tlog-cosignature v1 for Ed25519 (https://c2sp.org/tlog-cosignature).
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from agent_store.errors import EvidenceRefused
from agent_store.evidence import note
from agent_store.evidence.checkpoint import Checkpoint
from agent_store.evidence.keys import COSIGNS, TIME, VerifierKey, cosigned_message
from agent_store.evidence.text import checked_text

if TYPE_CHECKING:
    from agent_store.evidence.keys import Signer


def cosign(checkpoint: Checkpoint, signer: "Signer", time: int) -> note.Signature:
    """The signer's cosignature; `time` in seconds since 1970."""
    key, text = VerifierKey.of(signer, COSIGNS), checkpoint.note.text
    signature = bytes(memoryview(signer.sign(cosigned_message(time, text))))
    blob = time.to_bytes(TIME) + signature
    if key.verify(text, blob) is None:
        raise EvidenceRefused("signature", f"what the signer {key.name!r} made is not right under its own public key")
    return note.Signature(key.name, key.key_id, blob)


def parse(lines: str) -> tuple[note.Signature, ...]:
    """What a witness answers: signature lines. The last line end may be missing, as a shell's `$(…)` takes it."""
    text = checked_text(lines, "cosignature")
    return note.parse_lines(text if text.endswith("\n") else f"{text}\n", "cosignature")


def add(checkpoint: Checkpoint, signatures: Iterable[note.Signature]) -> Checkpoint:
    """The checkpoint with these below it, each in the place of those that the same key made before."""
    kept = list(checkpoint.note.signatures)
    for new in signatures:
        kept = [one for one in kept if (one.name, one.key_id) != (new.name, new.key_id)]
        kept.append(new)
    return Checkpoint(str(note.Note(checkpoint.note.text, tuple(kept))))


def times(checkpoint: Checkpoint, witnesses: Iterable[VerifierKey]) -> dict[VerifierKey, int]:
    """Which of these witnesses have cosigned it, and when: of several cosignatures the newest.

    EvidenceRefused where one by a key among them is wrong.
    """
    found: dict[VerifierKey, int] = {}
    known = tuple(witnesses)
    named = {(key.name, key.key_id) for key in known}
    if not any((one.name, one.key_id) in named for one in checkpoint.note.signatures):
        return found
    for one in note.verify(checkpoint.note, known, "checkpoint"):
        found[one.key] = max(one.time or 0, found.get(one.key, 0))
    return found
