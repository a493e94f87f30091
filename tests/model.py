"""What a store is, in a list and two dicts: what the real ones are compared with."""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field

from agent_store import Entry, Head
from blake3_rule import blake3

Row = tuple[str, str, bytes]


def head_of(entry: Entry) -> Head:
    return Head(entry.stream, entry.writer, entry.seq, entry.content_hash)


@dataclass
class State:
    entries: list[Entry] = field(default_factory=list)
    generations: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """A table of the caller's own."""


class Model:
    """The state that one thread sees, and below it those that each open transaction would go back to."""

    def __init__(self) -> None:
        self.now = State()
        self.before: list[State] = []

    @property
    def committed(self) -> State:
        """What others see."""
        return self.before[0] if self.before else self.now

    def begin(self) -> None:
        self.before.append(deepcopy(self.now))

    def commit(self) -> None:
        self.before.pop()

    def rollback(self) -> None:
        self.now = self.before.pop()

    def append(self, stream: str, writer: str, payload: bytes) -> Entry:
        last = self.head(stream, writer)
        prev_hash = last and last.content_hash
        entry = Entry(
            stream=stream,
            writer=writer,
            seq=last.seq + 1 if last else 1,
            prev_hash=prev_hash,
            content_hash=blake3((prev_hash or b"") + payload),
            payload=payload,
            position=len(self.now.entries) + 1,
        )
        self.now.entries.append(entry)
        return entry

    def append_all(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self.append(*row)

    def log(self, stream: str, writer: str) -> list[Entry]:
        return self.select(stream=stream, writer=writer)

    def head(self, stream: str, writer: str) -> Entry | None:
        return next(reversed(self.log(stream, writer)), None)

    def heads(self, stream: str | None = None) -> list[Head]:
        newest = {(entry.stream, entry.writer): head_of(entry) for entry in self.select(stream=stream)}
        return [newest[name] for name in sorted(newest)]

    def select(
        self, after: int = 0, stream: str | None = None, writer: str | None = None, *, reverse: bool = False
    ) -> list[Entry]:
        found = [
            entry
            for entry in self.now.entries[after:]
            if stream in {None, entry.stream} and writer in {None, entry.writer}
        ]
        return found[::-1] if reverse else found

    def raise_to(self, key: str, value: int) -> int:
        self.now.generations[key] = value
        return value
