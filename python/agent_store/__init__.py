"""Append-only, hash-chained logs and rising counters, for programs that must later prove what they did."""

from typing import TYPE_CHECKING, Any

from agent_store import errors
from agent_store._core import CommitEvent, Entry, Fingerprint, Head
from agent_store.doorbell import Doorbell
from agent_store.generation import Generation
from agent_store.log import WriterLog
from agent_store.moving.copying import copy
from agent_store.moving.exporting import export
from agent_store.moving.importing import import_
from agent_store.policy import StorePolicy
from agent_store.store import Store, open
from agent_store.subscription import Subscription
from agent_store.verdict import Break, Verdict
from agent_store.watch import Watch

if TYPE_CHECKING:
    from agent_store.aio import (
        AsyncDoorbell,
        AsyncGeneration,
        AsyncStore,
        AsyncSubscription,
        AsyncWatch,
        AsyncWriterLog,
        open_async,
    )
    from agent_store.evidence.checkpoint import Checkpoint
    from agent_store.evidence.erasing import Erasure
    from agent_store.evidence.keys import Signer, SigningKey
    from agent_store.evidence.policy import Policy
    from agent_store.evidence.publishing import export_tiles
    from agent_store.evidence.receipt import verify_receipt
    from agent_store.evidence.verifying import verify_tiles

__all__ = [
    "AsyncDoorbell",
    "AsyncGeneration",
    "AsyncStore",
    "AsyncSubscription",
    "AsyncWatch",
    "AsyncWriterLog",
    "Break",
    "Checkpoint",
    "CommitEvent",
    "Doorbell",
    "Entry",
    "Erasure",
    "Fingerprint",
    "Generation",
    "Head",
    "Policy",
    "Signer",
    "SigningKey",
    "Store",
    "StorePolicy",
    "Subscription",
    "Verdict",
    "Watch",
    "WriterLog",
    "copy",
    "errors",
    "export",
    "export_tiles",
    "import_",
    "open",
    "open_async",
    "verify_receipt",
    "verify_tiles",
]

_EVIDENCE = {
    "Checkpoint": "checkpoint",
    "Erasure": "erasing",
    "Policy": "policy",
    "Signer": "keys",
    "SigningKey": "keys",
    "export_tiles": "publishing",
    "verify_receipt": "receipt",
    "verify_tiles": "verifying",
}
"""The public names of agent_store.evidence, and the module of each."""


def __getattr__(name: str) -> Any:
    """What is for coroutines is imported by who uses it: asyncio takes longer than all the rest. So is evidence."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = f"agent_store.evidence.{_EVIDENCE[name]}" if name in _EVIDENCE else "agent_store.aio"
    found = globals()[name] = getattr(import_module(module), name)
    return found


def __dir__() -> list[str]:
    return sorted(globals().keys() | set(__all__))
