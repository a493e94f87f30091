"""What a store shows of itself to those who do not trust it, awaited."""

from collections.abc import AsyncIterator, Iterable
from functools import partial
from typing import TYPE_CHECKING

from agent_store.aio.calls import Calls
from agent_store.aio.witness import AsyncWitness
from agent_store.store import Store

if TYPE_CHECKING:
    from agent_store._core import Entry
    from agent_store.evidence.checkpoint import Checkpoint
    from agent_store.evidence.erasing import Erasure
    from agent_store.evidence.keys import Keys, Signer
    from agent_store.evidence.policy import Witnesses
    from agent_store.evidence.witness import Logs
    from agent_store.ticker import Progress
    from agent_store.verdict import Verdict


class AsyncSealed:
    """`Sealed`, awaited."""

    _store: Store
    _calls: Calls

    async def verify(
        self,
        *,
        progress: "Progress | None" = None,
        keys: "Keys | None" = None,
        origin: str | None = None,
        checkpoint: "Checkpoint | str | None" = None,
        witnesses: "Witnesses | None" = None,
        max_age: float | None = None,
    ) -> "Verdict":
        """Verify everything as of now, as `Store.verify`; with `keys` and the like, against them.

        Damage is a finding and never raised. `progress(done, total)` is called on the loop, about 20 times a second.
        """
        call = partial(
            self._store.verify,
            keys=keys,
            origin=origin,
            checkpoint=checkpoint,
            witnesses=witnesses,
            max_age=max_age,
        )
        return await self._calls.long(lambda relay: call(progress=relay), progress)

    async def checkpoint(
        self, signer: "Signer", *, after: "Checkpoint | str | None" = None, progress: "Progress | None" = None
    ) -> "Checkpoint":
        """Seal all that is committed, as `Store.checkpoint`. The signer is called in a thread.

        `progress(done, total)` is called on the loop. Cancelled, nothing is sealed, or all is.
        """
        return await self._calls.long(
            lambda relay: self._store.checkpoint(signer, after=after, progress=relay), progress
        )

    def checkpoints(self, *, reverse: bool = False) -> "AsyncIterator[Checkpoint]":
        """`async for` all of them, the oldest first, each with the cosignatures that the store has of it."""
        found = self._store.checkpoints(reverse=reverse)

        async def each() -> "AsyncIterator[Checkpoint]":
            while (checkpoint := await self._calls.read(next, found, None)) is not None:
                yield checkpoint

        return each()

    async def rotate(self, old: "Signer", new: "Signer") -> str:
        """From the next checkpoint on `new` signs, as `Store.rotate`; the signed note that says so."""
        return await self._calls.write(self._store.rotate, old, new)

    async def receipt(self, entry: "Entry") -> str:
        """A text that proves this entry to be in the store, as `Store.receipt`."""
        return await self._calls.read(self._store.receipt, entry)

    async def consistency(self, old: "Checkpoint | str | int", new: "Checkpoint | str | int | None" = None) -> str:
        """A text that proves a checkpoint (by default the last) to extend `old`, as `Store.consistency`."""
        return await self._calls.read(self._store.consistency, old, new)

    async def add_cosignature(self, line: str, keys: "Keys") -> "Checkpoint":
        """Keep what a witness answered, as `Store.add_cosignature`; the checkpoint with all that are kept of it."""
        return await self._calls.write(self._store.add_cosignature, line, keys)

    def witness(self, key: "Signer", policy: "Logs | None" = None) -> AsyncWitness:
        """A witness for other stores, as `Store.witness`. Nothing is written yet."""
        return AsyncWitness(self._calls, self._store.witness(key, policy))

    async def erase(
        self, entries: "Entry | int | Iterable[Entry | int]", signer: "Signer", *, reason: str = ""
    ) -> "Erasure":
        """Remove payloads for good, as `Store.erase`; the entries stay, each with a signed record."""
        return await self._calls.write(self._store.erase, entries, signer, reason=reason)
