"""Whatever is in a store comes back as it was, exported, imported and copied."""

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import agent_store
from moving import everything, exported, forced
from stores import File, Place, a_schema

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
GENERATIONS = st.dictionaries(
    NAMES.filter(lambda key: not key.startswith("_agent_store.")), st.integers(0, 2**63 - 1), max_size=4
)


def round_trip(place: Place, rows: list[tuple[str, str, bytes]], generations: dict[str, int]) -> None:
    with agent_store.open(":memory:") as source, place.open() as store, agent_store.open(":memory:") as other:
        if rows:
            forced(source, *rows)
        for key, value in generations.items():
            source._binding.backend.advance(key, "set", value)
        data = exported(source)
        assert agent_store.import_(other, io.BytesIO(data)).holds
        assert everything(other) == everything(source)
        assert agent_store.copy(other, store).holds
        assert everything(store) == everything(source)
        assert exported(store).splitlines()[1:-1] == data.splitlines()[1:-1]


@given(st.lists(st.tuples(NAMES, NAMES, st.binary(max_size=99))), GENERATIONS)
def test_whatever_is_in_a_store_goes_there_and_back(rows: list[tuple[str, str, bytes]], generations: Any) -> None:
    round_trip(File("memory", Path()), rows, generations)


@settings(max_examples=25)
@given(st.lists(st.tuples(NAMES, NAMES, st.binary(max_size=99))), GENERATIONS)
@pytest.mark.parametrize("kind", ["postgres", "psycopg"])
def test_and_on_a_server(postgres: str, kind: str, rows: list[tuple[str, str, bytes]], generations: Any) -> None:
    rows = [(stream.replace("\0", "0"), writer.replace("\0", "0"), payload) for stream, writer, payload in rows]
    with a_schema(kind, postgres) as place:
        round_trip(place, rows, {key.replace("\0", "0"): value for key, value in generations.items()})
