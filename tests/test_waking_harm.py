"""What is done to the sidecar, before somebody waits or while he does: nothing is missed, and nobody dies."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import agent_store
from forking import say
from processes import script
from watchers import FEEDER, LATE, Watchers

SIZE = 4096


def aside(bell: Path, content: bytes) -> None:
    other = bell.with_name("other")
    other.write_bytes(content)
    other.replace(bell)


def written_over(bell: Path) -> None:
    bell.write_bytes(b"\xff" * SIZE)


def moved_away(bell: Path) -> None:
    bell.rename(bell.with_name("away"))


def directory(bell: Path) -> None:
    bell.unlink(missing_ok=True)
    bell.mkdir()


def filled(bell: Path) -> None:
    directory(bell)
    (bell / "file").write_bytes(b"x")


def link(bell: Path, target: str) -> None:
    bell.unlink(missing_ok=True)
    bell.symlink_to(target)


def fifo(bell: Path) -> None:
    bell.unlink(missing_ok=True)
    os.mkfifo(bell)


def bound(bell: Path) -> None:
    bell.unlink(missing_ok=True)
    here = Path.cwd()
    os.chdir(bell.parent)  # Such a name may have only 107 bytes.
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(bell.name)
    finally:
        os.chdir(here)


def other_name(bell: Path) -> None:
    bell.unlink(missing_ok=True)
    bell.hardlink_to(bell.with_name("victim"))


MADE: dict[str, Callable[[Path], None]] = {
    "an empty file": lambda bell: aside(bell, b""),
    "another's file": lambda bell: aside(bell, b"\xff" * SIZE),
    "zeros": lambda bell: aside(bell, bytes(SIZE)),
    "a long file": lambda bell: aside(bell, bytes(1 << 20)),
    "a directory": directory,
    "a directory with a file": filled,
    "a link to nowhere": lambda bell: link(bell, "nowhere"),
    "a link to a file": lambda bell: link(bell, "victim"),
    "a link to itself": lambda bell: link(bell, bell.name),
    "a FIFO": fifo,
    "a socket": bound,
}
DONE: dict[str, Callable[[Path], None]] = {
    "removed": Path.unlink,
    "truncated": lambda bell: os.truncate(bell, 0),
    "cut off": lambda bell: os.truncate(bell, 6),
    "grown": lambda bell: os.truncate(bell, 1 << 20),
    "written over": written_over,
    "moved away": moved_away,
    **MADE,
}
SELF_HEALING = ["removed", "truncated", "moved away", "an empty file", "zeros"]
"""What leaves a place for a sidecar, or one that can be taken as new."""


@pytest.fixture
def path(path: Path) -> Path:
    agent_store.open(path).close()
    path.with_name("victim").write_bytes(b"of somebody else")
    return path


def bell_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-bell")


def feed(feeder: object, count: int, pause: float) -> dict[int, int]:
    """Append so many, and the times when they were told."""
    told = {}
    for _ in range(count):
        position, at = map(int, say(feeder, "x").split())  # type: ignore[arg-type]
        told[position] = at
        time.sleep(pause)
    return told


def victim_is_as_it_was(path: Path) -> bool:
    victim = path.with_name("victim")
    return victim.read_bytes() == b"of somebody else" and not path.with_name("nowhere").exists()


@pytest.mark.parametrize("what", DONE)
def test_what_is_done_to_the_sidecar_of_those_who_wait(path: Path, what: str) -> None:
    with script(FEEDER, path) as feeder, Watchers(path, "waiting") as waiting:
        assert feeder.stdout is not None
        assert feeder.stdout.readline() == "open\n"
        waiting.begin()
        told = feed(feeder, 1, 0)
        waiting.wait_for(1)
        DONE[what](bell_of(path))
        before = waiting.used(), time.monotonic()
        told |= feed(feeder, 4, 0.02)
        waiting.wait_for(5)
        time.sleep(0.6)  # A look at the sidecar comes in between.
        busy = (waiting.used() - before[0]) / (time.monotonic() - before[1])
        told |= feed(feeder, 4, 0.02)
        waiting.wait_for(9)
        waiting.stop()
        feeder.communicate("", timeout=60)
        assert feeder.returncode == 0
    late = waiting.check(9, told)
    assert max(late) < LATE
    assert busy < 0.5, "it waits without sleeping"
    assert victim_is_as_it_was(path)
    if what not in {"a directory", "a directory with a file"}:
        with agent_store.open(path) as store:
            assert store.verify().holds


@pytest.mark.parametrize("what", SELF_HEALING)
def test_a_sidecar_that_can_be_made_anew_is(path: Path, what: str) -> None:
    """Else each wake would be the look that is taken four times a second."""
    with script(FEEDER, path) as feeder, Watchers(path, "waiting") as waiting:
        assert feeder.stdout is not None
        assert feeder.stdout.readline() == "open\n"
        waiting.begin()
        feed(feeder, 1, 0.3)
        DONE[what](bell_of(path))
        feed(feeder, 4, 0.3)
        told = feed(feeder, 8, 0.15)
        waiting.wait_for(13)
        waiting.stop()
        feeder.communicate("", timeout=60)
    late = sorted(waiting.check(13, told))
    assert late[len(late) // 2] < 0.05
    assert bell_of(path).stat().st_size == SIZE


@pytest.mark.parametrize("what", MADE)
def test_what_is_there_before_anybody_waits(path: Path, what: str) -> None:
    MADE[what](bell_of(path))
    with script(FEEDER, path) as feeder, Watchers(path, "waiting") as waiting:
        assert feeder.stdout is not None
        assert feeder.stdout.readline() == "open\n"
        waiting.begin()
        told = feed(feeder, 5, 0.02)
        waiting.wait_for(5)
        waiting.stop()
        feeder.communicate("", timeout=60)
        assert feeder.returncode == 0
    assert max(waiting.check(5, told)) < LATE
    assert victim_is_as_it_was(path)


@pytest.mark.parametrize("what", ["a directory", "a link to a file", "a FIFO", "a socket"])
def test_the_store_says_that_it_polls(path: Path, what: str) -> None:
    MADE[what](bell_of(path))
    with agent_store.open(path) as store:
        assert store.doorbell.wait(timeout=0.05) == 0
        assert store.info()["doorbell"] == "poll"


def test_a_file_with_another_name_is_not_harmed(path: Path) -> None:
    """A hard link is a regular file, and cannot be told from the sidecar but by what is in it."""
    other_name(bell_of(path))
    with agent_store.open(path) as store, script(FEEDER, path) as feeder:
        assert feeder.stdout is not None
        assert feeder.stdout.readline() == "open\n"
        feed(feeder, 1, 0)
        assert store.doorbell.wait(0, timeout=10) == 1
        feeder.communicate("", timeout=60)
    assert path.with_name("victim").read_bytes() == b"of somebody else"
