"""Copying a store into another one: what arrives, what is refused, and what others do meanwhile."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import agent_store
from agent_store import Store
from agent_store.errors import ReadOnlyStore, StoreClosed, TargetDiverged, TransactionConflict
from agent_store.moving import arrival, beginning
from moving import ROWS, everything, fill
from stores import Place

DATA = Path(__file__).parent / "data"


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Store]:
    with agent_store.open(tmp_path / "source.db") as opened:
        yield fill(opened)


def test_everything_arrives_in_each_kind_of_store_and_comes_back(source: Store, place: Place) -> None:
    with place.open() as store, agent_store.open(":memory:") as back:
        verdict = agent_store.copy(source, store)
        assert verdict.holds
        assert verdict.entries == len(ROWS) + 2
        assert everything(store) == everything(source)
        assert store.heads() == source.heads()
        assert agent_store.copy(store, back).holds
        assert everything(back) == everything(source)
        assert store.log("s", "large").append(b"next").position == len(ROWS) + 3


def test_an_empty_store_is_copied_too(store: Store) -> None:
    with agent_store.open(":memory:") as other:
        assert agent_store.copy(store, other).entries == 0
        assert agent_store.copy(other, store).entries == 0
        other.generation("g").set(3)
        assert agent_store.copy(other, store).holds
        assert store.generation("g").current() == 3


def test_again_it_adds_what_is_new(source: Store, store: Store) -> None:
    for _ in range(3):
        assert agent_store.copy(source, store).holds
        assert everything(store) == everything(source)
        source.append_many([("s1", "w1", b"new"), ("another", "w", b"new")])
        source.generation("g").bump()
        source.generation("more").set(1)


def test_into_itself_it_does_nothing(store: Store) -> None:
    fill(store)
    before = everything(store)
    assert agent_store.copy(store, store).holds
    assert everything(store) == before


@pytest.mark.parametrize("upgraded", [False, True])
def test_a_file_of_the_crates(tmp_path: Path, store: Store, upgraded: bool) -> None:
    crate = tmp_path / "crate.db"
    shutil.copy(DATA / "crate-0.1.2.db", crate)
    before = crate.read_bytes()
    with agent_store.open(crate, read_only=not upgraded) as opened:
        assert agent_store.copy(opened, store).holds
        assert everything(store) == everything(opened)
    assert upgraded or crate.read_bytes() == before


def before_the_rows(store: Store) -> None:
    fill(store, [("s0", "w0", b"other"), *ROWS])


DIVERGED: dict[str, tuple[Callable[[Store], object], str]] = {
    "another entry in front": (before_the_rows, "entries, and only"),
    "one more at the end": (lambda store: fill(store).log("s", "large").append(b"more"), "1203 entries, and only 1202"),
    "another log": (
        lambda store: store.log("s", "other").append(b"x"),
        "has 1 entries in the target, and fewer in the",
    ),
    "another payload": (lambda store: store.log(*ROWS[0][:2]).append(b"x"), "entry 1: the target has another one than"),
    "a later entry first": (lambda store: store.append_many(ROWS[1:2]), "and fewer in the source at its position"),
    "another order": (lambda store: store.append_many([ROWS[1], ROWS[0]]), "at position 1 the target has entry 1 of"),
    "another order before the end": (
        lambda store: store.append_many([ROWS[1], ROWS[0], *ROWS[2:300]]),
        "at position 1 the target has entry 1 of the log of stream 's1', writer 'w1', and to come there is entry 1",
    ),
    "a generation that is higher": (lambda store: store.generation("g").set(8), "stands at 8, and is to be 7"),
    "a generation of its own": (lambda store: store.generation("own").bump(), "stands at 1, and is to be 0"),
}


@pytest.mark.parametrize("how", DIVERGED)
def test_a_target_that_has_diverged(source: Store, store: Store, how: str) -> None:
    diverge, said = DIVERGED[how]
    diverge(store)
    before = everything(store)
    with pytest.raises(TargetDiverged) as caught:
        agent_store.copy(source, store)
    assert said in str(caught.value)
    assert everything(store) == before


def test_generations_are_raised_and_never_lowered(source: Store, store: Store) -> None:
    store.generation("g").set(6)
    assert agent_store.copy(source, store).holds
    assert store.generation("g").current() == 7


def test_it_is_of_the_moment_at_which_it_began(source: Store, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything(source)

    def go_on(*_: object) -> None:
        source.log("s", "new").append(b"x")
        source.generation("g").bump()

    # Before the first page is read, and while others are.
    monkeypatch.setattr("agent_store.moving.copying.compare", go_on)
    assert agent_store.copy(source, store, progress=go_on).holds
    monkeypatch.undo()
    assert source.position() > len(before[0])
    assert everything(store) == before
    assert agent_store.copy(source, store).holds
    assert everything(store) == everything(source)


def test_who_writes_to_the_target_meanwhile_is_noticed(
    source: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place.kind == "memory":
        pytest.skip("there is one connection, which nobody else has")
    monkeypatch.setattr(arrival, "ENTRIES", 512)
    with place.open() as store, place.open() as other:
        begin, calls = store._binding.backend.begin, []

        def meanwhile(within: Any = None, **how: Any) -> Any:
            calls.append(within)
            if len(calls) == 2:
                other.log("s", "intruder").append(b"x")
            return begin(within, **how)

        class Backend:
            """The store's, but for one call."""

            def __getattr__(self, name: str) -> Any:
                return meanwhile if name == "begin" else getattr(backend, name)

        backend = store._binding.backend
        monkeypatch.setattr(store._binding, "backend", Backend())
        with pytest.raises(TargetDiverged, match="somebody else writes to the target"):
            agent_store.copy(source, store)
        monkeypatch.undo()
        assert store.position() == 513
        assert list(store.entries())[:512] == list(source.entries())[:512]
        assert store.verify().holds
        with pytest.raises(TargetDiverged):
            agent_store.copy(source, store)


def test_a_generation_raised_in_the_target_meanwhile(
    source: Store, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing_of = beginning.missing_of

    def meanwhile(*given: Any) -> Any:
        missing = missing_of(*given)
        store.generation("g").set(100)
        return missing

    monkeypatch.setattr("agent_store.moving.copying.missing_of", meanwhile)
    with pytest.raises(TargetDiverged, match="generation 'g' stands at 100"):
        agent_store.copy(source, store)
    assert everything(store) == ([], {"g": 100})


def test_progress_counts_what_is_copied_and_what_is_verified(source: Store, store: Store) -> None:
    store.append_many(ROWS[:200])
    told: list[tuple[int, int]] = []
    agent_store.copy(source, store, progress=lambda done, total: told.append((done, total)))
    entries, new = source.position(), source.position() - 200
    assert {total for _, total in told} == {new + entries}
    assert told == sorted(told)
    assert told[0][0] == 512
    assert told[-1][0] == new + entries


def test_an_exception_in_progress_ends_it_and_it_can_go_on(
    source: Store, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrival, "ENTRIES", 512)

    def stop(done: int, total: int) -> None:
        if done > 600:
            raise ZeroDivisionError

    monkeypatch.setattr("agent_store.ticker.EVERY", 0)
    with pytest.raises(ZeroDivisionError):
        agent_store.copy(source, store, progress=stop)
    assert store.position() == 512
    assert agent_store.copy(source, store).holds
    assert everything(store) == everything(source)


def test_more_logs_than_are_remembered(tmp_path: Path) -> None:
    """Each has names of a kilobyte, so that about 14,000 fit into what is kept of them."""
    pad = "p" * 1_000
    with agent_store.open(tmp_path / "many.db") as source, agent_store.open(":memory:") as store:
        names = [(f"{number:05}{pad}", "w") for number in range(16_000)]
        source.append_many((*name, b"1") for name in names)
        source.append_many((*name, b"2") for name in reversed(names))
        assert agent_store.copy(source, store).holds
        assert store.heads() == source.heads()


def test_neither_store_may_be_inside_a_transaction(source: Store, store: Store) -> None:
    for one in (source, store):
        with one.transaction(), pytest.raises(TransactionConflict, match="leave the block first"):
            agent_store.copy(source, store)
    assert store.position() == 0


def test_stores_that_are_closed_or_take_no_writes_or_are_none(source: Store, tmp_path: Path) -> None:
    target = tmp_path / "target.db"
    with agent_store.open(target) as store:
        pass
    for given in ((source, store), (store, source)):
        with pytest.raises(StoreClosed):
            agent_store.copy(*given)
    with agent_store.open(target, read_only=True) as store, pytest.raises(ReadOnlyStore):
        agent_store.copy(source, store)
    with pytest.raises(TypeError, match=r"target must be a Store, as open\(\) gives one, not str"):
        agent_store.copy(source, "target.db")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="source must be a Store"):
        agent_store.copy(None, source)  # type: ignore[arg-type]
