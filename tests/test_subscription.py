"""What a subscription promises, over every backend."""

import threading
import time
from contextlib import suppress

import pytest

from agent_store import CommitEvent, Store
from stores import Place
from threads import PATIENCE, Threads, check
from told import Told, event_of, events

pytestmark = pytest.mark.differs("nobody waits")


def test_told_of_what_is_committed_from_now_on(store: Store) -> None:
    store.log("s", "w").append(b"before")
    told = Told()
    with store.doorbell.subscribe(told) as subscription:
        for n in range(5):
            store.log("s", f"w{n % 2}").append(b"x")
        store.append_many([("s", "w", b"x"), ("t", "v", b"y")])
        assert told.until(7) == events(store, after=1)
        assert subscription.error is None
    assert subscription.position == 8
    store.log("s", "w").append(b"after")
    assert told.until(7) == events(store, after=1)[:7]


@pytest.mark.parametrize("after", [0, 2, 3, 5])
def test_told_from_a_position_on(store: Store, after: int) -> None:
    store.log("s", "w").append_many([b"x"] * 3)
    told = Told()
    with store.doorbell.subscribe(told, after=after):
        assert told.until(max(3 - after, 0)) == events(store, after)
        store.log("s", "w").append_many([b"x"] * 4)
        assert told.until(7 - after) == events(store, after)


@pytest.mark.differs("no second opening")
def test_told_of_what_another_store_commits(place: Place, store: Store) -> None:
    told = Told()
    with place.open() as other, store.doorbell.subscribe(told), other.doorbell.subscribe(told_there := Told()):
        for n in range(4):
            (other if n % 2 else store).log("s", "w").append(b"x")
        assert told.until(4) == told_there.until(4) == events(store)


def test_told_in_commit_order_beside_many_writers(store: Store) -> None:
    told = [Told(), Told()]
    with store.doorbell.subscribe(told[0]), store.doorbell.subscribe(told[1], after=0):
        with Threads(lambda n: [store.log(f"s{n % 2}", str(n)).append(b"x") for _ in range(25)], 4) as writing:
            writing.results()
        assert told[0].until(100) == told[1].until(100) == [event_of(entry) for entry in check(store, 100)]


def test_not_told_of_what_is_undone(store: Store) -> None:
    told = Told()
    with store.doorbell.subscribe(told):
        with suppress(ZeroDivisionError), store.transaction():
            store.log("s", "w").append(b"undone")
            raise ZeroDivisionError
        with store.transaction():
            store.log("s", "w").append(b"x")
            time.sleep(0.1)
            assert told == []
        assert told.until(1) == events(store)


def test_one_that_raises_is_logged_and_goes_on(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    told, other = Told(), Told()

    def fail(event: CommitEvent) -> None:
        told(event)
        if event.position == 3:
            raise SystemExit
        if event.position > 1:
            raise ZeroDivisionError(f"at {event.position}")

    with caplog.at_level("INFO"), store.doorbell.subscribe(fail) as failing, store.doorbell.subscribe(other):
        entries = [store.log("hall", "ada").append(b"x") for _ in range(4)]
        assert told.until(4) == other.until(4) == events(store)
    assert failing.error is None
    logged = caplog.records
    assert [(record.name, record.levelname) for record in logged] == [("agent_store", "ERROR")] * 3
    for record, entry in zip(logged, entries[1:], strict=True):
        facts = vars(record)
        assert [facts["stream"], facts["writer"], facts["seq"], facts["position"]] == [
            "hall",
            "ada",
            entry.seq,
            entry.seq,
        ]
        assert f"stream 'hall', writer 'ada', seq {entry.seq}, position {entry.position}" in record.getMessage()
        assert record.exc_info is not None
        assert record.exc_info[0] is (SystemExit if entry.seq == 3 else ZeroDivisionError)


def test_a_slow_one_holds_up_nobody(store: Store) -> None:
    told, go_on = Told(), threading.Event()

    def slow(event: CommitEvent) -> None:
        assert go_on.wait(PATIENCE)
        told(event)

    with store.doorbell.subscribe(slow), store.doorbell.subscribe(quick := Told()):
        for _ in range(20):
            store.log("s", "w").append(b"x")
        assert quick.until(20) == events(store)
        assert told == []
        go_on.set()
        assert told.until(20) == events(store)


def test_a_callback_may_use_the_store(store: Store) -> None:
    """Append too, which it is told of in its turn; open transactions; wait."""

    def answer(event: CommitEvent) -> None:
        if event.stream == "questions":
            with store.transaction():
                store.log("answers", "w").append(b"%d" % event.seq)
                store.generation("answered").advance_to(event.position)
            store.doorbell.wait(event.position, timeout=0.01)

    last = 0
    with store.doorbell.subscribe(answer), store.doorbell.subscribe(told := Told()):
        for _ in range(10):
            last = store.log("questions", "w").append(b"x").position
        told.until(20)
        assert store.generation("answered").wait(last - 1, PATIENCE) == last
    assert [entry.payload for entry in store.log("answers", "w").entries()] == [b"%d" % n for n in range(1, 11)]
