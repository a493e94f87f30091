"""The Verdict of a store against what the caller has from elsewhere: keys, an origin, a checkpoint, witnesses."""

import time
from typing import TYPE_CHECKING

from agent_store.errors import (
    BackendError,
    EvidenceRefused,
    StoreReplaced,
)
from agent_store.evidence import rotation
from agent_store.evidence.checkpoint import verified
from agent_store.evidence.concluding import Found, conclude
from agent_store.evidence.holding import difference
from agent_store.evidence.ranges import Ranges, chained_of
from agent_store.evidence.recorded import DAMAGE, REFUSED, check_erasures, check_heads
from agent_store.evidence.shelf import ROTATION, Shelf
from agent_store.ticker import Progress
from agent_store.verdict import Verdict

if TYPE_CHECKING:
    from agent_store.evidence.asked import Asked
    from agent_store.transaction import Binding

TROUBLE = BackendError, StoreReplaced
"""Of a table of ours that was dropped too, which the scan then reports; else it is raised."""


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
        except (*DAMAGE, *TROUBLE) as error:
            unread = error
        size = min(last, position)
        chains = Verdict.of(self.binding.backend.verify(progress, self.binding.reading(), sealed=size))
        self.found.chained = chained_of(self.binding, chains)
        if unread is None:
            try:
                self._evidence(ranges, chains, last, position)
            except (*DAMAGE, *TROUBLE) as error:
                unread = error
        if isinstance(unread, TROUBLE) and not any(each.kind == "schema" for each in chains.breaks):
            raise unread
        if unread is not None:
            self.found.broken("seal", f"checkpoints, or the tiles of the tree, cannot be read: {unread}")
            self.found.incomplete.append("what was sealed cannot be read")
            self.found.unauthentic.append("what was signed cannot be read")
        return conclude(chains, self.found, self.asked)

    def _evidence(self, ranges: Ranges, chains: Verdict, last: int, position: int) -> None:
        size = min(last, position)
        # What lies above the first difference proves nothing, and is told.
        whole = min((each.position or 1 for each in chains.breaks if each.kind == "seal"), default=size + 1) - 1
        limit = min(whole, self.found.chained)
        if last > position:
            these = _range(position + 1, last, "was", "were")
            detail = f"the last checkpoint covers {last} entries: {these} removed"
            self.found.broken("seal", detail, position + 1)
            self.found.incomplete.append(detail)
        ranges.all(whole, limit)
        self._coverage(position, limit)
        self._held(size, position, whole)
        self._age(ranges)
        check_heads(self.binding, self.shelf, self.found)
        check_erasures(self.shelf, self.asked, self.trust, size, self.found)

    def _rotations(self) -> None:
        for each in self.shelf.notes(ROTATION, self.asked.origin):
            try:
                stored = rotation.stored(each)
            except REFUSED as error:
                self.found.broken("signature", f"the rotation kept at size {each.number} is none: {error.detail}")
                continue
            if self.asked.keys is not None and not self.trust.learn(stored):
                detail = f"the rotation at size {each.number} is by a key that was not the store's at that size"
                self.found.broken("signature", detail)
        for stranger in self.trust.strangers():
            detail = f"the rotation at size {stranger.size} is by keys that were not given, nor named by one that was"
            self.found.broken("signature", detail)

    def _coverage(self, position: int, limit: int) -> None:
        """With keys given, no range is passed over."""
        found, asked = self.found, self.asked
        last = found.last
        if last is None:
            whose = "is" if asked.keys is None else "that the given keys have signed is"
            nothing = f"no checkpoint of {asked.origin!r} {whose} in the store"
            if asked.keys is not None or asked.held is None:
                found.incomplete.append(f"{nothing}: whoever can write it can have removed anything")
            found.unauthentic.append(nothing)
            return
        if last > limit < position:
            found.damaged.append(f"what the checkpoint of size {last} seals is intact up to position {limit} only")
        if asked.keys is None:
            return
        if last < position:
            self._unsealed(last, position)
        if asked.policy is not None and found.seen is None:
            found.unauthentic.append("not enough of the given witnesses have cosigned a checkpoint")
        elif asked.policy is not None and found.seen != last:
            found.unauthentic.append(
                f"enough of the given witnesses have cosigned up to position {found.seen}, and not up to {last}"
            )

    def _unsealed(self, last: int, position: int) -> None:
        """A store that is written to always has such entries: who says what must be in it asks about that."""
        these = _range(last + 1, position, "is", "are")
        why = f"{these} covered by no signed checkpoint: whoever can write the store can alter, add and remove there"
        held = self.asked.held
        if held is not None and held.size <= last:
            self.found.notes.append(f"{why}. The verdict is as of position {last}")
        else:
            self.found.incomplete.append(
                f"{why}. Seal them with store.checkpoint(key), or give checkpoint= to verify as of what is sealed"
            )

    def _held(self, size: int, position: int, whole: int) -> None:
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
        told, why = held.size > position or held.size <= whole or whole == size, ""
        try:
            wrong = difference(self.shelf, held, size, position)
        except DAMAGE as error:
            wrong, told, why = "", held.size > position, f": {error}"
        if wrong is None:
            return
        if not told:
            found.stale.append(
                f"whether the store extends the given checkpoint of size {held.size} cannot be told{why}"
            )
            return
        found.stale.append(wrong)
        found.incomplete.append(wrong)
        if held.size <= position and not any(each.kind == "seal" for each in found.breaks):
            found.broken("fork", wrong)

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


def _range(first: int, last: int, one: str, several: str) -> str:
    return f"position {first} {one}" if first == last else f"positions {first} to {last} {several}"
