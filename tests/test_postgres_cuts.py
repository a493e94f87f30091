"""The connection is cut at just the wrong place: what may stand is said to be unknown, and looking for it answers."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from acknowledged import soon, stands
from agent_store import Store
from agent_store.errors import BackendError, OutcomeUnknown
from postgres_server import Server, url_of
from proxy import PATIENCE, PLAIN, Proxy
from stores import Schema
from threads import check

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def store(schema: Schema, server: Server, proxy: Proxy) -> Iterator[Store]:
    """Through the proxy."""
    schema.url = url_of(schema.url.replace(f":{server.port}/", f":{proxy.port}/"), **PLAIN)
    with schema.open() as opened:
        opened.log("s", "w").append(b"first")
        yield opened


def in_a_transaction(store: Store) -> None:
    with store.transaction():
        store.log("s", "w").append(b"1")
        store.log("s", "v").append_many([b"2"] * 20)
        with store.transaction():
            store.append_many([("t", "w", b"3"), ("s", "w", b"4")])


ALONE = b"an entry by itself"
# With how many entries, and the logs that they are in.
WRITES: dict[str, tuple[Callable[[Store], Any], int, int]] = {
    "append": (lambda store: store.log("s", "w").append(ALONE), 1, 1),
    "append to a new log": (lambda store: store.log("s", "new").append(b"x"), 1, 1),
    "append expecting": (lambda store: store.log("s", "w").append(ALONE, expected=store.log("s", "w").head()), 1, 1),
    "a few": (lambda store: store.log("s", "w").append_many([b"x"] * 3), 3, 1),
    "many": (lambda store: store.log("s", "w").append_many([b"x"] * 3_000), 3_000, 1),
    "many to many": (lambda store: store.append_many(("s", f"w{n % 1_500}", b"x") for n in range(3_000)), 3_000, 1_500),
    "a transaction": (in_a_transaction, 23, 3),
}
# One round trip is a transaction by itself, without a COMMIT: it is over with what it inserted.
UNTOLD = {"append", "append expecting"}


@pytest.mark.parametrize("what", WRITES)
def test_the_answer_to_a_commit_is_lost(store: Store, proxy: Proxy, what: str) -> None:
    write, entries, logs = WRITES[what]
    proxy.lose_answer(b"INSERT" if what in UNTOLD else b"COMMIT")
    with pytest.raises(OutcomeUnknown) as unknown:
        write(store)
    assert proxy.lost.wait(PATIENCE)
    assert unknown.value.count == logs
    assert len(unknown.value.entries) == min(logs, 1_000)
    assert stands(store, unknown.value)
    check(store, 1 + entries)
    assert store.log("s", "w").append(b"after").position == entries + 2
    check(store, entries + 2)


@pytest.mark.parametrize("what", WRITES)
def test_a_commit_is_lost(store: Store, proxy: Proxy, what: str) -> None:
    """On its way to the server: the same error, and nothing is there."""
    write, _, logs = WRITES[what]
    proxy.lose_request(ALONE if what in UNTOLD else b"COMMIT")
    with pytest.raises(OutcomeUnknown) as unknown:
        write(store)
    assert proxy.lost.wait(PATIENCE)
    assert unknown.value.count == logs
    assert not stands(store, unknown.value)
    check(store, 1)
    assert write(store) is None or store.position() > 1
    assert store.verify().holds


@pytest.mark.parametrize("answer", [b"INSERT", b"SELECT"])
def test_an_answer_before_that_to_a_commit_is_lost(store: Store, proxy: Proxy, answer: bytes) -> None:
    """All went to the server at once."""
    log = store.log("s", "w")
    log.append(b"second")
    proxy.lose_answer(answer)
    with pytest.raises(OutcomeUnknown) as unknown:
        log.append(b"third")
    assert stands(store, unknown.value) == (log.entry(3) is not None)
    check(store, 3 if log.entry(3) else 2)
    log.append(b"after")
    assert store.verify().holds


def test_an_outcome_of_no_entries(store: Store, proxy: Proxy) -> None:
    generation = store.generation("g")
    generation.bump()
    proxy.lose_answer(b"COMMIT")
    with pytest.raises(OutcomeUnknown) as unknown:
        generation.bump()
    assert (unknown.value.entries, unknown.value.count) == ([], 0)
    assert generation.current() == 2
    store.execute("CREATE TABLE notes (text text)")
    proxy.lose_answer(b"COMMIT")
    with pytest.raises(OutcomeUnknown) as unknown:
        store.execute("INSERT INTO notes VALUES ('x')")
    assert unknown.value.count == 0
    assert store.query("SELECT * FROM notes") == [("x",)]
    assert generation.bump() == 3


def test_a_cut_before_the_commit_is_no_unknown_outcome(store: Store, proxy: Proxy) -> None:
    def payloads() -> Iterator[bytes]:
        yield from [b"x"] * 2_000
        proxy.cut()
        yield b"y"

    with pytest.raises(BackendError, match="connection"):
        store.log("s", "w").append_many(payloads())

    def block() -> None:
        with store.transaction():
            store.log("s", "w").append(b"x")
            proxy.cut()
            store.log("s", "w").append(b"y")

    with pytest.raises(BackendError, match="connection"):
        block()
    check(store, 1)
    assert store.log("s", "w").append(b"after").position == 2


def test_a_copy_is_cut_on_its_way(store: Store, proxy: Proxy) -> None:
    payloads = [bytes(10_000)] * 500
    payloads[250] = b"here it ends"
    proxy.lose_request(b"here it ends")
    with pytest.raises((BackendError, OutcomeUnknown)):
        store.log("s", "w").append_many(payloads)
    check(store, 1)
    store.log("s", "w").append_many(payloads)
    check(store, 501)


@pytest.mark.parametrize("count", [10, 100_000, 1_000_000])
def test_reading_and_verifying_are_cut(store: Store, proxy: Proxy, count: int) -> None:
    store.append_many(("s", f"w{number % 30}", bytes(200)) for number in range(20_000))
    reads: list[Callable[[], object]] = [
        store.verify,
        lambda: list(store.entries()),
        lambda: list(store.entries(stream="s", reverse=True)),
        store.heads,
        store.info,
    ]
    for read in reads:
        proxy.cut_after(count)
        try:
            read()
        except BackendError as error:
            assert "connection" in str(error)  # noqa: PT017 - what is short comes through
        else:
            assert not proxy.lost.is_set()
            proxy.cut()
        proxy.cut_after(1 << 40)
        assert soon(store.position) == 20_001
    assert store.verify().entries_hold == 20_001


def test_many_connections_are_cut_at_once(store: Store, proxy: Proxy) -> None:
    for _ in range(5):
        before = store.position()
        with store.transaction():
            store.log("s", "w").append(b"x")
            assert store.position() == before + 1
        proxy.cut()
        assert soon(store.position) == before + 1
    assert store.verify().holds


def test_nobody_listens_for_a_while(store: Store, proxy: Proxy, server: Server) -> None:
    proxy.refuse()
    for _ in range(3):
        with pytest.raises(BackendError, match="server") as raised:
            store.log("s", "w").append(b"lost")
        assert server.password not in str(raised.value)
    proxy.accept()
    assert store.log("s", "w").append(b"second").position == 2
    check(store, 2)


def test_an_answer_that_comes_late(store: Store, proxy: Proxy) -> None:
    """As long as the connection stands, a call waits for what it was promised."""
    import threading

    with proxy.holding():
        told: list[object] = []
        thread = threading.Thread(target=lambda: told.append(store.log("s", "w").append(b"slow")))
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
    thread.join(PATIENCE)
    assert told == [store.log("s", "w").head()]
    check(store, 2)
