"""Writers and those who follow them, step by step beside the model; a backend's tests say how the store is opened."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agent_store import Entry, Store, Subscription, Watch
from machine import Block, Failure, keys, logs, payloads, rows, streams, writers
from model import Model, Row
from stores import Place
from told import Told, event_of

PATIENT = 20.0
"""Seconds that a watch waits for what must be there: a lost one is an error after that, and no test that hangs."""
names = st.fixed_dictionaries(
    {},
    optional={
        "stream": streams | st.lists(st.sampled_from(["hall", "room", "none"]), min_size=1),
        "writer": writers | st.just("none"),
        "exclude_writer": writers | st.just("none"),
    },
)


def selects(entry: Entry, names: dict[str, Any]) -> bool:
    stream: str | Sequence[str] | None = names.get("stream")
    return (
        (stream is None or entry.stream in ([stream] if isinstance(stream, str) else stream))
        and names.get("writer") in {None, entry.writer}
        and names.get("exclude_writer") != entry.writer
    )


@dataclass
class Watching:
    watch: Watch
    names: dict[str, Any]
    after: int
    drains: bool
    """Ends where nothing more is there, and otherwise waits."""
    newest: int
    """What was there already when it was begun."""


@dataclass
class Subscribed:
    subscription: Subscription
    after: int
    told: Told = field(default_factory=Told)


class WatchingMachine(RuleBasedStateMachine):
    """`store` is followed; it and `other`, at the same place, write. In memory they are one."""

    server: ClassVar[str]
    place: Place
    store: Store
    other: Store

    def arrange(self, stack: ExitStack) -> None:
        """Set `place`."""
        raise NotImplementedError

    @initialize()
    def open(self) -> None:
        self.stack = ExitStack()
        self.arrange(self.stack)
        self.store = self.stack.enter_context(self.place.open(durability="normal"))
        self.other = (
            self.store
            if self.place.kind == "memory"
            else self.stack.enter_context(self.place.open(durability="normal"))
        )
        self.model = Model()
        self.block: Block | None = None
        self.watches: list[Watching] = []
        self.subscribed: list[Subscribed] = []

    def teardown(self) -> None:
        if not hasattr(self, "model"):
            return
        if self.block:
            self.roll_back()
        while self.subscribed:
            self.unsubscribe(0)
        self.stack.close()

    @property
    def entries(self) -> list[Entry]:
        """What is committed."""
        return self.model.committed.entries

    def ahead(self, one: Watching) -> list[Entry]:
        return [entry for entry in self.entries[one.after :] if selects(entry, one.names)]

    def writer(self, by_other: bool) -> Store:
        """Who has the write lock writes."""
        return self.other if by_other or self.block else self.store

    @rule(log=logs, payload=payloads, by_other=st.booleans())
    def append(self, log: tuple[str, str], payload: bytes, by_other: bool) -> None:
        assert self.writer(by_other).log(*log).append(payload) == self.model.append(*log, payload)

    @rule(items=rows, by_other=st.booleans())
    def append_rows(self, items: list[Row], by_other: bool) -> None:
        self.writer(by_other).append_many(items)
        self.model.append_all(items)

    @precondition(lambda self: not self.block)
    @rule(items=rows, by_other=st.booleans(), undone=st.booleans())
    def transact(self, items: list[Row], by_other: bool, undone: bool) -> None:
        block = self.writer(by_other).transaction()
        block.__enter__()
        self.model.begin()
        self.append_rows(items, by_other)
        block.__exit__(Failure if undone else None, Failure() if undone else None, None)
        self.model.rollback() if undone else self.model.commit()

    @precondition(lambda self: not self.block and self.other is not self.store)
    @rule()
    def begin(self) -> None:
        self.block = self.other.transaction()
        self.block.__enter__()
        self.model.begin()

    @precondition(lambda self: self.block)
    @rule()
    def commit(self) -> None:
        assert self.block
        self.block.__exit__(None, None, None)
        self.model.commit()
        self.block = None

    @precondition(lambda self: self.block)
    @rule()
    def roll_back(self) -> None:
        assert self.block
        self.block.__exit__(Failure, Failure(), None)
        self.model.rollback()
        self.block = None

    @rule(key=keys, by_other=st.booleans())
    def bump(self, key: str, by_other: bool) -> None:
        value = self.model.raise_to(key, self.model.now.generations.get(key, 0) + 1)
        assert self.writer(by_other).generation(key).bump() == value

    @precondition(lambda self: len(self.watches) < 4)
    @rule(names=names, after=st.none() | st.integers(0, 40), drains=st.booleans())
    def begin_to_watch(self, names: dict[str, Any], after: int | None, drains: bool) -> None:
        watch = self.store.watch(**names, after=after, timeout=0 if drains else PATIENT)
        newest = len(self.entries)
        self.watches.append(Watching(watch, names, newest if after is None else after, drains, newest))

    @precondition(lambda self: self.watches)
    @rule(data=st.data(), most=st.sampled_from([1, 2, 9]))
    def take(self, data: st.DataObject, most: int) -> None:
        """Some of what is there, never more: one that waits would wait."""
        one = data.draw(st.sampled_from(self.watches))
        for entry in self.ahead(one)[:most]:
            assert next(one.watch, None) == entry
            assert one.watch.position == entry.position
            one.after = entry.position

    @precondition(lambda self: any(one.drains for one in self.watches))
    @rule(data=st.data())
    def drain(self, data: st.DataObject) -> None:
        """All that is there, whenever it came; then it has seen everything."""
        one = data.draw(st.sampled_from([one for one in self.watches if one.drains]))
        assert list(one.watch) == self.ahead(one)
        assert one.watch.position == max(one.after, len(self.entries))
        self.watches.remove(one)

    @precondition(lambda self: self.watches)
    @rule(data=st.data(), drains=st.booleans())
    def go_on_with_another(self, data: st.DataObject, drains: bool) -> None:
        one = data.draw(st.sampled_from(self.watches))
        one.watch.close()
        assert list(one.watch) == []
        position = one.watch.position
        one.watch = self.store.watch(**one.names, after=position, timeout=0 if drains else PATIENT)
        one.drains = drains

    @precondition(lambda self: len(self.subscribed) < 2)
    @rule(after=st.none() | st.integers(0, 40))
    def subscribe(self, after: int | None) -> None:
        told = Told()
        subscription = self.store.doorbell.subscribe(told, after=after)
        self.subscribed.append(Subscribed(subscription, len(self.entries) if after is None else after, told))

    @precondition(lambda self: self.subscribed)
    @rule(number=st.integers(0, 1))
    def unsubscribe(self, number: int) -> None:
        """It was told of everything."""
        one = self.subscribed.pop(min(number, len(self.subscribed) - 1))
        expected = [event_of(entry) for entry in self.entries[one.after :]]
        assert one.told.until(len(expected), longer=0) == expected
        one.subscription.close()
        assert one.told.until(0, longer=0) == expected
        assert one.subscription.error is None
        assert one.subscription.position == max(one.after, len(self.entries))

    @rule(after=st.none() | st.integers(0, 40), key=keys)
    def wait(self, after: int | None, key: str) -> None:
        """It sleeps only where there is nothing, which is not tried here."""
        newest, value = len(self.entries), self.model.committed.generations.get(key, 0)
        store = self.store
        assert store.doorbell.wait(after, None if after is not None and newest > after else 0) == newest
        assert store.generation(key).wait(after, None if after is not None and value > after else 0) == value

    @invariant()
    def positions_can_be_gone_on_from(self) -> None:
        """Nothing that was not taken is at or below; all that was taken is."""
        for one in self.watches:
            ahead = self.ahead(one)
            assert one.after <= one.watch.position
            assert not ahead or one.watch.position < ahead[0].position
