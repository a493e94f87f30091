"""Every error of the package, rooted at StoreError, each with its facts as attributes. All can be pickled.

Wrong arguments are Python's own TypeError, ValueError and OverflowError; files that cannot be opened its
FileNotFoundError, IsADirectoryError and PermissionError.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_store._core import Head

Place = tuple[int, bytes] | None  # seq and content_hash of a head; None: an empty log


class StoreError(Exception):
    """The root of the package's errors."""


class BackendError(StoreError):
    """The database refused or failed; `detail` has its words. What was being written was not kept."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class ChainBroken(StoreError):
    """A log does not hold: entry `seq` of (`stream`, `writer`) is altered, missing or out of place."""

    def __init__(self, stream: str | None, writer: str | None, seq: int | None, detail: str) -> None:
        super().__init__(stream, writer, seq, detail)
        self.stream, self.writer, self.seq, self.detail = stream, writer, seq, detail

    def __str__(self) -> str:
        return _placed(self.stream, self.writer, self.seq, self.detail)


class MalformedRow(StoreError):
    """A stored value has the wrong type, length or range; the place is None where it is of no log."""

    def __init__(self, stream: str | None, writer: str | None, seq: int | None, detail: str) -> None:
        super().__init__(stream, writer, seq, detail)
        self.stream, self.writer, self.seq, self.detail = stream, writer, seq, detail

    def __str__(self) -> str:
        return _placed(self.stream, self.writer, self.seq, self.detail)


class NonMonotonicGeneration(StoreError):
    """A generation was to be set below its value: `attempted` instead of `current` or more."""

    def __init__(self, key: str, current: int, attempted: int) -> None:
        super().__init__(key, current, attempted)
        self.key, self.current, self.attempted = key, current, attempted

    def __str__(self) -> str:
        return f"generation {self.key!r} stands at {self.current} and never falls: {self.attempted} was attempted"


class HeadMoved(StoreError):
    """The log's head was not the expected one; nothing was appended.

    `expected` and `actual` are (seq, content_hash), None for an empty log.
    """

    def __init__(self, stream: str, writer: str, expected: Place, actual: Place) -> None:
        super().__init__(stream, writer, expected, actual)
        self.stream, self.writer, self.expected, self.actual = stream, writer, expected, actual

    def __str__(self) -> str:
        def place(head: Place) -> str:
            return "empty" if head is None else f"at entry {head[0]} ({head[1][:4].hex()}…)"

        return (
            f"stream {self.stream!r}, writer {self.writer!r}: the log was expected {place(self.expected)} and is "
            f"{place(self.actual)}"
        )


class BusyError(StoreError):
    """`what` was held by others for longer than the timeout; `waited` is seconds. Nothing was written.

    `instead` says what allows more.
    """

    def __init__(self, what: str, waited: float, instead: str = "open(timeout=…) allows more") -> None:
        super().__init__(what, waited, instead)
        self.what, self.waited, self.instead = what, waited, instead

    def __str__(self) -> str:
        return f"gave up after {self.waited:.1f} s waiting for {self.what}; {self.instead}"


class OutcomeUnknown(StoreError):
    """A commit failed so that it may stand or not.

    `entries` are the heads that the logs have if it stands (at most 1,000; `count` is how many there are):
    `store.log(…).entry(seq)` with the same content_hash answers.
    """

    def __init__(self, detail: str, entries: "Sequence[Head]" = (), count: int = 0) -> None:
        super().__init__(detail, entries, count)
        self.detail, self.entries, self.count = detail, entries, count

    def __str__(self) -> str:
        return (
            f"{self.detail}: whether the commit stands is unknown; reopen the store and look for its {self.count} logs"
        )


class TransactionConflict(StoreError):
    """A transaction cannot go on, or a write was attempted where another of the same thread is under way."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class ReadOnlyStore(StoreError):
    """A write to a store, file or directory that takes none."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class CorruptDatabase(StoreError):
    """The database engine cannot read the file, or it is no store any more."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class StoreReplaced(StoreError):
    """The file under an open store was removed, or another is in its place. The call did nothing."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class StoreClosed(StoreError):
    """The store, or the connection that it is on, was closed before this call."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else "the store is closed"


class ForkedStore(StoreError):
    """The store was opened in the parent process: the child is to open it anew (docs/safety.md: where it may)."""

    def __str__(self) -> str:
        return "the store was opened before this process was forked: open it anew in this one"


class UnsupportedFormat(StoreError):
    """The file is in a format that this version does not read or write."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class TargetDiverged(StoreError):
    """What a store holds is not the beginning of what was to be copied or imported into it."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class MalformedExport(StoreError):
    """A file to be imported is no whole export: `line` is where it goes wrong. Nothing of it was kept."""

    def __init__(self, line: int, detail: str) -> None:
        super().__init__(line, detail)
        self.line, self.detail = line, detail

    def __str__(self) -> str:
        return f"line {self.line}: {self.detail}"


class PayloadErased(StoreError):
    """The payload of the entry at `position` was removed for good; the entry, its hash and its length stay."""

    def __init__(self, stream: str, writer: str, seq: int, position: int) -> None:
        super().__init__(stream, writer, seq, position)
        self.stream, self.writer, self.seq, self.position = stream, writer, seq, position

    def __str__(self) -> str:
        detail = f"the payload of the entry at position {self.position} was erased: it is gone for good"
        return _placed(self.stream, self.writer, self.seq, detail)


class MalformedEvidence(StoreError):
    """A text is not what it was given for: `what` it should be (a checkpoint, a receipt …), and where it is not.

    `detail` may have parts of the text in it, which nobody has signed.
    """

    def __init__(self, what: str, detail: str) -> None:
        super().__init__(what, detail)
        self.what, self.detail = what, detail

    def __str__(self) -> str:
        return f"this is no {self.what}: {self.detail}"


class EvidenceRefused(StoreError):
    """A checkpoint, a receipt, a proof … (`what`) is well-formed, and does not prove what it was given for."""

    def __init__(self, what: str, detail: str) -> None:
        super().__init__(what, detail)
        self.what, self.detail = what, detail

    def __str__(self) -> str:
        return f"the {self.what} is refused: {self.detail}"


class NotSealed(StoreError):
    """No checkpoint covers `position` yet: the last one has `size` entries, 0 where there is none."""

    def __init__(self, position: int, size: int) -> None:
        super().__init__(position, size)
        self.position, self.size = position, size

    def __str__(self) -> str:
        last = f"the last checkpoint has {self.size} entries" if self.size else "there is no checkpoint"
        return f"position {self.position} is not sealed yet: {last}; store.checkpoint(signer) seals it"


class WitnessBehind(StoreError):
    """The witness knows `origin` up to `size`, and was given a proof from `given`: make one from `size`."""

    def __init__(self, origin: str, size: int, given: int) -> None:
        super().__init__(origin, size, given)
        self.origin, self.size, self.given = origin, size, given

    def __str__(self) -> str:
        return f"the witness knows {self.origin!r} up to size {self.size}, and the proof is from size {self.given}"


class ForkFound(StoreError):
    """Two checkpoints of `origin`, both signed, have the same `size` and other roots: its history was forked.

    `ours` is the checkpoint that was known, `theirs` the one that was given: texts that prove it to anybody.
    """

    def __init__(self, origin: str, size: int, ours: str, theirs: str) -> None:
        super().__init__(origin, size, ours, theirs)
        self.origin, self.size, self.ours, self.theirs = origin, size, ours, theirs

    def __str__(self) -> str:
        return f"{self.origin!r} signed two histories: at size {self.size} there are two roots"


def _placed(stream: str | None, writer: str | None, seq: int | None, detail: str) -> str:
    named = (
        (what, value) for what, value in (("stream", stream), ("writer", writer), ("seq", seq)) if value is not None
    )
    place = ", ".join(f"{what} {value!r}" for what, value in named)
    return f"{place}: {detail}" if place else detail
