"""The Verdict of a store against what the caller has from elsewhere: keys, an origin, a checkpoint, witnesses."""

import time
from typing import TYPE_CHECKING

from agent_store.errors import (
    BackendError,
    ChainBroken,
    CorruptDatabase,
    EvidenceRefused,
    MalformedEvidence,
    MalformedRow,
)
from agent_store.evidence import erasure, heads, rotation
from agent_store.evidence.checkpoint import verified
from agent_store.evidence.concluding import Found, conclude
from agent_store.evidence.holding import difference
from agent_store.evidence.ranges import Ranges, chained_of
from agent_store.evidence.shelf import HEAD, ROTATION, Shelf
from agent_store.ticker import Progress
from agent_store.verdict import Verdict

if TYPE_CHECKING:
    from agent_store.evidence.asked import Asked
    from agent_store.transaction import Binding

DAMAGE = ChainBroken, CorruptDatabase, MalformedRow
REFUSED = EvidenceRefused, MalformedEvidence


def judge(binding: "Binding", asked: "Asked", progress: Progress | None) -> Verdict:
    """`Store.verify`, where something is given to verify against. Damage is a finding and never raised."""
    return _Judge(binding, asked).judge(progress)


class _Judge:
    def __init__(self, binding: "Binding", asked: "Asked") -> None:
        self.binding = binding
        self.shelf = Shelf(binding)
        self.asked = asked
        self.found = Found()
        self.trust = rotation.Trust(asked.keys or ())

    def judge(self, progress: Progress | None) -> Verdict:
        unread: Exception | None = None
        position, last = 0, 0
        ranges = Ranges(self.shelf, self.asked, self.trust, self.found)
        try:
            # Before the scan: whatever comes meanwhile, it is of positions that the scan looks at.
            self._rotations()
            last = ranges.newest()
            position = self.binding.backend.position(self.binding.reading())
        except (*DAMAGE, BackendError) as error:
            unread = error
        size = min(last, position)
        findings = self.binding.backend.verify(progress, self.binding.reading(), sealed=size)
        ranges.root = findings.root
        chains = Verdict.of(findings)
        position = max(position, chains.entries)
        if isinstance(unread, BackendError) and not any(each.kind == "schema" for each in chains.breaks):
            raise unread
        self.found.chained = chained_of(self.binding, chains)
        if unread is None:
            try:
                self._evidence(ranges, chains, last, position)
            except DAMAGE as error:
                unread = error
        if unread is not None:
            self.found.broken("seal", f"checkpoints, or the tiles of the tree, cannot be read: {unread}")
            self.found.incomplete.append("what was sealed cannot be read")
            self.found.unauthentic.append("what was signed cannot be read")
        return conclude(chains, self.found, self.asked)

    def _evidence(self, ranges: Ranges, chains: Verdict, last: int, position: int) -> None:
        limit = self.found.chained
        for each in chains.breaks:
            if each.kind == "seal":
                limit = min(limit, (each.position or 1) - 1)
        size = min(last, position)
        if last > position:
            detail = f"the last checkpoint covers {last} entries: positions {position + 1} to {last} were removed"
            self.found.broken("seal", detail, position + 1)
            self.found.incomplete.append(detail)
        ranges.all(size, limit)
        self._coverage(position)
        self._held(size, position)
        self._age(ranges)
        self._heads()
        self._erasures(size)

    def _rotations(self) -> None:
        for each in self.shelf.notes(ROTATION, self.asked.origin):
            try:
                stored = rotation.stored(each)
            except REFUSED as error:
                self.found.broken("signature", f"the rotation kept at size {each.number} is none: {error.detail}")
                continue
            if not self.trust.learn(stored):
                detail = f"the rotation at size {each.number} is by a key that was not the store's at that size"
                self.found.broken("signature", detail)

    def _coverage(self, position: int) -> None:
        """With keys given, no range is passed over."""
        found = self.found
        if self.asked.keys is None:
            return
        if found.signed == 0 and found.checkpoint is None:
            nothing = f"no checkpoint of {self.asked.origin!r} that the given keys have signed is in the store"
            found.incomplete.append(f"{nothing}: whoever can write it can have removed anything")
            found.unauthentic.append(nothing)
        if found.signed < position:
            these = (
                f"position {position} is"
                if position == found.signed + 1
                else (f"positions {found.signed + 1} to {position} are")
            )
            found.incomplete.append(
                f"{these} covered by no signed checkpoint: whoever can write the store can alter, add and remove there"
            )
        if self.asked.policy is not None and found.witnessed < max(found.signed, 1):
            found.unauthentic.append(
                f"enough of the given witnesses have cosigned up to position {found.witnessed}, and not up to "
                f"{found.signed}"
                if found.witnessed
                else "not enough of the given witnesses have cosigned a checkpoint"
            )

    def _held(self, size: int, position: int) -> None:
        """The checkpoint that the caller has."""
        held, found = self.asked.held, self.found
        if held is None:
            return
        if self.asked.keys is not None:
            try:
                verified(held, self.trust.at(held.size), self.asked.origin)
            except EvidenceRefused as error:
                found.unauthentic.append(f"the checkpoint that was given is not to be trusted: {error.detail}")
                found.stale.append(f"the checkpoint that was given is not to be trusted: {error.detail}")
                return
        try:
            wrong = difference(self.shelf, held, size, position)
        except DAMAGE as error:
            wrong = f"whether the store extends the given checkpoint of size {held.size} cannot be told: {error}"
        if wrong is None:
            return
        found.stale.append(wrong)
        found.incomplete.append(wrong)
        if held.size <= position and not found.breaks:
            found.broken("fork", wrong, None)

    def _age(self, ranges: Ranges) -> None:
        age, policy = self.asked.max_age, self.asked.policy
        if age is None or policy is None:
            return
        now = time.time()
        fresh = [key for key, when in ranges.times.items() if abs(now - when) <= age]
        if not policy.satisfied_by(fresh):
            self.found.stale.append(
                f"not enough of the given witnesses have seen the store in the last {age:g} seconds"
            )

    def _heads(self) -> None:
        """What writers have signed of their own logs."""
        backend, found = self.binding.backend, self.found
        for each in self.shelf.of_kind(HEAD):
            try:
                head = heads.stored(each)
            except REFUSED as error:
                found.broken("signature", f"what is kept as a head that a writer signed is none: {error.detail}")
                continue
            place = head.stream, head.writer, head.seq
            try:
                pages = backend.pages(head.stream, head.writer, start=head.seq, stop=head.seq + 1)
                entry = next(iter(backend.read(pages, 1, self.binding.reading())), None)
            except DAMAGE:
                continue  # The scan has reported it.
            wrong = heads.difference(head, entry)
            if wrong is None:
                found.written += 1
            else:
                found.broken("signature", wrong, None if entry is None else entry.position, place)

    def _erasures(self, size: int) -> None:
        """Whether who may sign for the store has had each of these payloads removed."""
        if self.asked.keys is None:
            return
        for each in self.shelf.erasures():
            try:
                leaf = self.shelf.leaf(each.position) if each.position <= size else b""
                erasure.verified(each, leaf, self.trust.since(each.position), self.asked.origin)
            except REFUSED as error:
                detail = f"its payload was erased, and by whom is not proven: {error.detail}"
                self.found.broken("erasure", detail, each.position)
                if not self.found.unauthentic:
                    self.found.unauthentic.append(f"position {each.position}: {detail}")
            except DAMAGE:
                continue  # Of the tree, which is reported.
