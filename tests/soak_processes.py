"""Sixteen processes of four threads on one file, for as long as SOAK_SECONDS says, some of them killed all the time.

`make soak` runs it; `make test` does not.
"""

import os
import random
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

import agent_store
from writers import Writer, check_written

SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
PROCESSES = 16
THREADS = 4
LONGEST = 1.0
"""Seconds between two kills, at most."""


@pytest.mark.timeout(SECONDS * 5 + 300)
def test_nothing_is_lost_doubled_or_out_of_order(path: Path) -> None:
    chance = random.Random(os.environ.get("SOAK_SEED", "1"))
    agent_store.open(path).close()
    with ExitStack() as stack:

        def begin(number: int) -> Writer:
            # Both kinds share a file, as two programs may that were told differently.
            durability = "full" if number % 2 else "normal"
            writer = Writer(path, f"w{number}", threads=THREADS, durability=durability, timeout=30)
            stack.enter_context(writer)
            writer.begin()
            return writer

        running = [begin(number) for number in range(PROCESSES)]
        every = list(running)
        until = time.monotonic() + SECONDS
        with agent_store.open(path, read_only=True) as store:
            while time.monotonic() < until:
                time.sleep(chance.uniform(0, LONGEST))
                number = chance.randrange(PROCESSES)
                running[number].kill()
                running[number] = begin(len(every))
                every.append(running[number])
                if len(every) % 10 == 0:
                    verdict = store.verify()
                    assert verdict.holds, verdict.breaks
        for writer in running:
            writer.stop()
    count = check_written(path, every)
    worst = max(writer.worst for writer in running)
    kills = len(every) - PROCESSES
    print(f"{count:,} entries, {kills} kills, the slowest call of those that were not killed: {worst * 1e3:,.0f} ms")
    assert kills >= SECONDS / LONGEST / 2
