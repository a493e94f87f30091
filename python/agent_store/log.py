"""One log: the entries that one writer appended to one stream."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from agent_store._core import CommitEvent, Entry, Head, as_payload, check_name, check_writable, draw_payloads
from agent_store.bulk import append_all
from agent_store.reading import LARGEST, Entries, iterate
from agent_store.transaction import Binding
from agent_store.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent_store._core import Appended
    from agent_store.evidence.keys import Signer

    Buffer = Any  # bytes-like: collections.abc.Buffer is newer than the oldest Python supported


class Unchecked:
    """What `expected` is where it is left out."""

    def __repr__(self) -> str:
        return "unchecked"


UNCHECKED: Final = Unchecked()


class WriterLog:
    """An append-only chain: seq 1, 2, 3 …, each entry's hash taken over the one before and the payload."""

    def __init__(self, binding: Binding, stream: str, writer: str) -> None:
        check_name("stream", stream)
        check_name("writer", writer)
        self._binding = binding
        self._stream = stream
        self._writer = writer
        self._writable = False

    @property
    def stream(self) -> str:
        """What the log is about."""
        return self._stream

    @property
    def writer(self) -> str:
        """Who writes it."""
        return self._writer

    def append(
        self, payload: "Buffer", *, expected: "Entry | Head | CommitEvent | int | None | Unchecked" = UNCHECKED
    ) -> Entry:
        """Append one entry, durable on return; inside `transaction()` when that ends.

        `payload` is bytes-like, at most 512 MiB: TypeError for `str`, ValueError where it is larger. `expected` is the
        Entry, Head or CommitEvent that must still be the log's head, None or 0 where the log must be empty; else
        HeadMoved, and nothing was written. Left out, it is not checked.
        """
        payload = as_payload(payload)
        if not self._writable:
            self._check_writable()
        must = None if expected is UNCHECKED else self._place(expected)
        appended = self._binding.backend.append(self._stream, self._writer, [payload], must, self._binding.writing())
        return appended.entry(self._stream, self._writer, payload)

    def append_many(self, payloads: "Iterable[Buffer]", *, batch: int | None = None) -> Head | None:
        """Append all payloads in one transaction, all or nothing; the new head, None where the log is still empty.

        The iterable is drawn in chunks, with the write lock held after the first: from inside it the store may be read,
        and a write raises TransactionConflict. With `batch`, each so many are committed, and what was committed stays
        after an error; ValueError inside `transaction()`.
        """
        self._check_writable()
        drawn = iter(payloads)

        def write(items: list[bytes], tx: Any) -> "Appended":
            return self._binding.backend.append(self._stream, self._writer, items, None, tx)

        draw: Callable[[int, int, int], tuple[list[bytes], bool]]
        draw = lambda first, rows, size: draw_payloads(drawn, first, rows, size)  # noqa: E731 - typed above
        appended = append_all(self._binding, draw, write, batch)
        if appended is not None:
            return Head(self._stream, self._writer, appended.seq, appended.content_hash)
        head = self.head()
        return head and Head(self._stream, self._writer, head.seq, head.content_hash)

    def head(self) -> Entry | None:
        """The newest entry."""
        backend = self._binding.backend
        page = backend.read(backend.pages(self._stream, self._writer, reverse=True), 1, self._binding.reading())
        return page[0] if page else None

    def entry(self, seq: int) -> Entry | None:
        """Entry `seq`, None where there is none yet."""
        return next(self.entries(seq, seq + 1), None)

    def entries(self, start: int = 1, stop: int | None = None, *, reverse: bool = False) -> Entries:
        """The entries from `start` to below `stop`, in pages; ends where the log ended when it began."""
        if start < 1:
            raise ValueError(f"start must be 1 or more, not {start}: seqs begin at 1")
        if stop is not None and stop < start:
            raise ValueError(f"stop must not be below start, and {stop} is below {start}")
        start, stop = min(start, LARGEST), None if stop is None or stop > LARGEST else stop
        pages = self._binding.backend.pages(self._stream, self._writer, start=start, stop=stop, reverse=reverse)
        return iterate(self._binding, pages)

    def verify(self, *, since: Head | Entry | None = None, contains: Head | Entry | None = None) -> Head | None:
        """Recompute the chain up to the present head, which is returned; None where the log is empty.

        Raises the first ChainBroken or MalformedRow, CorruptDatabase for what cannot be read. With `since`, that head
        must be in place and only what follows it is recomputed; `contains` must be in the chain.
        """
        return self._verified(since, contains)

    def sign(self, signer: "Signer") -> str:
        """Sign the log's head as its writer, whose name is the Fingerprint of the key; the note, kept in the store.

        The chain is verified first, from the head that was signed last. Keep the note yourself too: who runs the store
        may lose it. ValueError for another's log and for an empty one; ChainBroken for damage.
        """
        from agent_store.evidence.heads import sign

        return sign(self._binding, self, signer)

    def _verified(
        self,
        since: Head | Entry | None,
        contains: Head | Entry | None,
        progress: "Callable[[int, int], object] | None" = None,
    ) -> Head | None:
        verdict, head = self._verdict(since, contains, progress)
        verdict.raise_if_broken()
        return head

    def _verdict(
        self,
        since: Head | Entry | None = None,
        contains: Head | Entry | None = None,
        progress: "Callable[[int, int], object] | None" = None,
    ) -> tuple[Verdict, Head | None]:
        findings = self._binding.backend.verify_log(
            self._stream, self._writer, self._head(since), self._head(contains), progress, self._binding.reading()
        )
        head = None if findings.head is None else Head(self._stream, self._writer, *findings.head)
        return Verdict.of(findings), head

    def _head(self, head: Head | Entry | None) -> Head | None:
        if head is None:
            return None
        if not isinstance(head, Entry | Head):
            raise TypeError(f"since and contains must be a Head or an Entry, not {head!r}")
        self._check_own(head)
        return Head(head.stream, head.writer, head.seq, head.content_hash)

    def _place(self, expected: object) -> tuple[int, bytes]:
        if expected is None or (isinstance(expected, int) and expected == 0):
            return 0, b""
        if not isinstance(expected, Entry | Head | CommitEvent):
            raise TypeError(f"expected must be an Entry, Head, CommitEvent, None or 0, not {expected!r}")
        self._check_own(expected)
        return expected.seq, expected.content_hash

    def _check_own(self, head: Entry | Head | CommitEvent) -> None:
        if (head.stream, head.writer) != (self._stream, self._writer):
            raise ValueError(
                f"entry {head.seq} of stream {head.stream!r}, writer {head.writer!r} is of another log than "
                f"{self._stream!r}, {self._writer!r}"
            )

    def _check_writable(self) -> None:
        check_writable("stream", self._stream)
        check_writable("writer", self._writer)
        self._writable = True

    def __repr__(self) -> str:
        return f"WriterLog(stream={self._stream!r}, writer={self._writer!r})"
