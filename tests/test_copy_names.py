"""Copying what is named as the store's own calls refuse to: what a target can hold arrives, else nothing does."""

import shutil
from pathlib import Path
from random import Random
from typing import Any

import pytest

import agent_store
from agent_store.errors import UnsupportedFormat
from moving import everything, forced
from stores import a_schema
from tampering import damage

DATA = Path(__file__).parent / "data"


def test_names_that_only_the_crate_writes(tmp_path: Path) -> None:
    names = [("", ""), ("\0", "w\0"), ("n" * 60_000, "w" * 5_400), ("s", "é" * 2_000)]
    with agent_store.open(tmp_path / "a.db") as store, agent_store.open(tmp_path / "b.db") as other:
        forced(store, *((*name, b"x") for name in names * 2))
        store._binding.backend.advance("k\0" * 3_000, "set", 5)
        assert agent_store.copy(store, other).holds
        assert everything(other) == everything(store)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("s", "w\0"), "the log of stream 's', writer 'w\\x00': PostgreSQL cannot hold a NUL character"),
        (("é" * 1_300, "w"), ": its names have 2,601 bytes of UTF-8, and together they may have 2,600"),
    ],
    ids=["NUL", "long"],
)
@pytest.mark.parametrize("kind", ["postgres", "psycopg"])
def test_names_that_postgres_cannot_hold(request: pytest.FixtureRequest, kind: str, names: Any, said: str) -> None:
    with (
        a_schema(kind, request.getfixturevalue("postgres")) as place,
        place.open() as store,
        agent_store.open(":memory:") as source,
    ):
        source.log("s", "w").append(b"x")
        forced(source, (*names, b"x"))
        with pytest.raises(UnsupportedFormat) as caught:
            agent_store.copy(source, store)
        assert said in str(caught.value)
        assert everything(store) == ([], {})


@pytest.mark.parametrize(("key", "said"), [("k\0", "NUL"), ("k" * 2_601, "its key has 2,601 bytes")])
def test_keys_that_postgres_cannot_hold(postgres: str, key: str, said: str) -> None:
    with a_schema("postgres", postgres) as place, place.open() as store, agent_store.open(":memory:") as source:
        source.log("s", "w").append(b"x")
        source._binding.backend.advance(key, "set", 5)
        with pytest.raises(UnsupportedFormat, match=said):
            agent_store.copy(source, store)
        assert everything(store) == ([], {})


def test_the_longest_names_that_postgres_holds(postgres: str) -> None:
    """Such as do not shrink when they are compressed."""
    random = Random(5)
    name = "".join(chr(random.randrange(0x4E00, 0x9FFF)) for _ in range(866))  # 2,598 bytes
    with a_schema("postgres", postgres) as place, place.open() as store, agent_store.open(":memory:") as source:
        forced(source, (name, "w", b"x"), ("", "", b"y"), ("", name, b"z"))
        source._binding.backend.advance(name, "set", 5)
        source._binding.backend.advance("", "set", 6)
        assert agent_store.copy(source, store).holds
        assert everything(store) == everything(source)


def test_names_that_nothing_holds(tmp_path: Path) -> None:
    """The crate's own layout has no limit."""
    crate = tmp_path / "crate.db"
    shutil.copy(DATA / "crate-0.1.2.db", crate)
    damage(
        crate,
        "INSERT INTO _agent_store_log SELECT hex(zeroblob(32701)), 'w', seq, prev_hash, content_hash, payload "
        "FROM _agent_store_log WHERE seq = 1 LIMIT 1",
    )
    with agent_store.open(crate, read_only=True) as source, agent_store.open(":memory:") as store:
        with pytest.raises(UnsupportedFormat, match="its names have 65,403 bytes of UTF-8, and together they may have"):
            agent_store.copy(source, store)
        assert everything(store) == ([], {})
