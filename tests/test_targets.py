"""What a store is opened by: each form that is not taken is refused, and no password is told or made a file's name."""

import math
from pathlib import Path
from typing import Any

import psycopg
import pytest

import agent_store

SECRET = "tell-nobody"
ADDRESSES = {
    "another database": f"mysql://app:{SECRET}@localhost/app",
    "a driver in it": f"postgresql+psycopg://app:{SECRET}@localhost/app",
    "capitals": f"POSTGRESQL://app:{SECRET}@localhost/app",
    "a space before": f" postgresql://app:{SECRET}@localhost/app",
    "keywords": f"host=localhost password={SECRET} dbname=app",
    "keywords, spaced": f"user = app password = {SECRET}",
}


@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES.keys())
def test_an_address_is_no_path(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with agent_store.open(":memory:") as store:
        for use in (lambda: agent_store.open(address), lambda: store.backup(address)):
            with pytest.raises(ValueError, match="postgresql://") as refused:
                use()
            assert SECRET not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_url_is_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither for what makes a file, nor through pathlib, which takes a slash from it."""
    monkeypatch.chdir(tmp_path)
    url = f"postgresql://app:{SECRET}@localhost/app"
    with agent_store.open(":memory:") as store:
        for use in (lambda: agent_store.open(Path(url)), lambda: store.backup(url), lambda: store.backup(Path(url))):
            with pytest.raises(ValueError, match="postgresql://") as refused:
                use()
            assert SECRET not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_path_may_have_any_of_it(tmp_path: Path) -> None:
    for name in ("host=localhost", "mysql:x", "a://b"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        with agent_store.open(path) as store:
            assert store.position() == 0
        assert path.exists()


OPTIONS: dict[str, tuple[Any, type[Exception], str]] = {
    "durability": ("strict", ValueError, 'durability must be "full" or "normal", not "strict"'),
    "durability of a type": (5, TypeError, "str"),
    "timeout below 0": (-1, ValueError, "timeout must be a finite number of seconds, 0 or more, not -1"),
    "timeout of nothing": (math.nan, ValueError, "timeout must be a finite number of seconds"),
    "timeout without end": (math.inf, ValueError, "timeout must be a finite number of seconds"),
    "timeout of a type": ("5", TypeError, "number"),
}


@pytest.mark.parametrize("what", OPTIONS)
@pytest.mark.parametrize("target", ["app.db", "postgresql://nobody@localhost:1/nowhere"])
def test_options(what: str, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused in the same words wherever the store is, before anybody is asked."""
    monkeypatch.chdir(tmp_path)
    value, error, words = OPTIONS[what]
    with pytest.raises(error, match=words):
        agent_store.open(target, **{what.partition(" ")[0]: value})
    assert list(tmp_path.iterdir()) == []


def test_a_schema_is_a_name(postgres: str) -> None:
    wrong: list[tuple[Any, type[Exception]]] = [
        (5, TypeError),
        (b"x", TypeError),
        ("", ValueError),
        ("x" * 64, ValueError),
        ("pg_x", ValueError),
        ("\ud800", ValueError),
        ("a\0", ValueError),
    ]
    with psycopg.connect(postgres) as connection:
        for schema, error in wrong:
            with pytest.raises(error, match="schema"):
                agent_store.open(connection, schema=schema)
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
