"""Append-only, hash-chained logs and rising counters, for programs that must later prove what they did."""

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

__all__ = [
    "Break",
    "CommitEvent",
    "Doorbell",
    "Entry",
    "Fingerprint",
    "Generation",
    "Head",
    "Store",
    "StorePolicy",
    "Subscription",
    "Verdict",
    "Watch",
    "WriterLog",
    "copy",
    "errors",
    "export",
    "import_",
    "open",
]
