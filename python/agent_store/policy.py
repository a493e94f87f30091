"""The reviewed choice of a backend, apart from the code that opens it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from agent_store.store import Store, open
from agent_store.targets import Target, kind_of

BackendKind = Literal["sqlite", "postgres"]


@dataclass(frozen=True)
class StorePolicy:
    """Which backend a program may open: a line of its configuration."""

    backend: BackendKind = "sqlite"

    def __post_init__(self) -> None:
        if self.backend not in get_args(BackendKind):
            raise ValueError(f"backend must be one of {', '.join(get_args(BackendKind))}, not {self.backend!r}")

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> "StorePolicy":
        """From a section of a configuration file; keys other than `backend` are ignored."""
        return cls(mapping["backend"]) if "backend" in mapping else cls()

    def open(self, target: Target, **options: Any) -> Store:
        """`agent_store.open`, and ValueError for a target of the other backend."""
        kind = kind_of(target)
        if kind != self.backend:
            # Without the target: a URL may have a password in it.
            raise ValueError(f"the policy says {self.backend}, and what is to be opened is of {kind}")
        return open(target, **options)
