"""What reading through a Session costs: pages that end by rows and bytes, few questions, rows near those told."""

import sqlite3
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import agent_store
from agent_store import Store
from agent_store.backends.common import merge
from agent_store.backends.dbapi.session import Session

LOGS = 3_000
ASKED = ("begin", "listed", "near", "fetch", "page", "entries", "before", "from_seq", "names")


class Counts:
    """Questions to a Session, and rows of entries that came back."""

    def __init__(self) -> None:
        self.questions = self.rows = 0

    def reset(self) -> None:
        self.__init__()  # type: ignore[misc]


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counts:
    counts = Counts()

    def counting(name: str) -> Any:
        asked = getattr(Session, name)

        def ask(self: Session, *args: Any, **options: Any) -> Any:
            nested = counts.questions
            found = asked(self, *args, **options)
            counts.questions = nested + 1  # before() asks SQLite for each; the Session is asked once.
            if name in {"entries", "near", "page"}:
                counts.rows += len(found)
            return found

        return ask

    for name in ASKED:
        monkeypatch.setattr(Session, name, counting(name))
    return counts


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A stream of many logs that took turns, and then one that had the word for long."""
    path = tmp_path_factory.mktemp("many") / "app.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        store = agent_store.open(connection)
        store.append_many(("s", f"w{number % LOGS}", b"x") for number in range(3 * LOGS))
        store.append_many(("s", "w7", b"y") for _ in range(2_000))
        store.append_many(("s", f"w{number}", b"z") for number in range(10))
        yield store


def test_the_last_entries_of_a_stream_of_many_logs(many: Store, counts: Counts) -> None:
    found = many.entries(stream="s", reverse=True)
    assert [next(found).payload for _ in range(20)] == [b"z"] * 10 + [b"y"] * 10
    assert counts.rows <= 80
    assert counts.questions <= 6


def test_what_is_new_since_a_position(many: Store, counts: Counts) -> None:
    newest = many.position()
    counts.reset()
    assert len(list(many.entries(stream="s", after=newest - 10))) == 10
    assert counts.rows == 10
    assert counts.questions <= 3
    counts.reset()
    assert len(list(many.entries(stream="s", after=newest - 2_000))) == 2_000
    assert counts.rows <= 4 * 2_000
    assert counts.questions <= 60
    counts.reset()
    assert list(many.entries(stream="s", after=newest)) == []
    assert (counts.questions, counts.rows) == (1, 0)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_whole_stream_is_read_about_once(many: Store, counts: Counts, reverse: bool) -> None:
    everything = list(many.entries(reverse=reverse))
    counts.reset()
    assert list(many.entries(stream="s", reverse=reverse)) == everything
    pages = len(everything) // 512 + 4
    assert counts.rows < 3 * len(everything)
    assert counts.questions < 10 * pages


def test_one_log_costs_a_question_or_two_a_page(many: Store, counts: Counts) -> None:
    log = many.log("s", "w7")
    assert log.head() is not None
    assert counts.questions <= 2
    counts.reset()
    assert log.entry(1_000) is not None
    assert counts.questions <= 2
    counts.reset()
    assert len(list(log.entries())) == 2_004
    assert counts.questions <= 2 + 8
    assert counts.rows <= 2_004 + 8


@pytest.mark.parametrize("way", [{}, {"reverse": True}, {"stream": "s"}, {"stream": "s", "reverse": True}, {"log": 1}])
def test_large_payloads_are_few_a_page(path: Path, way: dict[str, Any]) -> None:
    size = 1 << 20
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        store = agent_store.open(connection)
        for number in range(60):
            store.log("s", f"w{number % 6}").append(bytes([number]) * size)
        tracemalloc.start()
        try:
            found = store.log("s", "w1").entries() if "log" in way else store.entries(**way)
            numbers = [entry.payload[0] for entry in found]
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    wanted = range(1, 60, 6) if "log" in way else range(60)
    assert numbers == (list(wanted)[::-1] if "reverse" in way else list(wanted))
    assert peak < 24 * size


def test_what_was_read_ahead_is_let_go(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing makes a reading forget it: the second entry of each log comes long after the first."""
    monkeypatch.setattr(merge, "AHEAD", 4 << 20)
    monkeypatch.setattr(Session, "may_forget", False)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        store = agent_store.open(connection)
        store.append_many(("s", f"w{number % 250}", bytes(100_000)) for number in range(500))
        tracemalloc.start()
        try:
            assert sum(1 for _ in store.entries(stream="s")) == 500
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 20 << 20


def test_the_links_are_right_however_they_were_found(many: Store) -> None:
    last: dict[str, bytes] = {}
    for entry in many.entries(stream="s"):
        assert entry.prev_hash == last.get(entry.writer)
        last[entry.writer] = entry.content_hash
    following: dict[str, bytes | None] = {}
    for entry in many.entries(stream="s", reverse=True):
        assert following.get(entry.writer, entry.content_hash) == entry.content_hash
        following[entry.writer] = entry.prev_hash
    assert set(following.values()) == {None}
