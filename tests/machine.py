"""What can be done with a store, step by step beside the model; a backend's tests say how it is opened."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent_store import Entry, Head, Store
from agent_store.errors import ChainBroken, HeadMoved, NonMonotonicGeneration, TransactionConflict
from model import Model, Row, head_of
from stores import Place
from verdicts import intact

streams, writers = st.sampled_from(["hall", "room"]), st.sampled_from(["ada", "bob", "cat"])
logs = st.tuples(streams, writers)
payloads = st.binary(max_size=20)
rows = st.lists(st.tuples(streams, writers, payloads), max_size=12)
batches = st.none() | st.integers(1, 7)
failures = st.none() | st.integers(0, 12)
keys = st.sampled_from(["report", "other"])
filters = st.fixed_dictionaries(
    {
        "after": st.integers(0, 30),
        "stream": st.none() | streams | st.just("none"),
        "writer": st.none() | writers | st.just("none"),
        "reverse": st.booleans(),
    }
)

NOTES = "CREATE TABLE notes (number INTEGER PRIMARY KEY, text text)"


class Failure(Exception):
    """Of the caller's own iterable or block."""


class Block(Protocol):
    """A transaction, left with an exception where it is to be undone."""

    def __enter__(self) -> object: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> object: ...


@dataclass
class Reading:
    """An iteration under way."""

    entries: Iterator[Entry]
    expect: Callable[[], list[Entry]]
    begun: bool = False
    left: list[Entry] = field(default_factory=list)
    depth: int = 0
    """How many transactions were open when it began."""
    undone: bool = False


class Machine(RuleBasedStateMachine):
    """One thread's view of a store."""

    store: Store
    place: Place
    has_view = True
    knows_rollbacks = True
    """False where the store is not told of every transaction that is undone."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.blocks: list[Block] = []
        self.readings: list[Reading] = []

    def make_notes(self) -> None:
        """A table of the caller's own."""
        self.store.execute(self.place.sql(NOTES))

    def can_commit(self) -> bool:
        """Whether what is written next is committed when its call returns."""
        return not self.blocks

    def teardown(self) -> None:
        while self.blocks:
            self.roll_back()
        self.store.close()

    @rule(log=logs, payload=payloads, expect=st.sampled_from(["anything", "head", "first", "empty", "zero", "forged"]))
    def append(self, log: tuple[str, str], payload: bytes, expect: str) -> None:
        head = self.model.head(*log)
        if expect == "anything":
            assert self.store.log(*log).append(payload) == self.model.append(*log, payload)
            return
        places: dict[str, Entry | Head | int] = {"zero": 0}
        if head:
            places |= {
                "head": head_of(head),
                "first": self.model.log(*log)[0],
                "forged": Head(*log, head.seq, bytes(32)),
            }
        place = places.get(expect)
        if place in {head, head_of(head)} if head else not place:
            assert self.store.log(*log).append(payload, expected=place) == self.model.append(*log, payload)
            return
        with pytest.raises(HeadMoved) as moved:
            self.store.log(*log).append(payload, expected=place)
        assert moved.value.actual == (head and (head.seq, head.content_hash))

    @rule(log=logs, items=st.lists(payloads, max_size=12), batch=batches, fail=failures)
    def append_many(self, log: tuple[str, str], items: list[bytes], batch: int | None, fail: int | None) -> None:
        def write(drawn: Iterator[Row]) -> None:
            head = self.store.log(*log).append_many((payload for _, _, payload in drawn), batch=batch)
            newest = self.store.log(*log).head()
            assert head == (newest and head_of(newest))

        self._bulk([(*log, payload) for payload in items], batch, fail, write)

    @rule(items=rows, batch=batches, fail=failures)
    def append_rows(self, items: list[Row], batch: int | None, fail: int | None) -> None:
        def write(drawn: Iterator[Row]) -> None:
            assert self.store.append_many(drawn, batch=batch) == self.store.position()

        self._bulk(items, batch, fail, write)

    def _bulk(
        self, items: list[Row], batch: int | None, fail: int | None, write: Callable[[Iterator[Row]], None]
    ) -> None:
        """Write items of which number `fail` raises; the model takes those that are to stay."""

        def draw() -> Iterator[Row]:
            for number, row in enumerate(items):
                if number == fail:
                    raise Failure
                yield row

        if batch and not self.can_commit():
            with pytest.raises(ValueError, match="batch"):
                write(draw())
        elif fail is not None and fail < len(items):
            with pytest.raises(Failure):
                write(draw())
            self.model.append_all(items[: fail // batch * batch] if batch else [])
        else:
            write(draw())
            self.model.append_all(items)

    @precondition(lambda self: self.has_view)
    @rule(log=logs, payload=payloads)
    def append_through_the_view(self, log: tuple[str, str], payload: bytes) -> None:
        store = self.store
        entry = self.model.append(*log, payload)
        row = [*log, entry.seq, entry.prev_hash, entry.content_hash, payload]
        store.execute("INSERT INTO _agent_store_log VALUES (?, ?, ?, ?, ?, ?)", row)

    @rule(key=keys, how=st.sampled_from(["bump", "set", "advance_to", "reserve"]), n=st.integers(1, 9))
    def count(self, key: str, how: str, n: int) -> None:
        now = self.model.now.generations.get(key, 0)
        generation = self.store.generation(key)
        if how == "bump":
            assert generation.bump() == self.model.raise_to(key, now + 1)
        elif how == "reserve":
            assert generation.reserve(n) == range(now + 1, self.model.raise_to(key, now + n) + 1)
        elif how == "advance_to":
            assert generation.advance_to(n) == self.model.raise_to(key, max(now, n))
        elif n >= now:
            assert generation.set(n) == self.model.raise_to(key, n)
        else:
            with pytest.raises(NonMonotonicGeneration):
                generation.set(n)

    @rule(text=st.text("ab", max_size=3))
    def note(self, text: str) -> None:
        assert self.store.execute(self.place.sql("INSERT INTO notes (text) VALUES (?)"), [text]) == 1
        self.model.now.notes.append(text)

    @precondition(lambda self: len(self.blocks) < 3)
    @rule()
    def begin(self) -> None:
        block = self.store.transaction()
        block.__enter__()
        self.blocks.append(block)
        self.model.begin()

    @precondition(lambda self: self.blocks)
    @rule()
    def commit(self) -> None:
        self.blocks.pop().__exit__(None, None, None)
        self.model.commit()
        for one in self.readings:
            one.depth = min(one.depth, len(self.blocks))

    @precondition(lambda self: self.blocks)
    @rule()
    def roll_back(self) -> None:
        for one in self.readings:
            one.undone |= one.depth == len(self.blocks)
        self.blocks.pop().__exit__(Failure, Failure(), None)
        self.model.rollback()

    @rule(chosen=filters)
    def begin_to_read(self, chosen: dict[str, Any]) -> None:
        self.readings.append(Reading(self.store.entries(**chosen), lambda: self.model.select(**chosen)))

    @rule(log=logs, start=st.integers(1, 9), length=st.none() | st.integers(0, 9), reverse=st.booleans())
    def begin_to_read_a_log(self, log: tuple[str, str], start: int, length: int | None, reverse: bool) -> None:
        stop = None if length is None else start + length
        entries = self.store.log(*log).entries(start, stop, reverse=reverse)
        step = -1 if reverse else 1
        self.readings.append(Reading(entries, lambda: self.model.log(*log)[start - 1 : stop and stop - 1][::step]))

    @precondition(lambda self: self.readings)
    @rule(data=st.data(), most=st.sampled_from([1, 3, 1_000]))
    def read_on(self, data: st.DataObject, most: int) -> None:
        """An iteration gives what was there when it began, whatever came since; or says that this is gone."""
        one = data.draw(st.sampled_from(self.readings))
        if not one.begun:
            one.begun, one.left, one.depth = True, one.expect(), len(self.blocks)
        for _ in range(most):
            try:
                entry = next(one.entries, None)
            except TransactionConflict:
                assert one.undone
                entry = None
            else:
                if one.undone and not self.knows_rollbacks:
                    pass  # Others may have come where those were that it has not read.
                elif entry is None:
                    assert not one.left or one.undone
                else:
                    assert entry == one.left.pop(0)
            if entry is None:
                self.readings.remove(one)
                break

    @rule(log=logs, seq=st.integers(1, 20))
    def look_up(self, log: tuple[str, str], seq: int) -> None:
        own = self.model.log(*log)
        assert self.store.log(*log).entry(seq) == (own[seq - 1] if seq <= len(own) else None)
        assert self.store.log(*log).head() == self.model.head(*log)

    @rule(
        log=logs,
        since=st.integers(0, 20),
        contains=st.integers(0, 20),
        forged=st.sampled_from([None, "since", "contains"]),
    )
    def verify_a_log(self, log: tuple[str, str], since: int, contains: int, forged: str | None) -> None:
        own = self.model.log(*log)
        heads = {
            role: (Head(*log, seq, bytes(32)) if role == forged else own[seq - 1])
            for role, seq in (("since", since), ("contains", contains))
            if 0 < seq <= len(own)
        }
        if forged in heads:
            with pytest.raises(ChainBroken):
                self.store.log(*log).verify(**heads)
        else:
            assert self.store.log(*log).verify(**heads) == (head_of(own[-1]) if own else None)

    @rule()
    def verify(self) -> None:
        entries = self.model.now.entries
        assert self.store.verify() == intact(len(entries), len(self.model.heads()))

    @rule(stream=st.none() | streams)
    def list_heads(self, stream: str | None) -> None:
        assert self.store.heads(stream) == self.model.heads(stream)

    @rule()
    def read_notes(self) -> None:
        """Not after each step: a store forgets what it remembers of its heads when SQL of the caller's runs."""
        found = self.store.query("SELECT text FROM notes ORDER BY number")
        assert found == [(text,) for text in self.model.now.notes]

    @invariant()
    def agree(self) -> None:
        now = self.model.now
        assert self.store.position() == len(now.entries)
        for key in ("report", "other"):
            assert self.store.generation(key).current() == now.generations.get(key, 0)
