"""What once harmed who writes, or a program's end, because somebody waits."""

import os
import resource
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import agent_store
from agent_store import Store
from agent_store.errors import BackendError
from postgres_bells import apart, until
from stores import Schema


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Every one that this process may have is taken."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 3, before[1]))
    taken: list[int] = []
    try:
        try:
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            pass
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def write_many(store: Store) -> None:
    store.log("s", "w").append_many([b"1", b"2"])


def write_in_a_transaction(store: Store) -> None:
    with store.transaction():
        store.log("s", "w").append(b"1")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts descriptors in /proc")
@pytest.mark.parametrize("write", [write_many, write_in_a_transaction])
def test_a_commit_is_none_the_worse_for_a_listener_that_it_cannot_tell(
    schema: Schema, write: Callable[[Store], None], caplog: pytest.LogCaptureFixture
) -> None:
    told: list[int] = []
    with apart(schema) as other, other.doorbell.subscribe(lambda event: told.append(event.position), after=0):
        other.log("s", "w").append(b"0")
        until(lambda: told == [1])
        with apart(schema, 2) as store:
            store.position()
            with no_descriptors():
                write(store)
            newest = store.position()
            assert newest > 1
            until(lambda: told == [*range(1, newest + 1)])
            assert "is not told" in caplog.text
            write(store)  # and from here on it rings again
            until(lambda: len(told) == store.position())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts descriptors in /proc")
def test_who_cannot_wait_for_want_of_descriptors_is_told_so(schema: Schema) -> None:
    with apart(schema) as store:
        store.position()
        with no_descriptors(), pytest.raises(BackendError, match="could be had"):
            store.doorbell.wait(timeout=0)
        assert store.doorbell.wait(timeout=0) == 0


def test_a_callback_that_never_ends_does_not_keep_the_program(tmp_path: Path) -> None:
    program = """
        import queue, sys, threading
        import agent_store

        store = agent_store.open(sys.argv[1])
        news, came = queue.Queue(1), threading.Event()

        def tell(event):
            if event.position == 2:
                came.set()
            news.put(event)  # the second for ever

        for _ in range(3):
            store.doorbell.subscribe(tell)
        store.log("s", "w").append_many([b"1", b"2"])
        assert came.wait(20)
    """
    began = time.monotonic()
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "a.db")]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 30


def test_a_timeout_beyond_all_floats(tmp_path: Path) -> None:
    with agent_store.open(tmp_path / "a.db") as store, pytest.raises(ValueError, match="finite"):
        store.doorbell.wait(timeout=10**400)
