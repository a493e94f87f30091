"""The server is restarted, or all its processes are killed, amid a call: an error, nothing lost, nothing doubled."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from acknowledged import Appenders, soon
from agent_store import Store
from agent_store.errors import BackendError, OutcomeUnknown, StoreError, TransactionConflict
from postgres_server import Server
from stores import Schema
from threads import check

pytestmark = pytest.mark.timeout(60)
ENDS: dict[str, Callable[[Server], None]] = {"stopped": Server.stop, "killed": Server.kill}


@pytest.fixture(params=ENDS)
def break_off(request: pytest.FixtureRequest, server: Server) -> Callable[[], None]:
    """The server goes and comes back, once."""
    end = ENDS[request.param]

    def once() -> None:
        end(server)
        server.start()

    return once


@pytest.fixture
def store(schema: Schema) -> Iterator[Store]:
    with schema.open() as opened:
        yield opened


@pytest.mark.parametrize("batch", [1, 50])
def test_amid_appends(store: Store, server: Server, break_off: Callable[[], None], batch: int) -> None:
    with Appenders(store, batch=batch) as appenders:
        for _ in range(2):
            appenders.wait_for(5)
            break_off()
        appenders.wait_for(5)
    assert appenders.errors()
    for error in appenders.errors():
        assert server.password not in str(error)
        assert "server" in str(error)
    appenders.check(store)


def broken(store: Store, call: Callable[[], object]) -> StoreError:
    """It cannot come to its end, says so, and nothing of it is there; the store goes on."""
    before, count = store.heads(), store.position()
    with pytest.raises(StoreError) as raised:
        call()
    assert isinstance(raised.value, BackendError | TransactionConflict)
    assert soon(store.heads) == before
    assert store.log("after", "w").append(b"x").position == count + 1
    check(store, count + 1)
    return raised.value


def test_amid_copy(store: Store, break_off: Callable[[], None]) -> None:
    """Chunks have gone to the server, and more would."""
    store.log("s", "w").append(b"first")

    def payloads() -> Iterator[bytes]:
        for number in range(5_000):
            if number == 3_000:
                break_off()
            yield b"%d" % number

    broken(store, lambda: store.log("s", "w").append_many(payloads()))
    broken(store, lambda: store.append_many(("s", f"w{number}", payload) for number, payload in enumerate(payloads())))
    kept = store.log("s", "batches")
    # Between two batches no connection is in use, and a new one is opened for the next.
    kept.append_many(payloads(), batch=1_000)
    head = kept.head()
    assert head is not None
    assert head.seq == 5_000
    assert store.verify().holds


def test_amid_a_copy_that_is_under_way(store: Store, server: Server) -> None:
    """While a chunk of some megabytes travels."""
    store.log("s", "w").append(b"first")
    payloads = [bytes(100_000)] * 300
    breaking = threading.Timer(0.05, server.restart)
    breaking.start()
    with suppress(BackendError, OutcomeUnknown):
        while breaking.is_alive():
            store.log("s", "w").append_many(payloads)
    breaking.join()
    count = soon(store.position)
    assert isinstance(count, int)
    assert (count - 1) % 300 == 0
    assert store.log("s", "w").append(b"after").position == count + 1
    check(store, count + 1)


def test_amid_verification(store: Store, break_off: Callable[[], None]) -> None:
    store.append_many(("s", f"w{number % 50}", b"%d" % number) for number in range(30_000))
    calls: list[int] = []

    def progress(done: int, total: int) -> None:
        if not calls:
            break_off()
        calls.append(done)
        time.sleep(0.01)

    for verify in (
        lambda: store.verify(progress=progress),
        lambda: store._binding.backend.verify_log("s", "w1", None, None, progress),
    ):
        calls.clear()
        try:
            verify()
        except BackendError as error:
            assert "server" in str(error)  # noqa: PT017 - it may also have been read by then
        assert calls
        assert soon(store.verify)
    assert store.verify().holds


def test_amid_reading(store: Store, break_off: Callable[[], None]) -> None:
    store.append_many(("s", f"w{number % 50}", b"%d" % number) for number in range(3_000))
    everything = list(store.entries())
    for entries in (store.entries(), store.entries(stream="s", reverse=True), store.log("s", "w7").entries()):
        begun = [next(entries)]
        break_off()
        try:
            begun += entries
        except BackendError:
            continue
        assert len(begun) in {3_000, 60}
    assert soon(lambda: list(store.entries())) == everything


def test_in_a_transaction(store: Store, break_off: Callable[[], None]) -> None:
    store.execute("CREATE TABLE notes (text text)")

    def undone() -> None:
        with store.transaction():
            store.log("s", "w").append(b"lost")
            store.execute("INSERT INTO notes VALUES ('lost')")
            break_off()
            store.log("s", "w").append(b"lost too")

    def undone_at_its_end() -> None:
        with store.transaction():
            store.log("s", "w").append(b"lost")
            store.generation("g").bump()
            break_off()

    broken(store, undone)
    # Whether its end reached the server nobody can tell by the connection alone.
    before = store.position()
    with pytest.raises((BackendError, OutcomeUnknown, TransactionConflict)):
        undone_at_its_end()
    assert soon(store.position) == before
    assert store.generation("g").current() == 0
    assert store.query("SELECT * FROM notes") == []


def test_while_nobody_calls(store: Store, break_off: Callable[[], None]) -> None:
    """Connections that were left idle are gone, and the first call notices."""
    with Appenders(store, 8) as appenders:
        appenders.wait_for(3)
    count = store.position()
    break_off()
    assert store.log("s", "w").append(b"x").position == count + 1
    assert store.position() == count + 1
    check(store, count + 1)


def test_while_the_server_is_away(store: Store, server: Server) -> None:
    store.log("s", "w").append(b"x")
    server.stop()
    calls: list[Callable[[], object]] = [
        lambda: store.log("s", "w").append(b"lost"),
        lambda: store.log("s", "w").append_many([b"lost"] * 2_000),
        lambda: store.generation("g").bump(),
        lambda: store.transaction().__enter__(),
        lambda: store.execute("SELECT 1"),
        store.position,
        store.verify,
        store.info,
        lambda: list(store.entries()),
    ]
    for call in calls:
        with pytest.raises(BackendError, match="server") as raised:
            call()
        assert server.password not in str(raised.value)
    server.start()
    assert store.log("s", "w").append(b"y").position == 2
    assert store.generation("g").current() == 0
    check(store, 2)
