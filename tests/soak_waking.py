"""Many wait and many write, for as long as SOAK_SECONDS says, and some are killed, stopped and harmed all the time.

`make soak` runs it; `make test` does not.
"""

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

import agent_store
from test_waking_harm import DONE, bell_of
from watchers import Watchers
from writers import Writer, check_written

SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
LONGEST = 1.0
"""Seconds between two blows, at most."""
WRITERS = 4
STAYING = 3
"""Processes that wait from the beginning to the end."""
REST = 0.005
"""Seconds after each call of a writer: who waits is to keep up."""
PASSING = 3
"""Those that are killed."""


def harm(path: Path, what: str) -> None:
    """What is there may be there by an earlier blow, or be made anew at this moment."""
    with suppress(OSError):
        DONE[what](bell_of(path))


def clear(path: Path) -> None:
    """Whatever is in the sidecar's place."""
    bell = bell_of(path)
    with suppress(OSError):
        if bell.is_dir() and not bell.is_symlink():
            (bell / "file").unlink(missing_ok=True)
            bell.rmdir()
        else:
            bell.unlink(missing_ok=True)


@pytest.mark.timeout(SECONDS * 10 + 600)
def test_nobody_misses_an_entry(path: Path) -> None:
    chance = random.Random(os.environ.get("SOAK_SEED", "1"))
    agent_store.open(path).close()
    path.with_name("victim").write_bytes(b"of somebody else")
    with ExitStack() as stack:
        every: list[Writer] = []

        def a_writer() -> Writer:
            writer = stack.enter_context(Writer(path, f"w{len(every)}", threads=2, timeout=30, rest=REST))
            every.append(writer)
            writer.begin()
            return writer

        waiting: list[Watchers] = []

        def a_watcher() -> Watchers:
            watchers = stack.enter_context(Watchers(path, f"waiting{len(waiting)}", read_only=len(waiting) % 4 == 3))
            waiting.append(watchers)
            return watchers.begin()

        staying = [a_watcher() for _ in range(STAYING)]
        passing = [a_watcher() for _ in range(PASSING)]
        writing = [a_writer() for _ in range(WRITERS)]

        def kill_a_writer() -> None:
            number = chance.randrange(WRITERS)
            writing[number].kill()
            writing[number] = a_writer()

        def kill_a_watcher() -> None:
            number = chance.randrange(PASSING)
            passing[number].kill()
            for seen in passing[number].seen():
                assert [one.position for one in seen] == list(range(1, len(seen) + 1))
            passing[number] = a_watcher()

        def stop_one() -> None:
            process = chance.choice([one.process for one in staying] + [one.process for one in writing])
            process.send_signal(signal.SIGSTOP)
            time.sleep(chance.uniform(0, LONGEST))
            process.send_signal(signal.SIGCONT)

        def harm_the_sidecar() -> None:
            harm(path, chance.choice([*DONE]))
            time.sleep(chance.uniform(0, 0.5))
            clear(path)

        blows: list[Callable[[], None]] = [kill_a_writer, kill_a_watcher, stop_one, harm_the_sidecar]
        count, until = 0, time.monotonic() + SECONDS
        while time.monotonic() < until:
            time.sleep(chance.uniform(0, LONGEST))
            chance.choice(blows)()
            count += 1
        for writer in writing:
            writer.stop()
        entries = check_written(path, every)
        for watchers in [*staying, *passing]:
            watchers.wait_for(entries)
            watchers.stop()
            watchers.check(entries)
    assert path.with_name("victim").read_bytes() == b"of somebody else"
    print(f"{entries:,} entries, {count} blows, {len(every)} processes wrote and {len(waiting)} waited")
    assert count >= SECONDS / LONGEST / 3
