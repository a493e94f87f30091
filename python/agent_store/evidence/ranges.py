"""How far the evidence goes: what is chained, sealed, signed and witnessed."""

from typing import TYPE_CHECKING

from agent_store.errors import EvidenceRefused, MalformedEvidence, StoreError
from agent_store.evidence import cosignature
from agent_store.evidence.checkpoint import Checkpoint, verified
from agent_store.evidence.note import Unsigned
from agent_store.evidence.proving import stored, with_cosignatures
from agent_store.evidence.shelf import CHECKPOINT, Noted, Shelf
from agent_store.evidence.tree import root_at

if TYPE_CHECKING:
    from agent_store.evidence.asked import Asked
    from agent_store.evidence.concluding import Found
    from agent_store.evidence.keys import VerifierKey
    from agent_store.evidence.rotation import Trust
    from agent_store.transaction import Binding
    from agent_store.verdict import Verdict

APART = {"schema", "index", "seal"}
"""Kinds of breaks that are not of the chains."""
NAMED = 10
"""Forked checkpoints, each in a break of its own."""


def chained_of(binding: "Binding", chains: "Verdict") -> int:
    """Up to which position no chain is broken."""
    upto = chains.entries
    for each in chains.breaks:
        if each.kind in APART:
            continue
        if each.kind == "gap" and each.stream is not None:
            upto = min(upto, _before(binding, each.stream, each.writer or "", (each.seq or 1) - 1))
        else:
            upto = min(upto, (each.position or 1) - 1)
    return max(upto, 0)


def _before(binding: "Binding", stream: str, writer: str, seq: int) -> int:
    """The position of the last entry before a gap: what is missing stood somewhere after it."""
    if seq < 1:
        return 0
    try:
        pages = binding.backend.pages(stream, writer, start=seq, stop=seq + 1)
        found = binding.backend.read(pages, 1, binding.reading())
    except StoreError:
        return 0
    return found[0].position if found else 0


class Ranges:
    """All checkpoints of the store, against its tree, the keys and the witnesses."""

    def __init__(self, shelf: Shelf, asked: "Asked", trust: "Trust", found: "Found") -> None:
        self._shelf = shelf
        self._asked = asked
        self._trust = trust
        self._found = found
        self._upto = -1
        self.times: dict[VerifierKey, int] = {}
        """When each witness saw the newest signed checkpoint, in seconds since 1970."""

    def begin(self) -> None:
        """What is there now is looked at, and nothing that comes later."""
        newest = self._shelf.newest(CHECKPOINT, self._asked.origin)
        self._upto = -1 if newest is None else newest.number

    def newest(self) -> int:
        """The size of the last one that is signed as it must be, 0 where there is none."""
        for found in self._shelf.notes(CHECKPOINT, self._asked.origin, reverse=True):
            if found.number > self._upto:  # It came meanwhile.
                continue
            try:
                return self._accepted(found).size
            except (EvidenceRefused, MalformedEvidence):
                continue
        return 0

    def _accepted(self, found: Noted) -> Checkpoint:
        checkpoint = stored(found)
        if self._asked.keys is None:
            return checkpoint
        return verified(checkpoint, self._trust.at(checkpoint.size), self._asked.origin)

    def all(self, whole: int, limit: int) -> None:
        """All of them: those up to `whole`, where the tree is not damaged, against its roots; up to `limit` the chains
        are not either.
        """
        self._strangers()
        good, wrong, unknown = 0, list[Checkpoint](), list[Noted]()
        for each in self._shelf.notes(CHECKPOINT, self._asked.origin):
            if each.number > self._upto:  # It came meanwhile.
                break
            try:
                checkpoint = self._accepted(each)
            except Unsigned:
                unknown.append(each)
                continue
            except (EvidenceRefused, MalformedEvidence) as error:
                self._found.broken("signature", f"the checkpoint kept at size {each.number}: {error}")
                continue
            self._accept(checkpoint)
            if checkpoint.size > whole:
                continue
            if root_at(self._shelf, checkpoint.size) != checkpoint.root:
                wrong.append(checkpoint)
                continue
            good = checkpoint.size
            if good <= limit:
                self._reached(good)
        self._differ(wrong, good)
        if unknown:
            self._found.unauthentic.append(
                f"the checkpoint of size {unknown[-1].number} is signed by no key that was given"
                + (f", nor are {len(unknown) - 1} others" if len(unknown) > 1 else "")
            )

    def _strangers(self) -> None:
        """One store has one origin."""
        origins = list[str]()
        after = ("", -1)
        while found := next(self._shelf.of_kind(CHECKPOINT, after, 1), None):
            origins.append(found.name)
            after = (found.name, (1 << 63) - 1)
        for origin in origins:
            if origin != self._asked.origin:
                self._found.broken("signature", f"a checkpoint of another origin, {origin!r}, is in the store")

    def _accept(self, checkpoint: Checkpoint) -> None:
        """It is signed as it must be; who has cosigned it?"""
        found, policy = self._found, self._asked.policy
        found.last, found.checkpoint = checkpoint.size, checkpoint
        if policy is None:
            return
        self.times = {}
        try:
            cosigned = with_cosignatures(self._shelf, checkpoint)
            self.times = cosignature.times(cosigned, policy.witnesses.values())
        except (EvidenceRefused, MalformedEvidence) as error:
            found.broken("signature", f"a cosignature of the checkpoint of size {checkpoint.size}: {error.detail}")
            return
        found.checkpoint = cosigned
        if policy.satisfied_by(self.times):
            found.seen = checkpoint.size
            found.cosigners = tuple(sorted((key.name, when) for key, when in self.times.items()))

    def _reached(self, size: int) -> None:
        """And what it seals is intact."""
        found = self._found
        found.sealed = size
        if self._asked.keys is not None:
            found.signed = size
        if found.seen == size and self.times:  # A quorum of none is reached by none, which is no witness.
            found.witnessed = size

    def _differ(self, wrong: list[Checkpoint], good: int) -> None:
        """Those with other roots than the tree has. Where one that is signed later agrees with it, there are two
        histories; else the entries, and the tiles with them, were altered after they were sealed.
        """
        forked = [each for each in wrong if each.size < good and self._asked.keys is not None]
        for each in forked[:NAMED]:
            detail = f"the checkpoint of size {each.size} is signed, and is of another history than later ones"
            self._found.broken("fork", detail)
        altered = [each for each in wrong if each not in forked]
        if altered:
            first = altered[0].size
            detail = (
                f"the entries up to position {first} are not those that the checkpoint of size {first} seals: they "
                "were altered, moved or replaced, and all hashes computed anew"
            )
            self._found.broken("seal", detail)
