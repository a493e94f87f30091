"""Eight processes of four threads on one store: nothing is lost, doubled or out of order, also when some are killed."""

import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import agent_store
from processes import script
from stores import Schema, a_schema
from threads import together
from writers import Writer, check_written

pytestmark = pytest.mark.timeout(120)
PROCESSES, THREADS = 8, 4
PATIENCE = 60.0

Make = Callable[..., Writer]


@pytest.fixture(params=["sqlite3", "postgres", "psycopg"])
def place(request: pytest.FixtureRequest, path: Path) -> Iterator[tuple[Path | str, Make]]:
    """What `check_written` looks at once all is over, and what makes a writer."""
    if request.param == "sqlite3":
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL").close()
        agent_store.open(connection).close()
        connection.close()
        yield path, lambda name, **how: Writer(path, name, lent="sqlite3", timeout=PATIENCE, **how)
        return
    with a_schema(request.param, request.getfixturevalue("postgres")) as schema:
        agent_store.open(schema.url).close()
        target, lent = (schema.url, None) if request.param == "postgres" else (schema.server, schema.name)
        yield (
            schema.url,
            lambda name, **how: Writer(target, name, folder=path.parent, lent=lent, timeout=PATIENCE, **how),
        )
        nobody_is_left(schema)


def nobody_is_left(schema: Schema) -> None:
    """The server notices by and by that a client is gone."""
    end = time.monotonic() + PATIENCE
    while schema.run("SELECT pid FROM pg_stat_activity WHERE application_name = %s", schema.name):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_all_write(place: tuple[Path | str, Make]) -> None:
    target, writer = place
    with ExitStack() as stack:
        writers = [stack.enter_context(writer(f"w{n}", threads=THREADS, each=25)) for n in range(PROCESSES)]
        for one in writers:
            one.begin()
        for one in writers:
            one.end()
    assert check_written(target, writers) == PROCESSES * THREADS * (25 - 25 // 10)


MAKER = """
import sys
import agent_store
print("begun", flush=True)
sys.stdin.readline()
with agent_store.open(sys.argv[1], timeout=50) as store:
    print(store.log("s", sys.argv[2]).append(b"x").seq, store.info()["id"])
"""


def test_all_make_the_store_at_once(postgres: str) -> None:
    with a_schema("postgres", postgres) as schema, ExitStack() as stack:
        makers = [stack.enter_context(script(MAKER, schema.url, n)) for n in range(PROCESSES)]
        for one in makers:
            assert one.stdout is not None
            assert one.stdout.readline() == "begun\n"
        for one in makers:
            assert one.stdin is not None
            one.stdin.write("\n")
            one.stdin.flush()
        told = [one.communicate(timeout=PATIENCE)[0].split() for one in makers]
        assert [seq for seq, _ in told] == ["1"] * PROCESSES
        assert len({store for _, store in told}) == 1
        with schema.open() as store:
            assert store.verify().entries_hold == PROCESSES


def test_threads_make_the_store_at_once(postgres: str) -> None:
    for _ in range(5):
        with a_schema("postgres", postgres) as schema:

            def make(_: int) -> object:
                with schema.open(timeout=PATIENCE) as store:
                    return store.info()["id"]

            assert len(set(together(make, PROCESSES))) == 1


def test_some_are_killed(place: tuple[Path | str, Make]) -> None:
    target, writer = place
    chance = random.Random(5)
    with ExitStack() as stack:
        others = [stack.enter_context(writer(f"other{n}", threads=THREADS)) for n in range(PROCESSES // 2)]
        for one in others:
            one.begin()
        victims = []
        for turn in range(2):
            several = [stack.enter_context(writer(f"victim{turn}{n}", threads=THREADS)) for n in range(PROCESSES // 2)]
            for one in several:
                one.begin()
            for one in several:
                one.wait_for(5)
                time.sleep(chance.uniform(0, 0.03))
                one.kill()
            victims += several
        for one in others:
            one.wait_for(20)
            one.stop()
    if isinstance(target, str):  # What a killed client had sent may still be committed.
        time.sleep(0.5)
    check_written(target, [*others, *victims])
