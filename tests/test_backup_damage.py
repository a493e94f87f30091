"""Damage that the store has is in its copy; damage that the copy alone has is an error."""

from collections.abc import Callable
from pathlib import Path

import pytest

import agent_store
from copies import fill, names
from processes import run
from tampering import BOB_SEVENTH, build, damage, garbage, payload


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """In a folder of its own."""
    (tmp_path / "copies").mkdir()
    return tmp_path / "copies" / "copy.db"


def of_bob(path: Path) -> None:
    damage(path, f"UPDATE _agent_store_entries SET payload = x'00' {BOB_SEVENTH}")


def a_page(path: Path) -> None:
    garbage(path, holding=payload(1, 11))


def a_trigger(path: Path) -> None:
    damage(path, "DROP TRIGGER _agent_store_entries_update", guards=False)


@pytest.mark.parametrize("harm", [of_bob, a_page, a_trigger])
def test_a_damaged_store_is_copied_as_it_is(path: Path, copy: Path, harm: Callable[[Path], None]) -> None:
    build(path)
    harm(path)
    with agent_store.open(path) as store:
        verdict = store.verify()
        assert not verdict.holds
        assert store.backup(copy) == verdict
    with agent_store.open(copy) as other:
        assert other.verify() == verdict


DAMAGE = """
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(200 * 4096)
    file.write(b"\\xa5" * 4096)
"""


def test_a_copy_that_is_damaged_where_the_store_is_not(path: Path, copy: Path) -> None:
    with agent_store.open(path) as store:
        fill(store)
        done: list[str] = []

        def harm(*_: int) -> None:
            if not done:
                done.extend(names(copy))
                run(DAMAGE, copy.parent / done[0])

        with pytest.raises(agent_store.errors.BackendError, match=r"copy is damaged where the store is not \(\w+: "):
            store.backup(copy, progress=harm)
        assert names(copy) == []
        assert store.verify().holds
