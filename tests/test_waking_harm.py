"""What is done to the sidecar, before somebody waits or while he does: nothing is missed, and nobody dies."""

import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import agent_store
from forking import say
from processes import script
from threads import Threads
from watchers import LATE, Watchers

SIZE = 4096
FEEDER = """
import sys, time
import agent_store
stores = {}
for line in sys.stdin:
    path = line.strip()
    if path not in stores:
        stores[path] = agent_store.open(path, timeout=30)
    position = stores[path].log("s", "feeder").append(b"x").position
    print(position, time.monotonic_ns(), flush=True)
for store in stores.values():
    store.close()
"""
"""Appends to the store that it is told, which it keeps open, and says position and time of the entry."""
Feed = Callable[[Path, int, float], dict[int, int]]
"""So many appends to the store there, with so many seconds after each; the times when they were told."""


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


@pytest.fixture(scope="module")
def feed() -> Iterator[Feed]:
    with script(FEEDER) as feeder:

        def feed(path: Path, count: int, pause: float) -> dict[int, int]:
            told: dict[int, int] = {}
            for _ in range(count):
                position, at = map(int, say(feeder, str(path)).split())
                told[position] = at
                time.sleep(pause)
            return told

        yield feed
        feeder.communicate("", timeout=60)
    assert feeder.returncode == 0


def store_at(path: Path) -> Path:
    """With a file of somebody else's beside it."""
    agent_store.open(path).close()
    path.with_name("victim").write_bytes(b"of somebody else")
    return path


def bell_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-bell")


def victim_is_as_it_was(path: Path) -> bool:
    victim = path.with_name("victim")
    return victim.read_bytes() == b"of somebody else" and not path.with_name("nowhere").exists()


@contextmanager
def those_who_wait(folder: Path, feed: Feed, harms: Iterable[str]) -> Iterator[dict[str, tuple[Path, Watchers]]]:
    """For each a store in which three wait, who have seen an entry."""
    with ExitStack() as stack:
        waiting = {}
        for number, what in enumerate(harms):
            (folder / str(number)).mkdir()
            path = store_at(folder / str(number) / "app.db")
            waiting[what] = path, stack.enter_context(Watchers(path, "waiting"))
        for path, watchers in waiting.values():
            watchers.begin()
            feed(path, 1, 0)
        for _, watchers in waiting.values():
            watchers.wait_for(1)
        yield waiting
        for _, watchers in waiting.values():
            watchers.stop()


def test_what_is_done_to_the_sidecar_of_those_who_wait(tmp_path: Path, feed: Feed) -> None:
    with those_who_wait(tmp_path, feed, DONE) as waiting:
        told: dict[str, dict[int, int]] = {what: {} for what in waiting}
        before = {}
        for what, (path, watchers) in waiting.items():
            before[what] = watchers.used(), time.monotonic()
            DONE[what](bell_of(path))
            told[what] |= feed(path, 4, 0.01)
        time.sleep(0.4)  # A look at the sidecar comes in between.
        for what, (path, watchers) in waiting.items():
            busy = (watchers.used() - before[what][0]) / (time.monotonic() - before[what][1])
            assert busy < 0.5, f"{what}: it waits without sleeping"
            told[what] |= feed(path, 4, 0.01)
        for what, (path, watchers) in waiting.items():
            watchers.wait_for(9)
            assert max(watchers.check(9, told[what])) < LATE, what
            assert victim_is_as_it_was(path), what


def test_a_sidecar_that_can_be_made_anew_is(tmp_path: Path, feed: Feed) -> None:
    """Else each wake would be the look that is taken four times a second."""
    with those_who_wait(tmp_path, feed, SELF_HEALING) as waiting:
        for what, (path, _) in waiting.items():
            DONE[what](bell_of(path))
        for _ in range(5):
            for path, _ in waiting.values():
                feed(path, 1, 0.06)
        for what, (path, watchers) in waiting.items():
            told: dict[int, int] = {}
            for _ in range(8):
                told |= feed(path, 1, 0.05)
            watchers.wait_for(14)
            late = sorted(watchers.check(14, told))
            assert late[len(late) // 2] < 0.04, what
            assert bell_of(path).stat().st_size == SIZE


@pytest.mark.parametrize("what", MADE)
def test_what_is_there_before_anybody_waits(path: Path, feed: Feed, what: str) -> None:
    MADE[what](bell_of(store_at(path)))
    with agent_store.open(path) as store:

        def wait(number: int) -> float:
            if number == 0:
                with store.watch(after=0, timeout=30) as watch:
                    assert [next(watch).position for _ in range(5)] == [1, 2, 3, 4, 5]
            elif number == 1:
                position = 0
                while position < 5:
                    position = store.doorbell.wait(position, timeout=30)
            else:
                seen: list[int] = []
                with store.doorbell.subscribe(lambda event: seen.append(event.position), after=0):
                    assert store.doorbell.wait(4, timeout=30) == 5
                    time.sleep(0.1)
                assert seen == [1, 2, 3, 4, 5]
            return time.monotonic()

        with Threads(wait, 3) as threads:
            told = feed(path, 5, 0.02)
            assert max(threads.results()) - told[5] / 1e9 < LATE
        can_be_used = what in SELF_HEALING
        assert store.info()["doorbell"] == ("futex" if can_be_used else "poll")
    assert victim_is_as_it_was(path)


def test_a_file_with_another_name_is_not_harmed(path: Path, feed: Feed) -> None:
    """A hard link is a regular file, and cannot be told from the sidecar but by what is in it."""
    bell_of(store_at(path)).hardlink_to(path.with_name("victim"))
    with agent_store.open(path) as store:
        feed(path, 1, 0)
        assert store.doorbell.wait(0, timeout=10) == 1
    assert victim_is_as_it_was(path)


def test_an_empty_file_with_another_name_is_not_filled(path: Path, feed: Feed) -> None:
    victim = path.with_name("empty")
    victim.touch()
    bell_of(store_at(path)).hardlink_to(victim)
    with agent_store.open(path) as store:
        feed(path, 1, 0)
        assert store.doorbell.wait(0, timeout=10) == 1
    assert victim.stat().st_size == 0
