"""Readings as a backend is asked for them, and what they must give: everything, filtered in a list."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from agent_store import Entry, Store


@dataclass(frozen=True)
class Selection:
    stream: str | tuple[str, ...] | None = None
    writer: str | None = None
    exclude_writer: str | None = None
    after: int = 0
    reverse: bool = False

    def of(self, entries: Sequence[Entry]) -> list[Entry]:
        streams = (self.stream,) if isinstance(self.stream, str) else self.stream
        found = [
            entry
            for entry in entries
            if entry.position > self.after
            and (streams is None or entry.stream in streams)
            and self.writer in {None, entry.writer}
            and entry.writer != self.exclude_writer
        ]
        return found[::-1] if self.reverse else found

    def begin(self, store: Store, **options: Any) -> Any:
        """The reading, to be handed to `read`."""
        return store._binding.backend.pages(**vars(self), **options)


def pages(store: Store, reading: Any, *limits: int) -> Iterator[list[Entry]]:
    """So many entries the first time, and so on; the last of these again and again."""
    sizes = iter(limits)
    limit = 1
    while page := store._binding.backend.read(reading, limit := next(sizes, limit)):
        yield page


def read(store: Store, selection: Selection, limit: int = 512, **options: Any) -> list[Entry]:
    return [entry for page in pages(store, selection.begin(store, **options), limit) for entry in page]


def place_of(entry: Entry) -> tuple[int, bytes]:
    return entry.position, entry.content_hash
