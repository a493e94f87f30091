"""Two histories of one log, and a witness that is asked to cosign them."""

from agent_store.evidence import proof
from agent_store.evidence.witness import Witness
from notes import Sealed, entries

HONEST = Sealed(entries(40))
FORGED = Sealed(entries(40, b"forged!"))
"""The same key, and another history from the first entry on."""


def consistency(sealed: Sealed, old: int, size: int) -> str:
    return str(proof.Consistency(old, tuple(sealed.tree.consistency(old, size)), sealed.checkpoint(size)))


def cosign(witness: Witness, old: int, size: int, sealed: Sealed = HONEST) -> str:
    return witness.cosign(sealed.checkpoint(size), consistency(sealed, old, size))
