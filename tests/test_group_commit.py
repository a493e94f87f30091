"""Appends and bumps of many threads that share a commit: each gets its own entry or its own error, as if it were alone.

While others hold the write lock all of them wait; those that wait together are written together.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path

import pytest

import agent_store
from agent_store import Entry, Head, Store
from agent_store.errors import BackendError, HeadMoved, NonMonotonicGeneration
from threads import THREADS, Call, Others, at_once, check, locked, together, turn_taken

LARGEST = 2**63 - 1


@pytest.fixture(params=["nobody", "a thread", "a process"])
def others(request: pytest.FixtureRequest, path: Path) -> Others:
    """Who holds the write lock while the threads begin."""
    held: dict[str, Others] = {
        "nobody": lambda _: nullcontext(),
        "a thread": turn_taken,
        "a process": lambda _: locked(path),
    }
    return held[request.param]


@pytest.fixture
def file(path: Path) -> Iterator[Store]:
    with agent_store.open(path, timeout=60) as opened:
        yield opened


def append(stream: str, writer: str, payload: bytes) -> Call:
    return lambda store: store.log(stream, writer).append(payload)


def bump(key: str) -> Call:
    return lambda store: store.generation(key).bump()


def reserve(key: str, n: int) -> Call:
    return lambda store: store.generation(key).reserve(n)


def advance_to(key: str, n: int) -> Call:
    return lambda store: store.generation(key).advance_to(n)


def append_many(stream: str, writer: str, payloads: list[bytes]) -> Call:
    return lambda store: store.append_many((stream, writer, payload) for payload in payloads)


def note(number: int) -> Call:
    return lambda store: store.execute("INSERT INTO notes VALUES (?)", [number])


def test_each_gets_its_own_entry(file: Store, others: Others) -> None:
    names = [("own", str(number)) for number in range(THREADS)] + [("common", "all")] * THREADS
    told = at_once(file, others, [append(*name, b"%d" % number) for number, name in enumerate(names)])
    entries = check(file, 2 * THREADS)
    for number, (name, entry) in enumerate(zip(names, told, strict=True)):
        assert isinstance(entry, Entry)
        assert (entry.stream, entry.writer, entry.payload) == (*name, b"%d" % number)
        assert entry == entries[entry.position - 1]


def test_each_gets_its_own_values(file: Store, others: Others) -> None:
    calls = [bump("bumped")] * THREADS + [reserve("reserved", n) for n in range(1, 9)]
    told = at_once(file, others, calls + [advance_to("raised", n) for n in range(8)])
    assert Counter(told[:THREADS]) == Counter(range(1, THREADS + 1))
    ranges = [found for found in told[THREADS : THREADS + 8] if isinstance(found, range)]
    assert [len(found) for found in ranges] == list(range(1, 9))
    assert sorted(value for found in ranges for value in found) == list(range(1, 37))
    for n, now in enumerate(told[THREADS + 8 :]):
        assert isinstance(now, int)
        assert n <= now <= 7
    current = [file.generation(key).current() for key in ("bumped", "reserved", "raised")]
    assert current == [THREADS, 36, 7]


@pytest.mark.parametrize("empty", [False, True])
def test_of_those_that_expect_the_same_head_one_wins(file: Store, others: Others, empty: bool) -> None:
    log = file.log("s", "w")
    head = None if empty else log.append(b"first")

    def compare_and_append(number: int) -> Call:
        return lambda _: log.append(b"%d" % number, expected=head)

    told = at_once(file, others, [compare_and_append(number) for number in range(THREADS)])
    [won] = [entry for entry in told if isinstance(entry, Entry)]
    assert won.prev_hash == (head and head.content_hash)
    assert won == log.head()
    moved = [error for error in told if isinstance(error, HeadMoved)]
    assert len(moved) == THREADS - 1
    for error in moved:
        assert error.expected == (head and (head.seq, head.content_hash))
        assert error.actual == (won.seq, won.content_hash)
    check(file, 1 if empty else 2)


@pytest.mark.differs("one connection")
def test_a_log_as_a_counter_has_one_winner_for_each_head(store: Store) -> None:
    log = store.log("s", "counter")

    def work(number: int) -> list[Entry]:
        written: list[Entry] = []
        while len(written) < 15:
            head = log.head()
            value = int(head.payload) if head else 0
            with suppress(HeadMoved):
                written.append(log.append(b"%d" % (value + 1), expected=head))
        return written

    told = [entry for written in together(work) for entry in written]
    entries = check(store, THREADS * 15)
    assert [int(entry.payload) for entry in entries] == list(range(1, THREADS * 15 + 1))
    assert sorted(told, key=lambda entry: entry.position) == entries


def refused_by_the_core() -> list[tuple[Call, type[Exception]]]:
    """Calls on a store with an entry in s/w, `low` at 5 and `full` at the largest integer, and what each raises."""
    forged = Head("s", "w", 1, bytes(32))

    def failing() -> Iterator[bytes]:
        yield b"lost"
        raise LookupError

    def undone(store: Store) -> None:
        with store.transaction():
            store.log("s", "w").append(b"lost")
            store.generation("low").bump()
            raise LookupError

    return [
        (lambda store: store.log("s", "w").append(b"lost", expected=forged), HeadMoved),
        (lambda store: store.log("s", "w").append(b"lost", expected=None), HeadMoved),
        (lambda store: store.log("new", "w").append(b"lost", expected=Head("new", "w", 1, bytes(32))), HeadMoved),
        (lambda store: store.log("s" * 1_025, "w").append(b"lost"), ValueError),
        (lambda store: store.log("s", "w").append(bytes((512 << 20) + 1)), ValueError),
        (lambda store: store.log("s", "w").append_many(failing()), LookupError),
        (lambda store: store.generation("low").set(4), NonMonotonicGeneration),
        (bump("full"), OverflowError),
        (reserve("full", 2), OverflowError),
        (lambda store: store.execute("UPDATE _agent_store_entries SET payload = x''"), BackendError),
        (lambda store: store.execute("INSERT INTO nowhere VALUES (1)"), BackendError),
        (undone, LookupError),
    ]


def test_an_error_of_one_harms_no_other(file: Store, others: Others) -> None:
    file.log("s", "w").append(b"first")
    file.generation("low").set(5)
    file.generation("full").set(LARGEST)
    refused = refused_by_the_core()
    good: list[Call] = [append("s", "w" if number % 2 else "new", b"%d" % number) for number in range(THREADS)]
    good += [bump("low")] * 4
    # In turn, so that there are some of each before and behind.
    calls = [call for pair in zip(good, [call for call, _ in refused], strict=False) for call in pair]
    calls += good[len(refused) :]
    told = at_once(file, others, calls)

    for (_, kind), error in zip(refused, told[1 : 2 * len(refused) : 2], strict=True):
        assert type(error) is kind, error
    written = [found for found in told if isinstance(found, Entry)]
    assert Counter(entry.payload for entry in written) == Counter(b"%d" % number for number in range(THREADS))
    assert sorted(found for found in told if isinstance(found, int)) == [6, 7, 8, 9]
    entries = check(file, 1 + THREADS)
    assert sorted(written, key=lambda entry: entry.position) == entries[1:]
    assert file.generation("low").current() == 9
    assert file.generation("full").current() == LARGEST


def test_beside_transactions_bulk_and_statements(file: Store, others: Others) -> None:
    file.execute("CREATE TABLE notes (number)")

    def block(number: int, store: Store, *, undone: bool) -> list[Entry]:
        with store.transaction():
            first = store.log("common", "all").append(b"block %d" % number)
            store.execute("INSERT INTO notes VALUES (?)", [number])
            store.log("common", "all").append_many([b"block %d" % number] * 3)
            last = store.log("own", f"block {number}").append(b"block %d" % number)
            if undone:
                raise LookupError
        return [first, last]

    calls: list[Call] = []
    for number in range(8):
        calls += [
            append("common", "all", b"single %d" % number),
            append("own", "single", b"single %d" % number),
            partial(block, number, undone=number % 2 == 1),
            append_many("common", "all", [b"many %d" % number] * 5),
            append_many("own", f"many {number}", [b"many %d" % number] * 2_000),
            note(number),
        ]
    told = at_once(file, others, calls)
    assert {type(found) for found in told if isinstance(found, BaseException)} == {LookupError}
    entries = check(file, 8 * (1 + 1 + 5 + 2_000) + 4 * 5)
    counts = Counter(entry.payload for entry in entries)
    for number in range(8):
        assert counts[b"single %d" % number] == 2
        assert counts[b"many %d" % number] == 2_005
        assert counts[b"block %d" % number] == (5 if number % 2 == 0 else 0)
    for number, found in enumerate(told[2::6]):
        if number % 2 == 0:
            assert isinstance(found, list)
            first, last = found
            assert entries[first.position - 1] == first
            assert last == entries[first.position + 3]
            assert {entry.payload for entry in entries[first.position - 1 : last.position]} == {b"block %d" % number}
    noted = file.query("SELECT number FROM notes ORDER BY number")
    assert noted == [(number,) for number in sorted([*range(8), 0, 2, 4, 6])]


@pytest.mark.differs("one connection")
def test_a_transaction_that_is_undone_takes_along_only_what_is_its_own(store: Store) -> None:
    """What threads append between a thread's transactions is no part of them, however they end."""

    def work(number: int) -> int:
        log = store.log("s", str(number))
        for n in range(12):
            if number % 4:
                log.append(b"kept %d" % n)
                continue
            try:
                with store.transaction():
                    log.append(b"lost %d" % n)
                    store.log("s", "1").append(b"lost %d" % n)
                    store.log(f"lost {number}/{n}", "w").append(b"lost")
                    raise LookupError
            except LookupError:
                assert log.head() is None
        return 12 if number % 4 else 0

    entries = check(store, sum(together(work)))
    assert all(entry.payload.startswith(b"kept") for entry in entries)
