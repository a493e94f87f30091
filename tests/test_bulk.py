"""Appending from iterables: whole, in batches, and what may happen inside them."""

from collections.abc import Callable, Iterator

import pytest

from agent_store import Entry, Head, Store
from agent_store.errors import TransactionConflict


def head_of(entry: Entry) -> Head:
    return Head(entry.stream, entry.writer, entry.seq, entry.content_hash)


@pytest.mark.parametrize("count", [0, 1, 1_023, 1_024, 1_025, 3_000])
@pytest.mark.parametrize("batch", [None, 1_000, 1_024, 10_000])
@pytest.mark.parametrize("lazy", [False, True])
def test_append_many_appends_all(store: Store, count: int, batch: int | None, lazy: bool) -> None:
    log = store.log("s", "w")
    first = log.append(b"first")
    items = [b"%d" % number for number in range(count)]
    head = log.append_many(iter(items) if lazy else items, batch=batch)
    newest = log.head()
    assert newest is not None
    assert head == head_of(newest) == log.verify()
    assert newest.seq == store.position() == count + 1
    assert [entry.payload for entry in log.entries(2)] == items
    assert log.entry(1) == first


def test_append_many_of_nothing(store: Store) -> None:
    log = store.log("s", "w")
    assert log.append_many([]) is None
    assert log.append_many([], batch=1) is None
    assert store.append_many([]) == 0
    head = head_of(log.append(b"a"))
    assert log.append_many(iter(())) == log.append_many([], batch=5) == head
    assert store.append_many([]) == 1


@pytest.mark.parametrize("after", [0, 1, 1_024, 2_500])
def test_an_iterable_that_raises_writes_nothing(store: Store, after: int) -> None:
    def failing() -> Iterator[bytes]:
        yield from [b"x"] * after
        raise KeyboardInterrupt

    first = store.log("s", "w").append(b"a")
    # Kept, for its traceback holds all that the call had: what is undone must not wait until that goes.
    with pytest.raises(KeyboardInterrupt) as raised:
        store.log("s", "w").append_many(failing())
    with pytest.raises(KeyboardInterrupt):
        store.append_many(("s", "new", payload) for payload in failing())
    assert list(store.entries()) == [first]
    assert store.log("s", "w").append(b"b", expected=first).position == 2
    assert raised.tb is not None


def test_a_batch_that_was_committed_stays(store: Store) -> None:
    def failing() -> Iterator[bytes]:
        yield from [b"x"] * 2_550
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        store.log("s", "w").append_many(failing(), batch=100)
    assert store.position() == 2_500
    with pytest.raises(TypeError, match="number"):
        store.append_many([("s", "v", b"a"), ("s", "v", b"b"), ("s", "v", "c")], batch=2)
    assert store.position() == 2_502
    for batch in (0, -1, 1.5):
        with pytest.raises((ValueError, TypeError)):
            store.log("s", "w").append_many([b"a"], batch=batch)  # type: ignore[arg-type]
    assert store.verify().holds


@pytest.mark.parametrize("batch", [None, 1_000])
def test_writes_from_inside_the_iterable_are_refused(store: Store, batch: int | None) -> None:
    log = store.log("s", "w")
    store.execute("CREATE TABLE t (a integer)")
    writes: list[Callable[[], object]] = [
        lambda: log.append(b"x"),
        lambda: log.append_many([b"x"]),
        lambda: store.append_many([("s", "v", b"x")], batch=1),
        lambda: store.generation("g").bump(),
        lambda: store.execute("INSERT INTO t VALUES (1)"),
        lambda: store.transaction().__enter__(),
    ]

    def writing() -> Iterator[bytes]:
        for number in range(2_100):
            if number in {0, 2_050}:
                for write in writes:
                    with pytest.raises(TransactionConflict):
                        write()
            yield b"y"

    log.append_many(writing(), batch=batch)
    assert store.position() == 2_100
    assert store.query("SELECT * FROM t") == []
    assert store.generation("g").bump() == 1
    # An error of such a write that is not caught ends the whole.
    with pytest.raises(TransactionConflict):
        log.append_many(log.append(b"x").payload for _ in range(3))
    assert log.append(b"z").seq == 2_101


@pytest.mark.parametrize("number", [0, 2_050])
def test_a_query_that_writes_is_refused_inside_the_iterable(store: Store, number: int) -> None:
    store.execute("CREATE TABLE t (a integer)")

    def writing() -> Iterator[bytes]:
        yield from [b"y"] * number
        with pytest.raises(TransactionConflict):
            store.query("INSERT INTO t VALUES (1) RETURNING a")
        yield b"z"

    store.log("s", "w").append_many(writing())
    assert store.query("SELECT * FROM t") == []


@pytest.mark.differs("one connection")
def test_reads_from_inside_the_iterable_see_what_is_committed(store: Store, sql: Callable[[str], str]) -> None:
    seen: list[tuple[int, int, Entry | None]] = []

    def reading() -> Iterator[bytes]:
        for number in range(3_000):
            if number % 500 == 0:
                counted = store.query(sql("SELECT count(*) FROM _agent_store_entries"))[0][0]
                seen.append((store.position(), counted, log.head()))
                assert len(list(log.entries())) == len(store.heads()) == 1
                assert store.verify().entries == store.info()["entries"] == 1
                assert store.generation("g").current() == 0
            yield b"y"

    log = store.log("s", "w")
    first = log.append(b"a")
    log.append_many(reading())
    assert seen == [(1, 1, first)] * 6
    assert store.position() == 3_001


def test_store_append_many_keeps_the_order_of_rows(store: Store) -> None:
    rows = [(f"s{number % 3}", f"w{number % 7}", b"%d" % number) for number in range(2_500)]
    assert store.append_many(iter(rows)) == 2_500
    assert store.append_many([("s0", "w0", b"a")], batch=1) == 2_501
    found = [(entry.stream, entry.writer, entry.payload) for entry in store.entries()]
    assert found == [*rows, ("s0", "w0", b"a")]
    assert [entry.position for entry in store.entries()] == list(range(1, 2_502))
    assert len(store.heads()) == 21
    assert store.verify().holds
    for row in (("s", "w"), ("s", "w", b"a", 1), "swp", 5, ("s", b"w", b"a")):
        with pytest.raises((TypeError, ValueError)):
            store.append_many([("s0", "w0", b"lost"), row])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="writer"):
        store.append_many([("s0", "w0", b"lost"), ("s", "", b"a")])
    assert store.position() == 2_501
