"""What a watch promises, over every backend: what is there and then what comes, in order, no gap, nothing twice."""

import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from threading import Barrier, Event
from typing import Any

import pytest

from agent_store import Entry, Store, Watch, follow
from stores import Place
from threads import ASLEEP, PATIENCE, Threads, check, together

pytestmark = pytest.mark.differs("nobody waits")

ROWS = [("hall", "ada"), ("room", "bob"), ("hall", "bob"), ("yard", "ada"), ("room", "ada"), ("hall", "cat")]


@pytest.fixture
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few entries are several pages, as thousands would be."""
    monkeypatch.setattr(follow, "LARGEST_PAGE", 4)


def fill(store: Store, times: int = 1) -> list[Entry]:
    """Entries of many logs in turn."""
    return [store.log(*names).append(b"%d" % turn) for turn in range(times) for names in ROWS]


def take(watch: Watch, count: int) -> list[Entry]:
    return list(islice(watch, count))


def drained(store: Store, **options: Any) -> list[Entry]:
    with store.watch(timeout=0, **options) as watch:
        return list(watch)


def test_what_is_there_and_then_what_comes(store: Store) -> None:
    there = fill(store, 2)
    with store.watch(after=0, timeout=PATIENCE) as watch:
        assert take(watch, len(there)) == there
        for _ in range(3):
            came = fill(store)
            assert take(watch, len(came)) == came
        assert watch.position == store.position()


@pytest.mark.usefixtures("_small_pages")
def test_one_that_sleeps_is_woken(store: Store) -> None:
    with store.watch(timeout=PATIENCE) as watch, Threads(lambda _: take(watch, 20), 1) as taking:
        time.sleep(ASLEEP)
        came = fill(store)
        time.sleep(ASLEEP)
        store.append_many(("many", "ada", b"%d" % n) for n in range(20 - len(came)))
        (taken,) = taking.results()
    assert taken == check(store, 20)


@pytest.mark.differs("no second opening")
def test_what_another_store_writes(place: Place, store: Store) -> None:
    with place.open() as other, store.watch(timeout=PATIENCE) as watch:
        for _ in range(5):
            came = [other.log("s", "w").append(b"of the other"), store.log("s", "w").append(b"of this one")]
            assert take(watch, 2) == came
        with Threads(lambda _: take(watch, 2), 1) as taking:
            time.sleep(ASLEEP)
            came = [other.log("s", "w").append(b"x"), other.log("t", "w").append(b"y")]
            assert taking.results() == [came]


def test_it_begins_with_what_is_committed_after_the_call(store: Store) -> None:
    """Not with what comes after the first next()."""
    fill(store)
    watch = store.watch(timeout=0)
    assert watch.position == store.position()
    came = fill(store)
    assert list(watch) == came
    with store.watch(timeout=0) as empty:
        assert list(empty) == []


def test_of_an_empty_store(store: Store) -> None:
    assert drained(store) == drained(store, after=0) == drained(store, after=5) == []
    with store.watch(timeout=PATIENCE) as watch:
        assert watch.position == 0
        assert [store.log("s", "w").append(b"x")] == take(watch, 1)


def test_after_a_position_that_is_not_reached_yet(store: Store) -> None:
    entries = fill(store)
    with store.watch(after=8, timeout=PATIENCE) as watch, Threads(lambda _: take(watch, 4), 1) as taking:
        time.sleep(ASLEEP)
        assert watch.position == 8
        entries += fill(store)
        assert taking.results() == [entries[8:]]
    assert drained(store, after=2**70) == []


SELECTIONS: list[dict[str, Any]] = [
    {"stream": "hall"},
    {"writer": "ada"},
    {"stream": "room", "writer": "bob"},
    {"stream": ["hall", "room"]},
    {"stream": ("yard", "hall", "yard"), "writer": "ada"},
    {"exclude_writer": "ada"},
    {"stream": "hall", "exclude_writer": "bob"},
    {"stream": ["room", "yard"], "writer": "ada", "exclude_writer": "bob"},
    {"stream": ["none"]},
    {"stream": "none", "exclude_writer": "none"},
]


def selects(entry: Entry, stream: str | Sequence[str] | None, writer: str | None, exclude_writer: str | None) -> bool:
    streams = [stream] if isinstance(stream, str) else stream
    return (
        (streams is None or entry.stream in streams)
        and writer in {None, entry.writer}
        and exclude_writer != entry.writer
    )


@pytest.mark.usefixtures("_small_pages")
@pytest.mark.parametrize("names", SELECTIONS, ids=str)
def test_only_what_the_names_select(store: Store, names: dict[str, Any]) -> None:
    wanted = {"stream": None, "writer": None, "exclude_writer": None, **names}
    there = fill(store, 4)
    with store.watch(after=3, timeout=0, **names) as watch:
        expected = [entry for entry in there[3:] if selects(entry, **wanted)]
        assert take(watch, len(expected)) == expected
        came = fill(store, 2)
        assert list(watch) == [entry for entry in came if selects(entry, **wanted)]
        assert watch.position == store.position()


@pytest.mark.usefixtures("_small_pages")
@pytest.mark.parametrize("names", SELECTIONS, ids=str)
def test_another_goes_on_from_its_position(store: Store, names: dict[str, Any]) -> None:
    """Wherever that is read: before the first entry, after each, and at the end."""
    fill(store, 3)
    everything = drained(store, after=0, **names)
    for count in range(len(everything) + 1):
        with store.watch(after=0, timeout=0, **names) as watch:
            assert watch.position == 0
            assert take(watch, count) == everything[:count]
            assert watch.position == (everything[count - 1].position if count else 0)
            assert drained(store, after=watch.position, **names) == everything[count:]
    came = fill(store)
    assert drained(store, after=store.position() - len(came), **names) == [
        entry for entry in drained(store, after=0, **names) if entry in came
    ]


def test_its_position_passes_what_the_names_do_not_select(store: Store) -> None:
    with store.watch(stream="hall", timeout=0.2) as watch:
        store.append_many([("room", "ada", b"x")] * 1_000)
        first = store.log("hall", "ada").append(b"x")
        assert next(watch) == first
        assert watch.position == 1_001
        store.append_many([("room", "ada", b"x")] * 5)
        assert list(watch) == []
        assert watch.position == 1_006


@pytest.mark.usefixtures("_small_pages")
def test_the_end_of_a_page_is_not_the_end_of_what_is_there(store: Store) -> None:
    """What came while the pages before were read and taken is there too, and nobody rings for it again."""
    fill(store, 2)
    with store.watch(after=0, timeout=0) as watch, store.watch(after=0, writer="ada", timeout=0) as of_one:
        taken, taken_of_one = take(watch, 5), take(of_one, 5)
        fill(store)
        taken += take(watch, 6)
        fill(store)
        taken += list(watch)
        taken_of_one += list(of_one)
    assert taken == check(store, 24)
    assert taken_of_one == [entry for entry in taken if entry.writer == "ada"]


@pytest.mark.usefixtures("_small_pages")
def test_reading_on_before_all_was_taken_loses_nothing(store: Store) -> None:
    """As one who was interrupted, or cancelled, does."""
    entries = fill(store)
    follower = follow.Follower(store._binding, after=0)
    taken = []
    while follower.step():
        assert follower.step()
        taken.append(follower.take())
    assert taken == entries


def test_appending_inside_the_loop(store: Store) -> None:
    store.log("s", "w").append(b"0")
    with store.watch(after=0, timeout=PATIENCE) as watch:
        for entry in watch:
            if int(entry.payload) == 30:
                break
            if int(entry.payload) % 2:
                with store.transaction():
                    store.generation("g").bump()
                    store.log("s", "w").append(b"%d" % (int(entry.payload) + 1))
            else:
                store.log("s", "w").append(b"%d" % (int(entry.payload) + 1))
    assert watch.position == 31


def test_the_seconds_are_those_without_an_entry(store: Store) -> None:
    """Of those that the names select: the others prolong nothing."""
    watch, over = store.watch(stream="hall", timeout=0.4), Event()

    def write(_: int) -> float:
        last = began = time.monotonic()
        while not over.is_set() and time.monotonic() < began + 5:
            if time.monotonic() < began + 0.8:
                last = time.monotonic()
                store.log("hall", "ada").append(b"x")
            store.log("room", "ada").append(b"x")
            time.sleep(0.03)
        return last

    with Threads(write, 1) as writing:
        entries = list(watch)
        ended = time.monotonic()
        over.set()
        (last,) = writing.results()
    assert last + 0.4 <= ended < last + 3
    assert entries == list(store.entries(stream="hall"))


def test_what_ended_stays_ended(store: Store) -> None:
    watch = store.watch(after=0, timeout=0)
    assert list(watch) == []
    entries = fill(store)
    assert list(watch) == []
    assert watch.position == 0
    assert drained(store, after=watch.position) == entries


def test_nothing_of_what_is_rolled_back_and_the_rest_whole(store: Store) -> None:
    with store.watch(timeout=PATIENCE) as watch, Threads(lambda _: take(watch, 5), 1) as taking:
        time.sleep(ASLEEP)
        with suppress(ZeroDivisionError), store.transaction():
            fill(store)
            raise ZeroDivisionError
        with store.transaction():
            store.log("s", "w").append(b"1")
            with suppress(ZeroDivisionError), store.transaction():
                store.log("s", "w").append(b"undone")
                raise ZeroDivisionError
            store.log("s", "w").append(b"2")
            time.sleep(ASLEEP)
            store.log("s", "w").append_many([b"3", b"4"])
        store.log("s", "w").append(b"5")
        (taken,) = taking.results()
    assert [entry.payload for entry in taken] == [b"1", b"2", b"3", b"4", b"5"]
    assert taken == check(store, 5)


@pytest.mark.usefixtures("_small_pages")
def test_many_watches_beside_many_writers(store: Store) -> None:
    each, writers = 40, 4

    def write(number: int) -> list[Entry]:
        with store.watch(stream=f"s{number % 2}", exclude_writer=str(number), timeout=PATIENCE) as watch:
            ready.wait(PATIENCE)
            for n in range(each):
                if n % 10 == 9:
                    with store.transaction():
                        store.log(f"s{n % 2}", str(number)).append(b"%d" % n)
                else:
                    store.log(f"s{n % 2}", str(number)).append(b"%d" % n)
            return take(watch, each // 2 * (writers - 1))

    ready = Barrier(writers)
    seen = together(write, writers)
    entries = check(store, each * writers)
    for number, taken in enumerate(seen):
        assert taken == [e for e in entries if e.stream == f"s{number % 2}" and e.writer != str(number)]


def test_one_thread_hands_it_to_another(store: Store) -> None:
    with store.watch(after=0, timeout=PATIENCE) as watch:
        entries = fill(store)
        assert take(watch, 2) == entries[:2]
        assert together(lambda _: take(watch, 2), 1) == [entries[2:4]]
        with Threads(lambda _: take(watch, 3), 1) as taking:
            time.sleep(ASLEEP)
            came = fill(store)
            assert taking.results() == [entries[4:] + came[:1]]
        assert take(watch, 1) == came[1:2]
