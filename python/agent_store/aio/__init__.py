"""The store for programs of coroutines: the same names and rules, awaited. What blocks runs in threads."""

from agent_store.aio.doorbell import AsyncDoorbell
from agent_store.aio.generation import AsyncGeneration
from agent_store.aio.log import AsyncWriterLog
from agent_store.aio.opening import open_async
from agent_store.aio.store import AsyncStore
from agent_store.aio.subscription import AsyncSubscription
from agent_store.aio.watch import AsyncWatch

__all__ = [
    "AsyncDoorbell",
    "AsyncGeneration",
    "AsyncStore",
    "AsyncSubscription",
    "AsyncWatch",
    "AsyncWriterLog",
    "open_async",
]
