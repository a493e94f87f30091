"""What becomes of those who wait when the file by which processes ring is harmed, or is somebody else's."""

import fcntl
import os
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest

import agent_store
from agent_store import _core
from bells import BY_SQLITE3, another, bell_of, settled, waiter_of
from processes import run

SOON = 1.0
"""Seconds in which whatever nobody rings for is noticed, on a machine that is busy."""


def exchange(bell: Path) -> None:
    new = bell.with_suffix(".new")
    new.touch()
    new.replace(bell)


HARM: dict[str, Callable[[Path], object]] = {
    "emptied": lambda bell: os.truncate(bell, 0),
    "cut off in its number": lambda bell: os.truncate(bell, 10),
    "removed": lambda bell: bell.unlink(),
    "an empty one in its place": exchange,
    "zeros": lambda bell: bell.write_bytes(bytes(4096)),
}


@pytest.mark.parametrize("harm", HARM)
def test_what_was_done_to_it_is_put_right(path: Path, harm: str) -> None:
    with agent_store.open(path) as store, another(path) as other:
        waiter = waiter_of(store)
        other.noticed(waiter)
        HARM[harm](bell_of(path))
        for _ in range(2):
            assert other.noticed(waiter) < SOON
        assert bell_of(path).stat().st_size == 4096
        assert store.info()["doorbell"] == "futex"
        # By rings again.
        assert statistics.median(other.noticed(waiter, waiter.look()) for _ in range(10)) < 0.05


FOREIGN: dict[str, Callable[[Path], object]] = {
    "a text": lambda bell: bell.write_bytes(b"somebody's own"),
    "a long one": lambda bell: bell.write_bytes(b"x" * 4096),
    "a folder": lambda bell: bell.mkdir(),
    "a link": lambda bell: bell.symlink_to(bell.with_suffix(".elsewhere")),
    "a pipe": os.mkfifo,
}


@pytest.mark.parametrize("what", FOREIGN)
def test_what_others_have_under_its_name_is_left_alone(path: Path, what: str) -> None:
    bell = bell_of(path)
    FOREIGN[what](bell)
    before = bell.lstat(), bell.read_bytes() if bell.is_file() else b""
    with agent_store.open(path) as store, another(path) as other:
        waiter = waiter_of(store)
        assert store.info()["doorbell"] == "poll"
        assert statistics.median(other.noticed(waiter, waiter.look()) for _ in range(10)) < 0.05
        # Within the process without a look.
        seen = settled(waiter)
        store.log("s", "w").append(b"x")
        assert waiter.look() != seen
        _core.ring_file(str(path))
    after = bell.lstat(), bell.read_bytes() if bell.is_file() else b""
    assert (after[0].st_mode, after[0].st_size, after[1]) == (before[0].st_mode, before[0].st_size, before[1])
    assert not bell.with_suffix(".elsewhere").exists()


def test_another_database_under_its_name_keeps_its_locks(path: Path) -> None:
    """A page long, as ours is. To close it in this process would drop the locks that a library here has on it."""
    bell = bell_of(path)
    with agent_store.open(path) as store:
        bell.write_bytes(b"SQLite format 3\0" + bytes(4080))
        with bell.open("r+b") as theirs:
            fcntl.lockf(theirs, fcntl.LOCK_EX)
            waiter = waiter_of(store)
            assert not waiter.wait(settled(waiter), 0.2)
            free = (
                "import fcntl, sys; f = open(sys.argv[1], 'r+b')\ntry: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
            )
            assert run(free + "except OSError: print('locked')", bell) == ["locked"]


def test_a_program_that_knows_of_no_bell_is_noticed_by_who_polls(path: Path) -> None:
    bell_of(path).mkdir()
    with agent_store.open(path) as store, another(path, BY_SQLITE3) as other:
        waiter = waiter_of(store)
        assert statistics.median(other.noticed(waiter, waiter.look()) for _ in range(10)) < 0.1
