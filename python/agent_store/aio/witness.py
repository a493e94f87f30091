"""A witness for other stores, awaited."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_store.aio.calls import Calls
    from agent_store.evidence.checkpoint import Checkpoint
    from agent_store.evidence.witness import Fork, Logs, Proof, Witness


class AsyncWitness:
    """`Witness`, awaited: a store that cosigns others' checkpoints."""

    def __init__(self, calls: "Calls", witness: "Witness") -> None:
        self._calls = calls
        self._witness = witness

    @property
    def name(self) -> str:
        """Its key's."""
        return self._witness.name

    @property
    def verifier(self) -> str:
        """The verifier key that others need to verify its cosignatures."""
        return self._witness.verifier

    def __repr__(self) -> str:
        return f"Async{self._witness!r}"

    async def cosign(self, note: "str | Checkpoint", proof: "Proof" = (), policy: "Logs | None" = None) -> str:
        """The line of its cosignature, as `Witness.cosign`. The signer is called in a thread."""
        return await self._calls.write(self._witness.cosign, note, proof, policy)

    async def seen(self, origin: str) -> "Checkpoint | None":
        """The last checkpoint of an origin that it cosigned; None where there is none."""
        return await self._calls.read(self._witness.seen, origin)

    async def forks(self, origin: str | None = None) -> "list[Fork]":
        """What it has as evidence that an origin signed two histories."""
        return await self._calls.read(self._witness.forks, origin)
