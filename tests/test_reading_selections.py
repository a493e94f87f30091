"""Any selection of entries, on each kind of store: as filtering everything in a list."""

import sqlite3
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

import agent_store
from agent_store import Store
from agent_store.backends.common.near import Near
from agent_store.backends.common.select import Select
from agent_store.backends.common.session import Found
from agent_store.backends.dbapi.session import Session
from selecting import Selection, pages, place_of, read
from stores import Place

STREAMS = ("a", "b", "ä", "nothing")
WRITERS = ("x", "y", "z", "nobody")
ROWS = st.lists(st.tuples(st.sampled_from(STREAMS[:-1]), st.sampled_from(WRITERS[:-1])), max_size=8)
SELECTIONS = st.builds(
    Selection,
    stream=st.none() | st.sampled_from(STREAMS) | st.lists(st.sampled_from(STREAMS), max_size=5).map(tuple),
    writer=st.none() | st.sampled_from(WRITERS),
    exclude_writer=st.none() | st.sampled_from(WRITERS),
    after=st.integers(0, 40) | st.integers(0, 2_000),
    reverse=st.booleans(),
)
LIMITS = st.lists(st.sampled_from((1, 2, 7, 20, 512)), min_size=1, max_size=3)
SEVERAL = 12  # pages of one reading that are compared


def append(store: Store, rows: list[tuple[str, str]], n: int) -> None:
    store.append_many([(*name, b"%d/%d" % (n, i)) for i, name in enumerate(rows)])


def fill(store: Store) -> None:
    """More than what is looked at position by position; of one log long ago only, of another now and then."""
    turns = [(STREAMS[n % 3], WRITERS[n * n % 7 % 2]) for n in range(1_300)]
    store.append_many([("b", "z", b"long ago"), *((*name, b"%d" % n) for n, name in enumerate(turns))])
    store.append_many([(*(("a", "z") if n % 50 == 0 else turns[n]), b"later %d" % n) for n in range(500)])


def test_any_selection(place: Place) -> None:
    fewer = 4 if place.kind in {"postgres", "psycopg"} else 1  # where each page goes to a server and back
    with place.open() as store:
        fill(store)
        everything = list(store.entries())
        numbers = iter(range(1_000_000))

        @hypothesis.settings(max_examples=max(hypothesis.settings().max_examples // fewer, 1))
        @hypothesis.given(SELECTIONS, LIMITS, ROWS, ROWS, st.integers(0, 5), st.booleans())
        def compare(
            selection: Selection,
            limits: list[int],
            before: list[tuple[str, str]],
            meanwhile: list[tuple[str, str]],
            back: int,
            knows: bool,
        ) -> None:
            append(store, before, next(numbers))
            everything.extend(store.entries(after=len(everything)))
            now = list(everything)
            known = place_of(now[-1 - back]) if knows else None
            reading = selection.begin(store, known=known)
            reader = pages(store, reading, *limits)
            first = next(reader, [])
            assert reading.newest == place_of(now[-1])
            append(store, meanwhile, next(numbers))
            found = [*first, *chain.from_iterable(islice(reader, SEVERAL))]
            wanted = selection.of(now)
            sizes = [*limits, *[limits[-1]] * SEVERAL][: SEVERAL + 1]
            assert found == wanted[: sum(sizes)]
            assert reading.newest == place_of(now[-1])

        compare()


def test_several_streams_through_the_store(store: Store) -> None:
    fill(store)
    wanted = Selection(("a", "ä"), "y", after=1_000).of(list(store.entries()))
    assert list(store.entries(stream=["a", "ä", "a"], writer="y", after=1_000)) == wanted
    assert list(store.entries(stream=("b",), writer="z")) == Selection("b", "z").of(list(store.entries()))


def test_inside_a_transaction(store: Store) -> None:
    fill(store)
    with store.transaction():
        store.append_many([("a", "x", b"1"), ("b", "x", b"2"), ("a", "y", b"3")])
        newest = store.position()
        assert [e.payload for e in store.entries(stream=["a"], after=newest - 3)] == [b"1", b"3"]
        assert [e.payload for e in store.entries(stream=["a", "b"], after=newest - 3, reverse=True)] == [
            b"3",
            b"2",
            b"1",
        ]


def test_names_that_no_store_has(store: Store) -> None:
    """As the crate could have written them on SQLite; no text on a server can be like that."""
    fill(store)
    everything = list(store.entries())
    for after in (0, len(everything) - 5):
        assert read(store, Selection(("a\0", "b"), after=after)) == Selection("b", after=after).of(everything)
        assert read(store, Selection("a\0", after=after)) == read(store, Selection(writer="x\0", after=after)) == []
        assert read(store, Selection("a", "x\0", after=after)) == []
        assert read(store, Selection(exclude_writer="x\0", after=after)) == Selection(after=after).of(everything)


@pytest.mark.parametrize("stream", ["a", ("a", "b", "ä")])
def test_what_comes_between_two_questions_is_left_out(
    path: Path, monkeypatch: pytest.MonkeyPatch, stream: str | tuple[str, ...]
) -> None:
    """On a caller's connection each question has a state of its own; where it ends is asked first."""
    listed = Session.listed
    with closing(sqlite3.connect(path, isolation_level=None)) as mine, closing(sqlite3.connect(path)) as other:
        store = agent_store.open(mine)
        fill(store)

        def late(self: Session, select: Select) -> list[tuple[Any, ...]]:
            with other:
                agent_store.open(other).append_many([("a", "x", b"late"), ("a", "new", b"late"), ("a", "x", b"late")])
            return listed(self, select)

        monkeypatch.setattr(Session, "listed", late)
        for after in (0, 10):
            for reverse in (False, True):
                everything = list(store.entries())
                selection = Selection(stream, after=after, reverse=reverse)
                reading = selection.begin(store)
                found = list(chain.from_iterable(pages(store, reading, 50)))
                assert reading.newest == place_of(everything[-1])
                assert found == selection.of(everything)


def test_rows_that_came_along_are_left_out_above_the_newest() -> None:
    with agent_store.open(":memory:") as store:
        store.append_many([("a", "x", b"1"), ("a", "x", b"2"), ("a", "x", b"3")])
        first, second, third = store.entries()
    rows: list[Found] = [
        (
            entry.position,
            1,
            entry.seq,
            entry.content_hash,
            entry.payload,
            1,
            "a",
            "x",
            entry.seq - 1,
            before.content_hash,
        )
        for before, entry in ((first, second), (second, third))
    ]
    unasked: Any = None
    near = Near(Select(after=1), 2, rows)
    assert near.page(unasked, 512) == [second]
    assert near.page(unasked, 512) == []
