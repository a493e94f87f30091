"""On a connection of the caller's: a call does there what an INSERT of the caller's own would do."""

import threading
from collections.abc import Callable
from contextlib import nullcontext

import pytest

from agent_store import Store
from agent_store.errors import BackendError, BusyError, StoreError, TransactionConflict
from lent_machine import Connection, in_transaction
from stores import Lent, Place, Schema
from threads import check

pytestmark = [pytest.mark.differs("of a lent connection"), pytest.mark.timeout(30)]


def lender(place: Place) -> Lent | Schema:
    assert isinstance(place, Lent | Schema)
    return place


@pytest.fixture
def connection(place: Place, store: Store) -> Connection:
    """That of `store`, in autocommit."""
    found: Connection = lender(place).connections[-1]
    return found


@pytest.fixture
def other(place: Place, connection: Connection) -> Store:
    """Sees what is committed."""
    return place.open()


WRITES: list[Callable[[Store], object]] = [
    lambda store: store.log("s", "w").append(b"x"),
    lambda store: store.log("s", "w").append_many([b"x"] * 2_000),
    lambda store: store.append_many([("s", "w", b"x"), ("s", "v", b"y")]),
    lambda store: store.generation("g").bump(),
    lambda store: store.execute("INSERT INTO notes VALUES ('x')"),
]


@pytest.fixture(params=range(len(WRITES)), ids=["append", "append_many", "rows", "bump", "execute"])
def write(request: pytest.FixtureRequest, store: Store) -> Callable[[Store], object]:
    store.execute("CREATE TABLE notes (text text)")
    chosen: Callable[[Store], object] = WRITES[request.param]
    return chosen


def state(store: Store) -> tuple[int, int, list[tuple[object, ...]]]:
    return store.position(), store.generation("g").current(), store.query("SELECT count(*) FROM notes")


NOTHING = (0, 0, [(0,)])


def test_with_none_open_it_is_committed_on_return(
    store: Store, connection: Connection, other: Store, write: Callable[[Store], object]
) -> None:
    write(store)
    assert not in_transaction(connection)
    assert state(other) == state(store) != NOTHING
    assert store.verify().holds


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_it_joins_the_open_transaction(
    store: Store, connection: Connection, other: Store, write: Callable[[Store], object], end: str
) -> None:
    connection.execute("BEGIN")
    for _ in range(2):
        write(store)
    written = state(store)
    assert in_transaction(connection)
    assert written != NOTHING == state(other)
    getattr(connection, end)()
    assert state(store) == state(other) == (written if end == "commit" else NOTHING)
    write(store)
    write(other)
    assert store.verify().holds


@pytest.mark.parametrize("block", [False, True])
@pytest.mark.parametrize("began", ["BEGIN", "SAVEPOINT a", "block"])
def test_nothing_is_remembered_of_what_the_caller_undid(
    store: Store, connection: Connection, began: str, block: bool
) -> None:
    """A savepoint too, set where it may: in a transaction of the caller's own, or in a block of the store's."""
    log, first = store.log("s", "w"), store.log("s", "w").append(b"first")
    outer = store.transaction()
    if began == "block":
        outer.__enter__()
    else:
        connection.execute(began if began == "BEGIN" else "BEGIN")
    connection.execute("SAVEPOINT of_the_caller")
    if block:
        with store.transaction():
            log.append(b"lost")
            store.log("s", "new").append_many([b"lost"] * 20)
    else:
        log.append(b"lost")
        store.log("s", "new").append_many([b"lost"] * 20)
    store.generation("g").set(7)
    connection.execute("ROLLBACK TO SAVEPOINT of_the_caller")
    second = log.append(b"second", expected=first)
    assert (second.seq, second.position, second.prev_hash) == (2, 2, first.content_hash)
    assert store.log("s", "new").append(b"x", expected=None).position == 3
    assert store.generation("g").bump() == 1
    if began == "block":
        outer.__exit__(None, None, None)
    else:
        connection.commit()
    assert not in_transaction(connection)
    check(store, 3)


def test_a_block_in_a_transaction_is_a_savepoint(store: Store, connection: Connection, other: Store) -> None:
    store.execute("CREATE TABLE notes (text text)")

    def undone() -> None:
        with store.transaction():
            store.log("s", "w").append(b"lost")
            store.execute("INSERT INTO notes VALUES ('lost')")
            raise LookupError

    connection.execute("BEGIN")
    connection.execute("INSERT INTO notes VALUES ('kept')")
    store.log("s", "w").append(b"kept")
    with pytest.raises(LookupError):
        undone()
    assert in_transaction(connection)
    with store.transaction():
        store.log("s", "w").append(b"kept too")
    assert other.position() == 0
    connection.commit()
    assert [entry.payload for entry in other.entries()] == [b"kept", b"kept too"]
    assert other.query("SELECT text FROM notes") == [("kept",)]
    with pytest.raises(LookupError):
        undone()
    assert not in_transaction(connection)
    check(store, 2)


@pytest.mark.parametrize("end", ["commit", "rollback"])
@pytest.mark.parametrize("block", [False, True])
def test_without_autocommit_the_caller_ends_what_a_call_began(
    place: Place, other: Store, block: bool, end: str
) -> None:
    options = {"autocommit": False} if isinstance(place, Schema) else {"isolation_level": "DEFERRED"}
    connection = lender(place).connect(**options)
    import agent_store

    store = agent_store.open(connection, schema=place.name if isinstance(place, Schema) else None)
    connection.rollback()
    with store.transaction() if block else nullcontext():
        store.log("s", "w").append(b"1")
        store.log("s", "w").append_many([b"2"] * 50)
    store.generation("g").bump()
    assert in_transaction(connection)
    assert (other.position(), other.generation("g").current()) == (0, 0)
    with pytest.raises(ValueError, match="batch"):
        store.log("s", "w").append_many([b"3"], batch=1)
    getattr(connection, end)()
    kept = end == "commit"
    assert (other.position(), other.generation("g").current()) == ((51, 1) if kept else (0, 0))
    assert store.log("s", "w").append(b"4").seq == (52 if kept else 1)
    connection.commit()
    check(other, 52 if kept else 1)


def test_a_failed_call_leaves_the_callers_transaction_as_it_was(store: Store, connection: Connection) -> None:
    log = store.log("s", "w")
    connection.execute("BEGIN")
    first = log.append(b"1")
    with pytest.raises(StoreError):
        log.append(b"x", expected=None)
    with pytest.raises(ValueError, match="stream"):
        store.append_many([("s", "w", b"x"), ("", "w", b"x")])
    with pytest.raises(LookupError):
        log.append_many(failing())
    assert log.append(b"2", expected=first).position == 2
    connection.commit()
    check(store, 2)


def failing() -> "list[bytes]":
    raise LookupError


def test_a_lock_that_another_has(place: Place, store: Store, other: Store) -> None:
    with other.transaction():
        other.log("s", "w").append(b"x")
        hurried = lender(place).connect(**({} if isinstance(place, Schema) else {"timeout": 0.2}))
        if isinstance(place, Schema):
            hurried.execute("SET lock_timeout = 200")
        import agent_store

        mine = agent_store.open(hurried, schema=place.name if isinstance(place, Schema) else None)
        for call in (lambda: mine.log("s", "w").append(b"lost"), mine.generation("g").bump):
            with pytest.raises(BusyError):
                call()
            assert not in_transaction(hurried)
    assert mine.log("s", "w").append(b"y").position == 2
    check(store, 2)


def test_the_connection_stays_the_callers(place: Place, store: Store, connection: Connection) -> None:
    store.log("s", "w").append(b"x")
    store.close()
    assert connection.execute("SELECT 1").fetchone() == (1,)
    again = place.open()
    lender(place).connections[-1].close()
    with pytest.raises(StoreError, match="closed"):
        again.position()
    with pytest.raises(StoreError, match="closed"):
        again.log("s", "w").append(b"x")


def test_a_call_from_inside_progress_is_answered_at_once(store: Store) -> None:
    store.append_many([("s", "w", b"x")] * 2_000)
    told: list[object] = []

    def progress(done: int, total: int) -> None:
        try:
            told.append(store.position())
        except (TransactionConflict, BackendError) as error:
            told.append(error)

    thread = threading.Thread(target=lambda: told.append(store.verify(progress=progress).holds), daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), "it hangs"
    assert told[-1] is True
