"""What a reading selects, and what it is to find where it begins."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from agent_store.backends.common.session import Session
from agent_store.backends.common.shape import is_hash
from agent_store.errors import StoreReplaced

NEAR = 1_024  # positions, which cost less than to look into a few hundred logs

Place = tuple[int, bytes]
"""Position and hash of an entry; `b""` for what is no hash, and `(0, b"")` for no entry."""


@dataclass(frozen=True, slots=True)
class Select:
    """The only reading vocabulary. `after` is a position and excluded, `start` and `stop` are seqs, `stop` excluded.

    `streams` are None for all, each once, and quickly looked up; `known` is an entry that was seen there.
    """

    streams: Collection[str] | None = None
    writer: str | None = None
    exclude_writer: str | None = None
    after: int = 0
    start: int = 1
    stop: int | None = None
    reverse: bool = False
    known: Place | None = None

    @property
    def is_everything(self) -> bool:
        """True where entries are returned whatever log they are of."""
        return self.streams is None and self.writer is None and self.exclude_writer is None

    @property
    def is_nothing(self) -> bool:
        """True where no log can be selected."""
        if self.streams is not None and not self.streams:
            return True
        return self.writer is not None and self.writer == self.exclude_writer

    @property
    def is_one_log(self) -> bool:
        """True where both names are given."""
        return self.writer is not None and self.streams is not None and len(self.streams) == 1

    def is_near(self, upto: int) -> bool:
        """True where to look at each position costs less than to look into many logs.

        Not where reading begins with the first entry: then the logs are what is read.
        """
        return self.after > 0 and upto - self.after <= NEAR and self.start == 1 and self.stop is None

    def has(self, stream: str | None, writer: str | None) -> bool:
        """True where a log of these stored names is selected; None is what is no text."""
        if self.streams is not None and stream not in self.streams:
            return False
        return self.writer in {None, writer} and (writer is None or writer != self.exclude_writer)


def each_once(stream: str | Sequence[str] | None) -> Collection[str] | None:
    """The streams that `pages` was given."""
    if stream is None or isinstance(stream, str):
        return None if stream is None else (stream,)
    return dict.fromkeys(stream)


def newest(session: Session, places: Iterable[tuple[int, Any]], known: Place | None) -> Place:
    """Of these, which are of one state. StoreReplaced where what was seen in the store is there no more."""
    found = {position: content_hash if is_hash(content_hash) else b"" for position, content_hash in places}
    last = max(found, default=0)
    if known is not None and known[0] != 0 and found.get(known[0]) != known[1]:
        raise _replaced(session.shown(), known, found.get(known[0]), last)
    return last, found.get(last, b"")


def _replaced(shown: str, known: Place, found: bytes | None, last: int) -> StoreReplaced:
    now = f"none stands there, and the newest is at position {last}" if found is None else f"{_short(found)} does"
    return StoreReplaced(
        f"{shown} holds another history than it did: {_short(known[1])} stood at position {known[0]}, and now {now}. "
        "Another state was put in its place (a backup restored?). Nothing was read: begin anew, at a position of "
        "what is there now"
    )


def _short(content_hash: bytes) -> str:
    return f"an entry with hash {content_hash[:4].hex()}…" if content_hash else "an entry without a hash of 32 bytes"
