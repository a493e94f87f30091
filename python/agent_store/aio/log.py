"""One log, awaited."""

from collections.abc import AsyncIterable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from agent_store.aio import drawing
from agent_store.aio.entries import AsyncEntries
from agent_store.log import UNCHECKED, WriterLog

if TYPE_CHECKING:
    from agent_store._core import CommitEvent, Entry, Head
    from agent_store.aio.calls import Calls
    from agent_store.evidence.keys import Signer
    from agent_store.log import Buffer, Unchecked


class AsyncWriterLog:
    """`WriterLog`, awaited: an append-only chain of what one writer appended to one stream."""

    def __init__(self, calls: "Calls", log: WriterLog) -> None:
        self._calls = calls
        self._log = log

    @property
    def stream(self) -> str:
        """What the log is about."""
        return self._log.stream

    @property
    def writer(self) -> str:
        """Who writes it."""
        return self._log.writer

    async def append(
        self, payload: "Buffer", *, expected: "Entry | Head | CommitEvent | int | None | Unchecked" = UNCHECKED
    ) -> "Entry":
        """Append one entry, durable on return, as `WriterLog.append`. Those that are awaited at once share commits.

        Cancelled, it is there in full or not at all when CancelledError leaves.
        """
        return await self._calls.write(self._log.append, payload, expected=expected)

    async def append_many(
        self, payloads: "Iterable[Buffer] | AsyncIterable[Buffer]", *, batch: int | None = None
    ) -> "Head | None":
        """Append all payloads in one transaction, or in one for each `batch`, as `WriterLog.append_many`.

        An asynchronous iterable runs in the awaiting task, in chunks, any other in a thread. Cancelled, the iterable is
        ended, and of what was not committed nothing is kept.
        """
        return await drawing.append(self._calls, partial(self._log.append_many, batch=batch), payloads, batch)

    async def head(self) -> "Entry | None":
        """The newest entry."""
        return await self._calls.read(self._log.head)

    async def entry(self, seq: int) -> "Entry | None":
        """Entry `seq`, None where there is none yet."""
        return await self._calls.read(self._log.entry, seq)

    def entries(self, start: int = 1, stop: int | None = None, *, reverse: bool = False) -> AsyncEntries:
        """`async for` the entries from `start` to below `stop`; ends where the log ended when it began."""
        return AsyncEntries(self._calls, self._log.entries(start, stop, reverse=reverse))

    async def verify(
        self, *, since: "Head | Entry | None" = None, contains: "Head | Entry | None" = None
    ) -> "Head | None":
        """Recompute the chain up to the present head, which is returned, as `WriterLog.verify`."""
        return await self._calls.long(partial(self._log._verified, since, contains))  # noqa: SLF001 - can be ended

    async def sign(self, signer: "Signer") -> str:
        """Sign the log's head as its writer, as `WriterLog.sign`; the note, kept in the store."""
        return await self._calls.write(self._log.sign, signer)

    def __repr__(self) -> str:
        return f"Async{self._log!r}"
