"""Counters that only rise."""

from collections.abc import Callable

import pytest

from agent_store import Store
from agent_store.errors import NonMonotonicGeneration

LARGEST = 2**63 - 1


def test_generations_rise(store: Store) -> None:
    generation = store.generation("report")
    assert generation.key == "report"
    assert generation.current() == 0
    assert [generation.bump(), generation.bump()] == [1, 2]
    assert [generation.set(7), generation.set(7)] == [7, 7]
    assert [generation.advance_to(9), generation.advance_to(3)] == [9, 9]
    assert generation.reserve(100) == range(10, 110)
    assert generation.reserve(1) == range(110, 111)
    assert store.generation("report").current() == 110
    assert store.generation("other").current() == 0
    assert store.generation("zero").set(0) == 0
    with pytest.raises(NonMonotonicGeneration) as fell:
        generation.set(109)
    assert (fell.value.key, fell.value.current, fell.value.attempted) == ("report", 110, 109)
    assert generation.current() == 110


def test_generations_end_at_the_largest_integer(store: Store) -> None:
    generation = store.generation("g")
    assert generation.advance_to(LARGEST - 1) == LARGEST - 1
    with pytest.raises(OverflowError):
        generation.reserve(2)
    assert generation.current() == LARGEST - 1
    assert generation.reserve(1) == range(LARGEST, LARGEST + 1)
    for call in (generation.bump, lambda: generation.reserve(1), lambda: generation.reserve(LARGEST)):
        with pytest.raises(OverflowError):
            call()
    verbs: list[Callable[[int], object]] = [generation.set, generation.advance_to, generation.reserve]
    for verb in verbs:
        with pytest.raises(OverflowError):
            verb(LARGEST + 1)
    assert generation.current() == generation.set(LARGEST) == LARGEST


def test_generations_refuse_what_is_no_count(store: Store) -> None:
    generation = store.generation("g")
    for rise in (generation.set, generation.advance_to):
        with pytest.raises(ValueError, match="-1"):
            rise(-1)
    for n in (0, -1):
        with pytest.raises(ValueError, match="1 or more"):
            generation.reserve(n)
    verbs: list[Callable[[int], object]] = [generation.set, generation.advance_to, generation.reserve]
    for verb in verbs:
        with pytest.raises(TypeError):
            verb(1.5)  # type: ignore[arg-type]
    for name in ("_agent_store.format", "_agent_store.", ""):
        with pytest.raises(ValueError, match="key"):
            store.generation(name).set(9)
    assert generation.current() == 0
