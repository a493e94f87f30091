"""A store as a witness for others: it remembers what their logs were, and cosigns only what extends that.

What it does is C2SP's tlog-witness (https://c2sp.org/tlog-witness), without HTTP. A log that shows different histories
to different people needs a cosignature for each, and gets one for one.
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from agent_store._core import check_consistency, empty_root
from agent_store.errors import ChainBroken, EvidenceRefused, ForkFound, MalformedEvidence, WitnessBehind
from agent_store.evidence import cosignature, proof
from agent_store.evidence.checkpoint import Checkpoint, verified
from agent_store.evidence.keys import COSIGNS, Keys, VerifierKey
from agent_store.evidence.policy import Policy, logs_of
from agent_store.evidence.sealing import check_alone
from agent_store.evidence.shelf import FORK, WITNESSED, Noted, Shelf
from agent_store.evidence.text import HASH, short

if TYPE_CHECKING:
    from agent_store.evidence.keys import Signer
    from agent_store.transaction import Binding

Proof: TypeAlias = str | Sequence[bytes]
Logs: TypeAlias = Policy | Keys
_CALL = "cosign()"
_WHAT, _PROOF = "checkpoint", "consistency proof"


class Fork(NamedTuple):
    """Two checkpoints of one origin and size with different roots, both signed by its key, which alone could."""

    origin: str
    size: int
    ours: Checkpoint
    theirs: Checkpoint


class Witness:
    """A store that cosigns others' checkpoints with a key. Made by `store.witness(key)`."""

    def __init__(self, binding: "Binding", key: "Signer", policy: Logs | None = None) -> None:
        self._verifier = VerifierKey.of(key, COSIGNS)
        self._binding, self._signer = binding, key
        self._logs = None if policy is None else logs_of(policy)
        self._shelf = Shelf(binding)

    @property
    def name(self) -> str:
        """Its key's."""
        return self._verifier.name

    @property
    def verifier(self) -> str:
        """The verifier key (type 0x04) that others need to verify its cosignatures: no secret."""
        return str(self._verifier)

    def __repr__(self) -> str:
        return f"Witness({self.verifier!r})"

    def cosign(self, note: "str | Checkpoint", proof: Proof = (), policy: Logs | None = None) -> str:
        """The line of its cosignature, if `note` is a checkpoint that extends all that it cosigned of that origin.

        `proof` is the text of `store.consistency`, or the hashes alone, from the size that it knows: none for the first
        checkpoint of an origin, and for one that it knows already, which it cosigns anew with the time of now. `policy`
        has the logs that it knows (a Policy, its text, or their verifier keys); it says nothing of witnesses here. What
        it cosigns is on disk before this returns.

        EvidenceRefused for an unknown origin, a checkpoint that its key has not signed, and a proof that does not hold.
        WitnessBehind for a proof from another size than the one it knows, which the error has. ForkFound for a signed
        checkpoint with a size that it knows and another root: that one is kept, `forks` has it. MalformedEvidence for
        texts that are none. TransactionConflict inside `transaction()`.
        """
        logs = self._logs if policy is None else logs_of(policy)
        if logs is None:
            raise ValueError("a witness needs to know whose checkpoints it cosigns: give policy=…")
        checkpoint = Checkpoint(note)
        old, hashes = _proof_of(proof, checkpoint)
        if checkpoint.origin not in {key.name for key in logs}:
            raise EvidenceRefused(_WHAT, f"no log of the policy has the origin {short(checkpoint.origin)}")
        verified(checkpoint, logs, checkpoint.origin)
        if checkpoint.size == 0 and checkpoint.root != empty_root():
            raise EvidenceRefused(_WHAT, "of no entries there is one root, and it has another")
        check_alone(self._binding, _CALL)

        def keep(tx: Any) -> tuple[str | None, int]:
            # Before all else: it is evidence whatever came with it.
            ours = self._shelf.note(WITNESSED, checkpoint.origin, checkpoint.size, tx)
            if ours is not None and _stored(checkpoint.origin, checkpoint.size, ours).root != checkpoint.root:
                if self._shelf.note(FORK, checkpoint.origin, checkpoint.size, tx) is None:
                    self._shelf.add_note(FORK, checkpoint.origin, checkpoint.size, str(checkpoint), tx)
                return ours, 0
            self._check_extends(checkpoint, old, hashes, tx)
            if ours is None:
                self._shelf.add_note(WITNESSED, checkpoint.origin, checkpoint.size, str(checkpoint), tx)
            # Of the moment at which nothing larger was known: somebody else may have come before it is signed.
            return None, max(0, int(time.time()))

        ours, now = self._shelf.written(_CALL, keep)
        if ours is not None:
            raise ForkFound(checkpoint.origin, checkpoint.size, ours, str(checkpoint))
        return cosignature.cosign(checkpoint, self._signer, now).line

    def seen(self, origin: str) -> Checkpoint | None:
        """The last checkpoint of an origin that it cosigned, as it came; None where there is none."""
        return self._seen(origin, self._binding.reading())

    def forks(self, origin: str | None = None) -> list[Fork]:
        """What it has as evidence that an origin signed two histories; of all origins where none is given.

        Of each size the first such checkpoint is kept.
        """
        kept = self._shelf.of_kind(FORK) if origin is None else self._shelf.notes(FORK, origin)
        found = []
        for theirs in kept:
            ours = self._shelf.note(WITNESSED, theirs.name, theirs.number)
            place = theirs.name, theirs.number
            found.append(Fork(*place, _stored(*place, ours), _stored(*place, theirs.note)))
        return found

    def _seen(self, origin: str, tx: Any) -> Checkpoint | None:
        found: Noted | None = self._shelf.newest(WITNESSED, origin, tx)
        return None if found is None else _stored(*found)

    def _check_extends(self, checkpoint: Checkpoint, old: int | None, hashes: tuple[bytes, ...], tx: Any) -> None:
        """Raise, unless the proof leads from what is known of the origin to this checkpoint."""
        known = self._seen(checkpoint.origin, tx)
        size, root = (0, empty_root()) if known is None else (known.size, known.root)
        if checkpoint.size < size or old not in {None, size}:
            raise WitnessBehind(checkpoint.origin, size, checkpoint.size if old is None else old)
        if size == 0:
            holds = not hashes  # Everything extends the empty tree.
        else:
            holds = check_consistency(size, checkpoint.size, root, checkpoint.root, list(hashes))
        if not holds:
            detail = f"it does not lead from size {size}, which the witness knows, to size {checkpoint.size}"
            raise EvidenceRefused(_PROOF, detail)


def _proof_of(given: Proof, checkpoint: Checkpoint) -> tuple[int | None, tuple[bytes, ...]]:
    """From which size, where that is told, and the hashes."""
    if isinstance(given, str):
        parsed = proof.parse(given)
        if parsed.checkpoint.note.text != checkpoint.note.text:
            raise EvidenceRefused(_PROOF, "it leads to another checkpoint")
        return parsed.old, parsed.hashes
    hashes = tuple(given)
    for one in hashes:
        if not isinstance(one, bytes):
            raise TypeError(f"a proof is a text, or a sequence of hashes (bytes), and has {type(one).__name__} in it")
        if len(one) != HASH:
            raise MalformedEvidence(_PROOF, f"a hash has {HASH} bytes, and one has {len(one)}")
    if len(hashes) > proof.LONGEST:
        raise MalformedEvidence(_PROOF, f"it has {len(hashes)} hashes, and {proof.LONGEST} are the most")
    return None, hashes


def _stored(origin: str, size: int, text: str | None) -> Checkpoint:
    """What the store has as a checkpoint of this place; ChainBroken where it is another thing now."""
    try:
        found = Checkpoint(text or "")
    except MalformedEvidence as error:
        detail = error.detail
    else:
        if (found.origin, found.size) == (origin, size):
            return found
        detail = "it is of another origin or size"
    raise ChainBroken(None, None, None, f"what was witnessed of {origin!r} at size {size} is damaged: {detail}")
