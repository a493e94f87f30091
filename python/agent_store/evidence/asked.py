"""What a verification is asked: all that it trusts is the caller's, and nothing of it the database's."""

from dataclasses import dataclass

from agent_store.evidence.checkpoint import Checkpoint
from agent_store.evidence.keys import Keys, VerifierKey, as_keys, origin_of
from agent_store.evidence.policy import Policy, Witnesses


@dataclass(frozen=True, slots=True)
class Asked:
    """`keys` are None where authenticity is not asked; `held` is the checkpoint that the caller has; `max_age` is in
    seconds, and `now` is since 1970.
    """

    origin: str
    keys: tuple[VerifierKey, ...] | None
    held: Checkpoint | None
    policy: Policy | None
    max_age: float | None

    @classmethod
    def of(
        cls,
        keys: Keys | None,
        origin: str | None,
        checkpoint: str | None,
        witnesses: Witnesses | None,
        max_age: float | None,
    ) -> "Asked":
        """ValueError, TypeError and MalformedEvidence for what cannot be asked."""
        held = None if checkpoint is None else Checkpoint(checkpoint)
        policy = None if witnesses is None else Policy.of(witnesses)
        if keys is not None:
            known: tuple[VerifierKey, ...] | None = as_keys(keys)
        else:
            known = (policy and policy.logs) or None
        if known is None and policy is not None:
            raise ValueError(
                "witnesses= says who has seen the store's checkpoints: give keys= too, or a policy with log"
            )
        if max_age is not None and policy is None:
            raise ValueError("max_age= is about the times of witnesses: give witnesses= too")
        if max_age is not None and not max_age >= 0:
            raise ValueError(f"max_age is in seconds, 0 or more, not {max_age}")
        if origin is None and known is None and held is None:
            raise ValueError("origin= says whose checkpoints are looked for")
        if origin is None and held is not None and (known is None or len({key.name for key in known}) > 1):
            origin = held.origin
        name = origin_of(known or (), origin)
        if held is not None and held.origin != name:
            raise ValueError(f"checkpoint= is of {held.origin!r}, and origin= is {name!r}")
        return cls(name, known, held, policy, max_age)
