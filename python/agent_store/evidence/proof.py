"""Consistency proofs as text: that one checkpoint's tree is the beginning of another's.

The format is that of a request to a witness, C2SP's tlog-witness (https://c2sp.org/tlog-witness, add-checkpoint).
"""

from collections.abc import Sequence
from typing import NamedTuple

from agent_store.errors import MalformedEvidence
from agent_store.evidence.checkpoint import Checkpoint
from agent_store.evidence.text import base64, checked_text, hash_of, number_of

_WHAT = "consistency proof"
LONGEST = 63
"""Hashes: what trees of 2^63 leaves need at most, and what C2SP allows."""


class Consistency(NamedTuple):
    """From which size the proof is, its hashes (RFC 6962, section 2.1.2), and the checkpoint that it leads to."""

    old: int
    hashes: tuple[bytes, ...]
    checkpoint: Checkpoint

    def __str__(self) -> str:
        return f"old {self.old}\n{lines_of(self.hashes)}\n{self.checkpoint!s}"


def lines_of(hashes: Sequence[bytes]) -> str:
    """Each on a line, in base64."""
    return "".join(f"{base64(one)}\n" for one in hashes)


def parse(text: str) -> Consistency:
    """MalformedEvidence for a text that is none."""
    # The proof has no empty line in it, so the first ends it.
    head, separator, checkpoint = checked_text(text, _WHAT).partition("\n\n")
    first, *lines = head.split("\n")
    keyword, space, number = first.partition(" ")
    if not separator or (keyword, space) != ("old", " "):
        raise MalformedEvidence(_WHAT, "it is not `old <size>`, hashes, an empty line and a checkpoint")
    if len(lines) > LONGEST:
        raise MalformedEvidence(_WHAT, f"it has {len(lines)} hashes, and {LONGEST} are the most")
    hashes = tuple(hash_of(line, _WHAT) for line in lines)
    return Consistency(number_of(number, _WHAT), hashes, Checkpoint(checkpoint))
