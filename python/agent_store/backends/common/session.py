"""How the common part reaches a database: by named statements, on a connection that one call has."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from agent_store.backends.common.select import Select

Listed = tuple[int, str, str, int | None, bytes | None, int | None]
"""A log and its newest entry: id, stream, writer, seq, content_hash, position; None for what there is none of."""

PAGE_BYTES = 4 << 20
"""A page ends when its payloads have this many bytes: memory stays flat with large ones too."""

Found = tuple[int, Any, Any, Any, Any, int | None, str | None, str | None, int | None, Any]
"""An entry as it is stored: position, log, seq, content_hash, payload; the id of its log, stream and writer where that
is listed; seq and content_hash of the entry of its log with the greatest seq below."""
Row = tuple[int, int, int, bytes, bytes]  # position, log, seq, content_hash, payload
Range = tuple[int, int, int]  # log, first seq, seq before which it ends
Before = tuple[int, int, int, bytes | None, int]  # log and seq asked for; seq, content_hash and position found


class Beginning(NamedTuple):
    """What a reading is told first."""

    places: list[tuple[int, Any]]
    """Position and hash of the newest entry, and of the one at the position of `known`, as far as these are there."""
    logs: list[tuple[Any, ...]] | None = None
    """What `listed` gives, if it came along."""
    near: list[Found] | None = None
    """What `near` gives of the positions that come first, if it came along: all that is newer is to be left out."""


class Session(Protocol):
    """One connection, lent for one call.

    A statement is named by its file in `agent_store/sql/<kind>/`, and takes its parameters in the order in which they
    stand there. What comes back are plain tuples of int, str and bytes, however the connection was set up, and None
    for a stored value of another type than its column is to have. Who asks has nothing locked: where several
    statements must see one state, `snapshot` is around them.
    """

    @property
    def may_forget(self) -> bool:
        """True where what was read may be undone and nobody is told: by a rollback on a connection of the caller's."""

    def shown(self) -> str:
        """What the store is on, to be read by people."""

    def fetch(self, statement: str, *params: object) -> list[tuple[Any, ...]]:
        """All rows."""

    def begin(self, select: "Select", limit: int) -> Beginning:
        """What is newest, and what a database can tell beside it in the same question, for a first page of `limit`.

        Where `select.known` is given, all of one state.
        """

    def listed(self, select: "Select") -> list[tuple[Any, ...]]:
        """The selected logs, as Listed, whatever the types are; all, or those of one stream, by stream and writer."""

    def page(self, statement: str, *params: object, limit: int) -> list[tuple[Any, ...]]:
        """The first rows of a statement that gives position, seq, content_hash, payload and log: at most `limit`, and
        none after payloads of PAGE_BYTES in all.
        """

    def near(self, select: "Select", low: int, high: int, limit: int) -> list[Found]:
        """The first rows above position `low` up to `high` whose logs are selected (`select.has`), or more than these,
        in the order of `select`: at most `limit`, and none after payloads of PAGE_BYTES in all.
        """

    def entries(self, ranges: Sequence[Range], *, reverse: bool) -> list[Row]:
        """What is there of these ranges, one range after the other, each by seq (reversed: downwards); none after
        payloads of PAGE_BYTES in all.
        """

    def before(self, places: Sequence[tuple[int, int]]) -> list[Before]:
        """For each (log, seq) the entry of that log with the greatest seq below, in any order; none where none is.

        None as content_hash is one that is no blob of 32 bytes.
        """

    def from_seq(self, places: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
        """For each (log, seq) the entry of that log with the smallest seq from there on: log, its seq, its position."""

    def names(self, logs: Sequence[int]) -> dict[int, tuple[str, str]]:
        """Stream and writer of those of these logs that are listed."""

    def erased(self, positions: Sequence[int]) -> dict[int, Any]:
        """How many bytes the payloads at these positions had, of those of which an erasure is recorded."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Where several statements must see one state."""


class WritingSession(Session, Protocol):
    """One that a counter can be moved with; the caller has the write lock."""

    def change(self, statement: str, *params: object) -> int:
        """Run what gives no rows; how many it changed."""
