"""The store for programs of coroutines: the same names and rules, awaited. What blocks runs in threads."""

from agent_store.aio.generation import AsyncGeneration
from agent_store.aio.log import AsyncWriterLog
from agent_store.aio.opening import open_async
from agent_store.aio.store import AsyncStore

__all__ = ["AsyncGeneration", "AsyncStore", "AsyncWriterLog", "open_async"]
