"""What a transaction knows of the store while it has the lock, and what it has written: for when its commit is lost."""

from collections import OrderedDict
from threading import Lock

from agent_store._core import Head

Place = tuple[int, int, bytes | None]  # log, seq, content_hash of its head
Name = tuple[str, str]  # stream, writer

KEPT = 1_000  # heads that OutcomeUnknown carries
LOGS = 16_384  # whose heads a transaction remembers
HINTS = 8_192  # logs whose heads a store remembers between transactions


class Ledger:
    """Of one transaction, or of one call that is one."""

    def __init__(self) -> None:
        self.position: int | None = None
        self.last_log = 0
        self.heads: dict[Name, Place] = {}
        self._written: dict[Name, Head] = {}
        self._logs = bytearray()  # a bit for each log that was written
        self.count = 0
        self.other = False  # has moved a counter

    def forget(self) -> None:
        """What others than our own statements may have changed."""
        self.position = None
        self.heads.clear()

    def trim(self) -> None:
        """Memory stays flat with a million logs."""
        if len(self.heads) > LOGS:
            self.heads.clear()

    def wrote(self, name: Name, log: int, seq: int, content_hash: bytes) -> None:
        """The head that a log has if the transaction stands."""
        byte, bit = log >> 3, 1 << (log & 7)
        if byte >= len(self._logs):
            self._logs.extend(bytes(byte + 1 - len(self._logs) + (byte >> 1)))
        if not self._logs[byte] & bit:
            self._logs[byte] |= bit
            self.count += 1
        if name in self._written or len(self._written) < KEPT:
            self._written[name] = Head(*name, seq, content_hash)

    def written(self) -> list[Head]:
        """At most KEPT of the heads."""
        return list(self._written.values())

    def save(self) -> "tuple[dict[Name, Head], bytes, int, bool]":
        """At a savepoint."""
        return dict(self._written), bytes(self._logs), self.count, self.other

    def restore(self, saved: "tuple[dict[Name, Head], bytes, int, bool]") -> None:
        """Rolled back to it."""
        written, logs, self.count, self.other = saved
        self._written, self._logs = dict(written), bytearray(logs)
        self.forget()


class Hints:
    """The heads that logs had the last time; whoever uses one has the server check it. Shared by threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._heads: OrderedDict[Name, Place] = OrderedDict()

    def get(self, name: Name) -> Place | None:
        """Where the log stood."""
        return self._heads.get(name)

    def put(self, name: Name, place: Place) -> None:
        """Where it stands now."""
        with self._lock:
            self._heads[name] = place
            self._heads.move_to_end(name)
            if len(self._heads) > HINTS:
                self._heads.popitem(last=False)

    def drop(self, name: Name) -> None:
        """It stands elsewhere."""
        self._heads.pop(name, None)
