"""Cells of copying, verified on arrival, against appending the same entries to the same kind of store."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import agent_store
from agent_store import Store
from agent_store.moving.arrival import ENTRIES
from agent_store.store import Durability
from cells import Cell, of_streams, remove
from cells_postgres import a_schema, server
from pairs import Pair, Work
from postgres_server import url_of

Opened = Callable[[Path, Durability], AbstractContextManager[Store]]


@contextmanager
def a_file(folder: Path, durability: Durability) -> Iterator[Store]:
    path = folder / "target.db"
    with agent_store.open(path, durability=durability) as store:
        yield store
    remove(path)


@contextmanager
def on_a_server(folder: Path, durability: Durability) -> Iterator[Store]:
    with (
        a_schema(durability) as (name, _),
        agent_store.open(url_of(server(), schema=name), durability=durability) as store,
    ):
        yield store


def copying(opened: Opened) -> Callable[[Path, int], AbstractContextManager[Pair]]:
    @contextmanager
    def pair(folder: Path, rows: int) -> Iterator[Pair]:
        plain = of_streams(rows)
        with agent_store.open(folder / "source.db", durability="normal") as source:
            source.append_many(plain)

            @contextmanager
            def ours() -> Iterator[Work]:
                with opened(folder, "normal") as target:
                    yield lambda: agent_store.copy(source, target)

            @contextmanager
            def floor() -> Iterator[Work]:
                with opened(folder, "normal") as target:
                    yield lambda: target.append_many(plain, batch=ENTRIES)

            yield Pair(ours, floor)
        remove(folder / "source.db")

    return pair


CELLS = (
    Cell("copy a file into a file, against append_many, normal", 0.5, copying(a_file), rows=200_000),
    Cell("PostgreSQL: copy a file into it, against append_many, normal", 0.5, copying(on_a_server), rows=100_000),
)
