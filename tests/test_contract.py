"""What logs promise, over every backend."""

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_store import CommitEvent, Entry, Head, Store
from agent_store.errors import ChainBroken, HeadMoved
from stores import Place


def head_of(entry: Entry) -> Head:
    return Head(entry.stream, entry.writer, entry.seq, entry.content_hash)


def payloads(entries: Iterator[Entry]) -> list[bytes]:
    return [entry.payload for entry in entries]


def test_a_log_is_what_was_appended_to_it(store: Store) -> None:
    log = store.log("conv:demo", "älice")
    assert (log.stream, log.writer) == ("conv:demo", "älice")
    assert log.head() is None
    assert log.entry(1) is None
    assert list(log.entries()) == []
    assert store.heads() == []
    first = log.append(b"hello")
    second = log.append(b"")
    assert (first.stream, first.writer, first.seq, first.position) == ("conv:demo", "älice", 1, 1)
    assert (second.seq, second.prev_hash, second.payload, second.position) == (2, first.content_hash, b"", 2)
    assert log.head() == second
    assert [log.entry(1), log.entry(2), log.entry(3)] == [first, second, None]
    assert list(log.entries()) == list(store.entries()) == [first, second]
    assert store.log("conv:demo", "another").head() is None


@pytest.mark.differs("no second opening")
def test_entries_survive_reopening(place: Place) -> None:
    with place.open() as store:
        entry = store.log("s", "w").append(b"hello")
        facts = store.info()
    with place.open() as store:
        assert list(store.entries()) == [entry]
        assert store.log("s", "w").append(b"x", expected=entry).seq == 2
        assert store.info()["id"] == facts["id"]


@pytest.mark.parametrize(
    "made", [bytes, bytearray, memoryview, lambda data: memoryview(data + data)[:6], type("B", (bytes,), {})]
)
def test_payloads_are_anything_bytes_like(store: Store, made: type[bytes]) -> None:
    log = store.log("s", "w")
    appended = log.append(made(b"\0hello"))
    assert (appended.payload, type(appended.payload)) == (b"\0hello", bytes)
    log.append_many([made(b"\0hello")])
    store.append_many([("s", "w", made(b"\0hello"))])
    assert payloads(log.entries()) == [b"\0hello"] * 3
    assert all(type(entry.payload) is bytes for entry in log.entries())


def test_entries_from_start_to_below_stop_both_ways(store: Store) -> None:
    log = store.log("s", "w")
    log.append_many(b"%d" % number for number in range(1, 301))
    everything = list(log.entries())
    assert [entry.seq for entry in everything] == list(range(1, 301))
    for start, stop in itertools.product((1, 2, 33, 300, 301, 900), (None, 1, 2, 34, 300, 301, 302, 900)):
        if stop is not None and stop < start:
            for reverse in (False, True):
                with pytest.raises(ValueError, match="stop"):
                    log.entries(start, stop, reverse=reverse)
            continue
        wanted = everything[start - 1 : stop and stop - 1]
        assert list(log.entries(start, stop)) == wanted
        assert list(log.entries(start, stop, reverse=True)) == wanted[::-1]
    with pytest.raises(ValueError, match="start"):
        log.entries(0)


def test_expected_is_the_head_or_nothing_is_written(store: Store) -> None:
    log = store.log("s", "w")
    first = log.append(b"1", expected=log.head())
    event = CommitEvent("s", "w", 1, first.content_hash, 1)
    with pytest.raises(HeadMoved) as moved:
        store.log("s", "w").append(b"x", expected=0)
    place = (1, first.content_hash)
    assert vars(moved.value) == {"stream": "s", "writer": "w", "expected": None, "actual": place}
    second = log.append(b"2", expected=first)
    third = log.append(b"3", expected=head_of(second))
    for stale in (
        first,
        head_of(second),
        event,
        None,
        0,
        Head("s", "w", 3, bytes(32)),
        Head("s", "w", 4, third.content_hash),
    ):
        with pytest.raises(HeadMoved) as moved:
            log.append(b"x", expected=stale)
        wanted = None if stale is None or isinstance(stale, int) else (stale.seq, stale.content_hash)
        assert (moved.value.expected, moved.value.actual) == (wanted, (3, third.content_hash))
    assert log.append(b"4", expected=CommitEvent("s", "w", 3, third.content_hash, 3)).seq == 4
    with pytest.raises(HeadMoved) as moved:
        store.log("s", "empty").append(b"x", expected=Head("s", "empty", 1, bytes(32)))
    assert (moved.value.expected, moved.value.actual) == ((1, bytes(32)), None)
    assert store.log("s", "zero").append(b"x", expected=0).seq == 1
    with pytest.raises(ValueError, match="another log"):
        store.log("s", "other").append(b"x", expected=first)
    for wrong in (1, "head", b""):
        with pytest.raises(TypeError, match="expected"):
            log.append(b"x", expected=wrong)  # type: ignore[arg-type]
    assert store.position() == 5


def test_heads_are_the_newest_of_each_log(store: Store) -> None:
    newest = {}
    for stream, writer in [("b", "y"), ("a", "x"), ("b", "x"), ("b", "y"), ("a", "x"), ("ab", "z")]:
        newest[stream, writer] = head_of(store.log(stream, writer).append(b"."))
    assert store.heads() == [newest[key] for key in sorted(newest)]
    assert store.heads("b") == [newest["b", "x"], newest["b", "y"]]
    assert store.heads(stream="none") == []
    assert store.position() == 6


def test_filters_of_entries_equal_a_filter_of_the_whole(store: Store) -> None:
    chance = random.Random(5)
    names = [(f"s{stream}", f"w{writer}") for stream in range(4) for writer in range(20)]
    store.append_many((*chance.choice(names), b"%d" % number) for number in range(2_000))
    everything = list(store.entries())
    streams, writers = [None, "s0", "s3", "none"], [None, "w0", "w19", "none"]
    for stream, writer, after in itertools.product(streams, writers, [0, 1, 999, 1_999, 2_000, 9_999]):
        wanted = [
            entry
            for entry in everything
            if entry.position > after
            and entry.stream == (stream or entry.stream)
            and entry.writer == (writer or entry.writer)
        ]
        assert list(store.entries(after=after, stream=stream, writer=writer)) == wanted
        assert list(store.entries(after=after, stream=stream, writer=writer, reverse=True)) == wanted[::-1]
    with pytest.raises(ValueError, match="after"):
        store.entries(after=-1)


@pytest.mark.differs("no second opening")
def test_others_append_between(place: Place) -> None:
    """What a store remembers of a log is not what it is when another has written since."""
    with place.open() as store, place.open() as other:
        log, same = store.log("s", "w"), other.log("s", "w")
        for turn in range(3):
            log.append(b"%d" % turn)
            assert same.append(b"x").seq == 3 * turn + 2
            same.append_many([b"y"])
        assert log.append(b"last").seq == 10
        assert other.generation("g").bump() + 1 == store.generation("g").bump()
        assert store.verify().holds


def test_an_entry_with_the_largest_seq_may_be_asked_for(store: Store) -> None:
    assert store.log("s", "w").entry(2**63 - 1) is None


def test_verify_of_a_log(store: Store) -> None:
    log, other = store.log("s", "w"), store.log("s", "other")
    assert log.verify() is None
    entries = [log.append(b"%d" % number) for number in range(100)]
    heads = [head_of(entry) for entry in entries]
    assert log.verify() == heads[-1]
    for known in (0, 50, 99):
        assert log.verify(since=heads[known]) == heads[-1]
        assert log.verify(contains=entries[known]) == heads[-1]
        assert log.verify(since=heads[known], contains=heads[0]) == heads[-1]
    for wrong in (Head("s", "w", 50, bytes(32)), Head("s", "w", 101, bytes(32))):
        with pytest.raises(ChainBroken) as broken:
            log.verify(since=wrong)
        assert (broken.value.stream, broken.value.writer) == ("s", "w")
        with pytest.raises(ChainBroken):
            log.verify(contains=wrong)
    for empty in ({"since": Head("s", "other", 1, bytes(32))}, {"contains": Head("s", "other", 1, bytes(32))}):
        with pytest.raises(ChainBroken):
            other.verify(**empty)
        with pytest.raises(ValueError, match="another log"):
            log.verify(**empty)


def test_verify_of_a_store(store: Store) -> None:
    assert store.verify().holds
    store.append_many((f"s{number % 5}", "w", b"x") for number in range(1_000))
    calls: list[tuple[int, int]] = []
    verdict = store.verify(progress=lambda done, total: calls.append((done, total)))
    assert (verdict.holds, bool(verdict), verdict.breaks, verdict.breaks_total, verdict.broken_logs) == (
        True,
        True,
        (),
        0,
        0,
    )
    assert (verdict.entries, verdict.entries_hold, verdict.logs) == (1_000, 1_000, 5)
    assert all(0 <= done <= total for done, total in calls)
    assert calls[-1] == (1_000, 1_000)
    verdict.raise_if_broken()


@pytest.mark.differs("one command at a time")
def test_a_verification_is_as_of_its_beginning(store: Store) -> None:
    """Whatever comes meanwhile: more of the logs that are there, and logs that are new."""
    store.append_many([("s", "w", b"x")] * 1_000)

    def more(done: int, total: int) -> None:
        assert total == 1_000
        store.append_many([("s", "w", b"more"), ("s", f"new{store.position()}", b"more")])

    verdict = store.verify(progress=more)
    assert (verdict.breaks, verdict.entries, verdict.entries_hold, verdict.logs) == ((), 1_000, 1_000, 1)
    assert store.position() > 1_000
    assert store.verify().holds


def test_a_transaction_verifies_what_it_wrote(store: Store) -> None:
    """On its one connection, however many cores there are and however much it wrote."""
    with store.transaction():
        store.append_many((f"s{number % 5}", "w", b"x") for number in range(10_000))
        assert (store.verify().holds, store.verify().entries) == (True, 10_000)
        assert store.log("s0", "w").verify() == store.heads()[0]


def test_info(store: Store) -> None:
    store.append_many([("s", "w", b"a"), ("s", "v", b"b"), ("s", "v", b"c")])
    info = store.info()
    assert (info["format"], info["entries"], info["logs"], info["position"]) == (1, 3, 2, 3)
    assert info["kind"] in {"sqlite", "postgres"}
    assert 0 < info["id"] < 2**63
    assert info["bytes"] > 0


@pytest.mark.differs("of native SQLite")
def test_info_of_a_file(store: Store) -> None:
    info = store.info()
    assert (info["kind"], info["durability"], info["read_only"]) == ("sqlite", "full", False)
    assert info["path"] == ":memory:" or Path(info["path"]).is_absolute()
    assert info["sqlite_version"].startswith("3.")
    assert set(info) == {
        *("kind", "path", "format", "id", "layout", "entries", "logs", "position", "bytes"),
        *("sqlite_version", "durability", "read_only", "locks", "doorbell"),
    }
