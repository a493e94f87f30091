"""What a reading costs near the newest entry: what came since, not what there is."""

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import pytest

import agent_store
from agent_store import Store
from agent_store.follow import Follower
from selecting import Selection, place_of, read
from stores import a_schema
from test_postgres_backend_trips import taken

LOGS = 10_000
NOISE = 8
"""A look into each log costs hundreds of times as much as the few positions; what others do meanwhile, less."""
SELECTIONS: list[dict[str, Any]] = [
    {},
    {"stream": "s"},
    {"stream": "other"},
    {"writer": "w1"},
    {"exclude_writer": "w1"},
    {"stream": ("s", "other", "none")},
    {"stream": "s", "writer": "w1"},
]


def seconds(call: Callable[[], object]) -> float:
    gc.disable()
    try:
        began = perf_counter()
        call()
        return perf_counter() - began
    finally:
        gc.enable()


def compared(few: Callable[[], object], many: Callable[[], object], times: int = 40) -> float:
    """How many times as long `many` takes, in turn with `few`."""
    pairs = [(seconds(few), seconds(many)) for _ in range(times)]
    return median(many for _, many in pairs) / median(few for few, _ in pairs)


def filled(path: Path, logs: int) -> Store:
    store = agent_store.open(path, durability="normal")
    store.append_many(("s" if n % 2 else "other", f"w{n}", b"x") for n in range(logs))
    return store


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Store]]:
    """One with few logs, one with many."""
    folder = tmp_path_factory.mktemp("costs")
    with filled(folder / "few.db", 10) as few, filled(folder / "many.db", LOGS) as many:
        yield few, many


def step_after_one(store: Store, **selection: Any) -> Callable[[], None]:
    """What somebody does who is woken by one new entry."""
    log = store.log("s", "w1")
    log.append(b"y")
    position = store.position()
    follower = Follower(store._binding, after=position - 1, **selection)

    def step() -> None:
        follower.__init__(store._binding, after=position - 1, **selection)  # type: ignore[misc]
        while follower.step():
            while follower.take() is not None:
                pass
        assert follower.position == position

    return step


@pytest.mark.parametrize("selection", SELECTIONS)
def test_a_step_costs_the_same_with_many_logs(stores: tuple[Store, Store], selection: dict[str, Any]) -> None:
    few, many = (step_after_one(store, **selection) for store in stores)
    assert compared(few, many) < NOISE


def test_a_thousand_positions_cost_less_than_all_logs(stores: tuple[Store, Store]) -> None:
    _, many = stores
    after = many.position() - 1_000
    near, heads = Selection(("s", "none"), after=after), Selection(("s", "none"), after=after - 1_000)
    assert read(many, near)
    assert compared(lambda: read(many, heads, 20), lambda: read(many, near, 20)) < 1


def test_thousands_of_streams(path: Path) -> None:
    """Each is looked up; the others are not."""
    with agent_store.open(path, durability="normal") as store:
        store.append_many((f"s{n}", "w", b"x") for n in range(20_000))
        streams = tuple(f"s{n}" for n in range(0, 20_000, 10))
        everything = Selection()
        assert len(read(store, Selection(streams))) == 2_000
        assert compared(lambda: read(store, everything), lambda: read(store, Selection(streams)), 5) < 1.5
        assert len(read(store, Selection(streams, after=19_000))) == 100


def test_payloads_that_are_not_returned_are_not_read(path: Path) -> None:
    size = 4 << 20
    with agent_store.open(path, durability="normal") as store:
        store.log("small", "w").append(b"x")
        for n in range(8):
            store.log("large", "w").append(bytes([n]) * size)
        last = store.log("small", "w").append(b"y")
        large, small = Selection("large", after=1), Selection("small", after=1)
        assert read(store, small, known=place_of(last)) == [last]
        assert compared(lambda: read(store, large), lambda: read(store, small), 10) < 0.1


@pytest.mark.parametrize("selection", SELECTIONS)
def test_round_trips(postgres: str, selection: dict[str, Any]) -> None:
    with a_schema("postgres", postgres) as place, place.open() as store:
        store.append_many(("s" if n % 2 else "other", f"w{n}", b"x") for n in range(100))
        follower = Follower(store._binding, **selection)
        follower.step()
        for _ in range(3):
            store.log("s", "w1").append(b"y")
            found = bool(Selection(**selection).of(list(store.entries(after=100))))
            assert taken(store, follower.step) == 1
            assert (follower.take() is not None) == found
            assert taken(store, follower.step) == 1
            assert follower.take() is None
