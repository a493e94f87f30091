"""What a store shows of itself to those who do not trust it: checkpoints, receipts, verdicts."""

from typing import TYPE_CHECKING

from agent_store.ticker import Progress
from agent_store.transaction import Binding
from agent_store.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agent_store._core import Entry
    from agent_store.evidence.checkpoint import Checkpoint
    from agent_store.evidence.erasing import Erasure
    from agent_store.evidence.keys import Keys, Signer
    from agent_store.evidence.policy import Witnesses
    from agent_store.evidence.witness import Logs, Witness


class Sealed:
    """The part of a Store that deals with evidence, which is imported by who uses it. docs/evidence.md explains it."""

    _binding: Binding

    def verify(
        self,
        *,
        progress: Progress | None = None,
        keys: "Keys | None" = None,
        origin: str | None = None,
        checkpoint: "Checkpoint | str | None" = None,
        witnesses: "Witnesses | None" = None,
        max_age: float | None = None,
    ) -> Verdict:
        """Verify everything as of now: every chain, and the tables, indexes and guards themselves.

        Damage is a finding and never raised. `progress(done, total)` is called about 20 times a second.

        With `keys` (the store's verifier keys, or several, or signers) every leaf is recomputed too, and the tree, the
        checkpoints, rotations and signed heads are held against it: a missing checkpoint, an unknown key and entries
        that no checkpoint covers are failures then. `origin`, left out, is the name of the keys. `checkpoint` is the
        last one that you know, which the store must extend; the verdict is as of the newest signed one then, and
        entries after it, of which a store that is written to always has some, fail nothing. `witnesses` (a Policy, its
        text, or verifier keys, which are all needed) must have cosigned, not longer than `max_age` seconds ago. All
        these come from you, and none is looked for in the store. It is always a full verification, whatever
        `checkpoint` says.

        ValueError, TypeError and MalformedEvidence for what cannot be verified against.
        """
        if keys is None and origin is None and checkpoint is None and witnesses is None and max_age is None:
            return Verdict.of(self._binding.backend.verify(progress, self._binding.reading()))
        from agent_store.evidence.asked import Asked
        from agent_store.evidence.judging import judge

        return judge(self._binding, Asked.of(keys, origin, checkpoint, witnesses, max_age), progress)

    def checkpoint(
        self, signer: "Signer", *, after: "Checkpoint | str | None" = None, progress: Progress | None = None
    ) -> "Checkpoint":
        """Seal all that is committed: its number and one hash over it, signed. On disk when it is returned.

        What is new since the last checkpoint is verified on the way, and costs what it is. Where nothing is, the last
        one comes back as it was. `signer` is a SigningKey, or any object with `name`, `public_key` and `sign(message)`;
        its name is the origin, of which a store has one. `after` is a checkpoint that you hold, which the store must
        extend: else StoreReplaced. `progress(done, total)` counts entries, about 20 times a second.

        ChainBroken for damage, which is never sealed over; EvidenceRefused where the store has another key or origin;
        TransactionConflict inside `transaction()`.
        """
        from agent_store.evidence.sealing import seal

        return seal(self._binding, signer, after, progress)

    def checkpoints(self, *, reverse: bool = False) -> "Iterator[Checkpoint]":
        """All of them, the oldest first, each with the cosignatures that the store has of it. Nothing is verified."""
        from agent_store.evidence.proving import checkpoints

        return checkpoints(self._binding, reverse=reverse)

    def rotate(self, old: "Signer", new: "Signer") -> str:
        """From the next checkpoint on `new` signs, which has the same name; the signed note that says so.

        EvidenceRefused where `old` is not the key of the store, where nothing is sealed yet, or where nothing was
        sealed since the last rotation.
        """
        from agent_store.evidence.sealing import rotate

        return rotate(self._binding, old, new)

    def receipt(self, entry: "Entry") -> str:
        """A text that proves this entry to be in the store, to who knows its key: for `verify_receipt`.

        It costs a few look-ups, whatever the store holds. NotSealed where no checkpoint covers the entry yet;
        EvidenceRefused where it is not what was sealed at its position.
        """
        from agent_store.evidence.proving import receipt_of

        return receipt_of(self._binding, entry)

    def consistency(self, old: "Checkpoint | str | int", new: "Checkpoint | str | int | None" = None) -> str:
        """A text that proves a checkpoint (by default the last) to extend `old`: what a witness asks for.

        Both are checkpoints, or sizes of them; 0 is the empty store. NotSealed where there is none; StoreReplaced where
        `old` is larger, EvidenceRefused where it is of another history.
        """
        from agent_store.evidence.proving import consistency_of

        return consistency_of(self._binding, old, new)

    def erase(self, entries: "Entry | int | Iterable[Entry | int]", signer: "Signer", *, reason: str = "") -> "Erasure":
        """Remove payloads for good, of an Entry or position or of several; the entries stay, each with a signed record.

        Each must be sealed, and be what was sealed: nothing is erased otherwise. `signer` is the store's, `reason` is
        part of what it signs. Of what was erased before the record of then is returned. `gone` is True where no byte of
        it is left in the file and its WAL, False where somebody read from the WAL for as long as the store's timeout
        (call it again), None where only the owner of the database can say. Backups and copies are their owners'.

        NotSealed where no checkpoint covers one of them; ChainBroken for damage; EvidenceRefused for an Entry that is
        not what stands there, and for another key or origin; TransactionConflict inside `transaction()`.
        """
        from agent_store.evidence.erasing import erase

        return erase(self._binding, entries, signer, reason)

    def add_cosignature(self, line: str, keys: "Keys") -> "Checkpoint":
        """Keep what a witness answered; the checkpoint with all that are kept of it. An older one replaces none.

        `keys` are verifier keys of witnesses. EvidenceRefused where it is by none of them, or of no recent checkpoint.
        """
        from agent_store.evidence.proving import add_cosignature

        return add_cosignature(self._binding, line, keys)

    def witness(self, key: "Signer", policy: "Logs | None" = None) -> "Witness":
        """A witness for other stores: it cosigns their checkpoints with `key`, and remembers them in this one.

        `policy` has the logs that it knows: a Policy, its text, or their verifier keys. Nothing is written yet.
        """
        from agent_store.evidence.witness import Witness

        return Witness(self._binding, key, policy)
