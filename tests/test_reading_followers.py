"""Several who follow one store, each as it likes: together they have what a list has, and every link is right."""

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import strategies as st

import agent_store
from agent_store import Entry, Store
from agent_store.follow import Follower
from selecting import Selection
from stores import Place
from tampering import fill
from test_reading_known import restore

NAMES = [(stream, writer) for stream in "ab" for writer in "xyz"]
WHO: list[dict[str, Any]] = [
    {},
    {"stream": "a"},
    {"stream": ("a", "b", "c")},
    {"writer": "x"},
    {"exclude_writer": "x"},
    {"stream": "b", "writer": "y"},
    {"stream": "nothing"},
]
ROUNDS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(NAMES), max_size=6),
        st.booleans(),  # whether these are rolled back
        st.sets(st.integers(0, len(WHO) - 1)),
        st.sampled_from((0, 100, 5_000)),
    ),
    max_size=8,
)


def taken(follower: Follower) -> list[Entry]:
    found = []
    while follower.step():
        while (entry := follower.take()) is not None:
            found.append(entry)
    return found


def test_followers_take_turns(place: Place) -> None:
    fewer = 4 if place.kind in {"postgres", "psycopg"} else 1
    with place.open() as store:
        store.append_many([(*name, b"first") for name in NAMES])

        @hypothesis.settings(max_examples=max(hypothesis.settings().max_examples // fewer, 1))
        @hypothesis.given(ROUNDS)
        def follow(rounds: list[tuple[list[tuple[str, str]], bool, set[int], int]]) -> None:
            began = store.position()
            followers = [Follower(store._binding, after=began, **who) for who in WHO]
            found: list[list[Entry]] = [[] for _ in WHO]
            for number, (names, undone, woken, size) in enumerate(rounds):
                write(store, [(*name, b"%d" % number + bytes(size)) for name in names], undone=undone)
                for one in woken:
                    found[one] += taken(followers[one])
                    assert followers[one].position == store.position()
            everything = list(store.entries(after=began))
            for who, follower, entries in zip(WHO, followers, found, strict=True):
                assert entries + taken(follower) == Selection(**who).of(everything)

        follow()


def write(store: Store, rows: list[tuple[str, str, bytes]], *, undone: bool) -> None:
    if not undone:
        store.append_many(rows)
        return
    with contextlib.suppress(KeyError), store.transaction():
        store.append_many(rows)
        raise KeyError


def test_what_was_remembered_of_another_history_is_not_believed(path: Path) -> None:
    """Position and hash of the newest entry are the same in both: nobody can tell, and each link is right even so."""
    with agent_store.open(path, durability="normal") as store:
        fill(store)
        store.backup(path.with_name("old.db"))
        follower = Follower(store._binding)
        store.append_many([("room", "ada", b"newer"), ("room", "bob", b"the same")])
        assert len(taken(follower)) == 2
        restore(path.with_name("old.db"), path)
        store.append_many([("room", "ada", b"other"), ("room", "bob", b"the same")])
        assert taken(follower) == []
        store.append_many([("room", "ada", b"next"), ("room", "bob", b"next")])
        assert taken(follower) == list(store.entries())[-2:]


def test_while_another_process_writes(path: Path) -> None:
    """Its commits, of one entry each, are found whole and in order by several, beside each other."""
    code = """
import sys, agent_store
with agent_store.open(sys.argv[1], durability="normal") as store:
    for n in range(1_500):
        store.log("ab"[n % 2], "xyz"[n % 3]).append(b"%d" % n)
"""
    with agent_store.open(path, durability="normal") as store:
        followers = [Follower(store._binding, **who) for who in WHO]
        found: list[list[Entry]] = [[] for _ in WHO]
        with subprocess.Popen([sys.executable, "-c", code, path]) as writer:
            running = True
            while running:
                running = writer.poll() is None
                for follower, entries in zip(followers, found, strict=True):
                    entries.extend(taken(follower))
        assert writer.returncode == 0
        everything = list(store.entries())
        assert len(everything) == 1_500
        assert [Selection(**who).of(everything) for who in WHO] == found
