"""Transactions: whole or not at all, one inside the other, and seen by others when they are committed."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from agent_store import Entry, Store
from agent_store.errors import StoreError, TransactionConflict
from stores import Place


def test_a_transaction_commits_all(store: Store, sql: Callable[[str], str]) -> None:
    store.execute("CREATE TABLE notes (text TEXT)")
    with store.transaction() as same:
        assert same is store
        store.execute(sql("INSERT INTO notes VALUES (?)"), ["x"])
        entry = store.log("s", "w").append(b"a")
        assert store.log("s", "w").head() == entry
        assert store.query("SELECT text FROM notes") == [("x",)]
        assert store.generation("g").bump() == store.generation("g").current() == 1
    assert store.log("s", "w").head() == entry
    assert store.query("SELECT text FROM notes") == [("x",)]
    assert store.generation("g").current() == 1
    assert store.verify().holds


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_undoes_all(store: Store, sql: Callable[[str], str], error: type[BaseException]) -> None:
    store.execute("CREATE TABLE notes (text TEXT)")
    first = store.log("s", "w").append(b"kept")

    def undone() -> None:
        with store.transaction():
            store.execute(sql("INSERT INTO notes VALUES (?)"), ["x"])
            store.log("s", "w").append(b"lost")
            store.log("s", "new").append_many([b"lost"] * 3)
            store.generation("g").set(7)
            raise error

    with pytest.raises(error):
        undone()
    assert store.log("s", "w").head() == first
    assert store.log("s", "new").head() is None
    assert store.query("SELECT * FROM notes") == []
    assert store.generation("g").current() == 0
    assert [head.writer for head in store.heads()] == ["w"]
    assert store.position() == 1
    # Neither the head nor the new log's id is remembered from what was undone.
    again = store.log("s", "w").append(b"next", expected=first)
    assert (again.seq, again.prev_hash, again.position) == (2, first.content_hash, 2)
    assert store.log("s", "new").append(b"a", expected=None).position == 3
    assert store.verify().holds


def test_nested_transactions_are_savepoints(store: Store) -> None:
    log = store.log("s", "w")

    def undone() -> None:
        with store.transaction():
            log.append(b"lost")
            store.log("s", "lost").append(b"lost")
            with store.transaction():
                log.append(b"lost too")
            assert store.position() == 4
            raise ValueError("inner")

    with store.transaction():
        log.append(b"1")
        with pytest.raises(ValueError, match="inner"):
            undone()
        assert store.position() == 1
        with store.transaction():
            log.append(b"2")
        log.append(b"3")
        store.log("s", "kept").append(b"4")
    assert [entry.payload for entry in store.entries()] == [b"1", b"2", b"3", b"4"]
    assert [entry.position for entry in store.entries()] == [1, 2, 3, 4]
    assert store.verify().holds


def test_an_outer_rollback_undoes_what_inner_blocks_committed(store: Store) -> None:
    def undone() -> None:
        with store.transaction():
            with store.transaction():
                store.log("s", "w").append(b"lost")
            raise ValueError("outer")

    with pytest.raises(ValueError, match="outer"):
        undone()
    assert store.position() == 0
    assert store.log("s", "w").append(b"a").seq == 1


def test_a_failed_append_leaves_its_transaction_as_it_was(store: Store) -> None:
    log = store.log("s", "w")

    def failing() -> Iterator[bytes]:
        yield from [b"lost"] * 1_500
        raise ValueError("from the iterable")

    with store.transaction():
        first = log.append(b"1")
        with pytest.raises(TypeError):
            log.append_many([b"2", "3"])
        with pytest.raises(ValueError, match="from the iterable"):
            log.append_many(failing())
        assert log.append(b"2", expected=first).seq == 2
    assert [entry.payload for entry in log.entries()] == [b"1", b"2"]


def test_append_many_works_in_a_transaction_with_reads_from_its_iterable(store: Store) -> None:
    log = store.log("s", "w")
    seen: list[int] = []

    def reading() -> Iterator[bytes]:
        for number in range(3_000):
            seen.append(store.position())
            yield b"%d" % number

    with store.transaction():
        log.append(b"first")
        log.append_many(reading())
        assert store.position() == 3_001
    # Reads in a transaction are on its connection: they may see chunks that are written.
    assert seen[0] == 1
    assert seen == sorted(seen)
    assert store.position() == 3_001
    assert store.verify().holds


def test_a_transaction_is_left_after_those_inside_it(store: Store) -> None:
    outer, inner = store.transaction(), store.transaction()
    with outer:
        store.log("s", "w").append(b"a")
        inner.__enter__()
        store.log("s", "w").append(b"b")
        with pytest.raises(TransactionConflict, match="leave it first"):
            outer.__exit__(None, None, None)
        inner.__exit__(None, None, None)
    assert store.position() == 2
    with pytest.raises(TransactionConflict):
        outer.__exit__(None, None, None)


@pytest.mark.differs("one connection")
def test_a_transaction_that_is_forgotten_is_undone(store: Store) -> None:
    store.transaction().__enter__()
    with ThreadPoolExecutor(1) as other:
        entry = store.log("s", "w").append(b"of no transaction")
        assert other.submit(store.log("s", "w").head).result(timeout=30) == entry


def test_batch_is_refused_in_a_transaction(store: Store) -> None:
    with store.transaction():
        with pytest.raises(ValueError, match="batch"):
            store.log("s", "w").append_many([b"a"], batch=1)
        with pytest.raises(ValueError, match="batch"):
            store.append_many([("s", "w", b"a")], batch=1)
    assert store.position() == 0


@pytest.mark.differs("no second opening")
def test_others_see_a_transaction_when_it_is_committed(place: Place) -> None:
    with place.open() as store, place.open() as other:
        with store.transaction():
            store.log("s", "w").append(b"a")
            assert (store.position(), other.position()) == (1, 0)
        assert other.position() == store.position() == 1


@pytest.mark.differs("one connection", "no second opening")
def test_other_threads_see_a_transaction_when_it_is_committed(store: Store) -> None:
    with ThreadPoolExecutor(1) as other:
        with store.transaction():
            store.log("s", "w").append(b"a")
            assert other.submit(store.position).result(timeout=30) == 0
        assert other.submit(store.position).result(timeout=30) == 1


@pytest.mark.differs("one connection")
def test_a_loop_begun_in_an_open_transaction_is_not_for_other_threads(store: Store) -> None:
    log = store.log("s", "w")
    log.append_many([b"committed"] * 50)
    loops: list[Callable[[], Iterator[Entry]]]
    loops = [log.entries, store.entries, lambda: log.entries(reverse=True), lambda: store.entries(stream="s")]
    with ThreadPoolExecutor(1) as other:
        for loop in loops:
            with store.transaction():
                log.append_many([b"seen here alone"] * 100)
                entries = loop()
                first = next(entries)
                with pytest.raises(TransactionConflict, match="still open"):
                    other.submit(list, entries).result(timeout=30)
                entries = loop()
                assert next(entries) == first
            assert len(other.submit(list, entries).result(timeout=30)) == store.position() - 1


@pytest.mark.differs("of SQLite")
def test_a_statement_that_ends_the_transaction_is_noticed(store: Store) -> None:
    store.execute("CREATE TABLE t (a UNIQUE)")
    store.execute("INSERT INTO t VALUES (1)")

    def ended() -> None:
        with store.transaction():
            store.log("s", "w").append(b"lost")
            with pytest.raises(StoreError):
                store.execute("INSERT OR ROLLBACK INTO t VALUES (1)")
            store.log("s", "w").append(b"must not be written alone")

    with pytest.raises(TransactionConflict):
        ended()
    assert store.position() == 0
    assert store.log("s", "w").append(b"a").seq == 1
