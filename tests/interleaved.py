"""What several threads did at the same time, and whether some order of it explains all that they were told."""

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import count, groupby
from typing import Literal

from agent_store import Entry, Store
from agent_store.errors import HeadMoved, NonMonotonicGeneration
from model import Model

Name = tuple[str, str]
_clock = count()
"""Which of two moments was first: no time is asked, as two may be the same."""


@dataclass(frozen=True)
class Append:
    log: Name
    expect: Literal["anything", "head", "stale"]


@dataclass(frozen=True)
class Many:
    """By the log where all rows are of one, else by the store."""

    logs: tuple[Name, ...]


@dataclass(frozen=True)
class Count:
    key: str
    how: Literal["bump", "reserve", "advance_to", "set"]
    n: int


@dataclass(frozen=True)
class Note:
    """A statement of the caller's own."""


@dataclass(frozen=True)
class Block:
    calls: "tuple[Append | Many | Count | Note, ...]"
    undone: bool


Call = Append | Many | Count | Note | Block


class Undone(Exception):
    pass


@dataclass
class Counted:
    """What a generation gave: the values from `first` to `last`, or of one that only raises, where it stood then."""

    key: str
    first: int | None
    last: int


@dataclass
class Done:
    """A call that stands, all of it written in one transaction, or that was refused."""

    name: bytes
    began: int
    ended: int = -1
    logs: list[Name] = field(default_factory=list)
    """Of each row, in the order in which they were written."""
    told: list[Entry] = field(default_factory=list)
    counted: list[Counted] = field(default_factory=list)
    notes: int = 0
    refused: list[HeadMoved | NonMonotonicGeneration] = field(default_factory=list)


class Thread:
    """One thread's calls on a store, and what came of each."""

    def __init__(self, number: int, store: Store, calls: list[Call]) -> None:
        self._number, self._store, self._calls = number, store, calls
        self.done: list[Done] = []
        self._seen: dict[Name, Entry | None] = {}

    def run(self) -> list[Done]:
        for number, call in enumerate(self._calls):
            done = Done(b"%d/%d" % (self._number, number), next(_clock))
            try:
                if isinstance(call, Block):
                    with self._store.transaction():
                        for inner in call.calls:
                            self._do(inner, done)
                        if call.undone:
                            raise Undone
                else:
                    self._do(call, done)
            except Undone:
                done = Done(done.name, done.began)
                self._seen.clear()
            done.ended = next(_clock)
            self.done.append(done)
        return self.done

    def _payload(self, done: Done, log: Name) -> bytes:
        done.logs.append(log)
        return b"%b/%d" % (done.name, len(done.logs))

    def _do(self, call: Call, done: Done) -> None:
        if isinstance(call, Append):
            self._append(call, done)
        elif isinstance(call, Many):
            rows = [(*name, self._payload(done, name)) for name in call.logs]
            if len(set(call.logs)) == 1:
                head = self._store.log(*call.logs[0]).append_many(payload for _, _, payload in rows)
                assert head is not None
            else:
                assert self._store.append_many(rows) >= len(rows)
        elif isinstance(call, Count):
            self._count(call, done)
        else:
            assert self._store.execute("INSERT INTO notes VALUES (?)", [done.name]) == 1
            done.notes += 1

    def _append(self, call: Append, done: Done) -> None:
        log = self._store.log(*call.log)
        if call.expect == "anything":
            done.told.append(log.append(self._payload(done, call.log)))
            return
        if call.expect == "head" or call.log not in self._seen:
            self._seen[call.log] = log.head()
        head = self._seen[call.log]
        try:
            entry = log.append(b"%b/%d" % (done.name, len(done.logs) + 1), expected=head)
        except HeadMoved as moved:
            assert moved.expected == (head and (head.seq, head.content_hash))  # noqa: PT017
            done.refused.append(moved)
        else:
            assert entry.prev_hash == (head and head.content_hash)
            done.logs.append(call.log)
            done.told.append(entry)

    def _count(self, call: Count, done: Done) -> None:
        generation = self._store.generation(call.key)
        if call.how == "bump":
            value = generation.bump()
            done.counted.append(Counted(call.key, value, value))
        elif call.how == "reserve":
            values = generation.reserve(call.n)
            done.counted.append(Counted(call.key, values[0], values[-1]))
        elif call.how == "advance_to":
            done.counted.append(Counted(call.key, None, generation.advance_to(call.n)))
            assert done.counted[-1].last >= call.n
        else:
            try:
                done.counted.append(Counted(call.key, None, generation.set(call.n)))
            except NonMonotonicGeneration as refused:
                done.refused.append(refused)


def in_order(calls: list[Done]) -> bool:
    """False where one that is said to be later had returned before one that is said to be earlier began."""
    latest = -1
    for call in calls:
        if call.ended < latest:
            return False
        latest = max(latest, call.began)
    return True


def check_entries(entries: list[Entry], calls: dict[bytes, Done]) -> None:
    """Chains and positions are the model's, each call's rows are whole and together, and in an order of time."""
    model = Model()
    for entry in entries:
        assert entry == model.append(entry.stream, entry.writer, entry.payload)
    order: list[Done] = []
    for name, rows in groupby(entries, key=lambda entry: entry.payload.rpartition(b"/")[0]):
        written = list(rows)
        call = calls[name]
        assert [(row.stream, row.writer) for row in written] == call.logs
        assert [row.payload for row in written] == [b"%b/%d" % (name, n + 1) for n in range(len(written))]
        assert [entry for entry in call.told if entry not in written] == []
        order.append(call)
    assert {call.name for call in order} == {call.name for call in calls.values() if call.logs}
    assert in_order(order)


def check_refused(entries: list[Entry], calls: dict[bytes, Done]) -> None:
    """Each was refused for an entry that is really there, and that came after the one that was expected."""
    there = {(entry.seq, entry.content_hash): entry for entry in entries}
    for call in calls.values():
        for error in call.refused:
            if isinstance(error, HeadMoved):
                assert error.actual is not None
                actual = there[error.actual]
                assert (actual.stream, actual.writer) == (error.stream, error.writer)
                assert actual.seq > (error.expected[0] if error.expected else 0)
                by = calls[actual.payload.rpartition(b"/")[0]]
                assert by.began < call.ended


def check_generation(store: Store, key: str, calls: dict[bytes, Done]) -> None:
    """Each value was given once, on the one before it, and none that is less than what somebody had been told."""
    given = [(call, counted) for call in calls.values() for counted in call.counted if counted.key == key]
    values = {0} | {counted.last for _, counted in given}
    assert store.generation(key).current() == max(values)
    own = [value for _, counted in given if counted.first for value in range(counted.first, counted.last + 1)]
    assert len(own) == len(set(own))
    assert all(counted.first is None or counted.first - 1 in values for _, counted in given)
    for earlier, low in given:
        for later, high in given:
            if earlier.ended < later.began:
                assert high.last >= low.last
                assert high.first is None or high.first > low.last
    for error in (error for call in calls.values() for error in call.refused):
        if isinstance(error, NonMonotonicGeneration) and error.key == key:
            assert error.current in values
            assert error.attempted < error.current


def check_blocks(entries: list[Entry], calls: dict[bytes, Done]) -> None:
    """What writes entries and counts is at one place in both orders."""
    first = {}
    for entry in reversed(entries):
        first[entry.payload.rpartition(b"/")[0]] = entry.position
    of_key: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for call in calls.values():
        for counted in call.counted:
            if call.logs and counted.first:
                of_key[counted.key].append((counted.first, first[call.name]))
    for pairs in of_key.values():
        positions = [position for _, position in sorted(pairs)]
        assert positions == sorted(positions)
