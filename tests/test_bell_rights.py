"""Users and directories where the file by which processes ring cannot be made, read or rung."""

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import agent_store
from bells import bell_of, waiter_of
from processes import script


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that others may enter: pytest's own are the user's alone."""
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        made.chmod(0o755)
        yield made
        made.chmod(0o755)


WITHOUT_RIGHTS = """
import os, signal, sys, time
import agent_store
signal.alarm(40)  # Nothing outlives the test that it is of.
how = sys.argv[2]
if how != "late":
    store = agent_store.open(sys.argv[1], read_only=how == "read_only")
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
if how == "late":
    store = agent_store.open(sys.argv[1], read_only=True)
waiter = store._binding.backend.waiter()
position = store.position()
print("ready", flush=True)
for line in sys.stdin:
    while store.position() == position:
        seen = waiter.look()
        if store.position() == position:
            waiter.wait(seen, 20)
    position = store.position()
    print(time.monotonic_ns(), store.info()["doorbell"], flush=True)
"""


@pytest.mark.parametrize(("mode", "kind"), [(0o600, "poll"), (0o644, "futex"), (0o666, "futex")])
@pytest.mark.parametrize("how", ["read_only", "writing"])
def test_a_user_who_may_do_less(folder: Path, mode: int, kind: str, how: str) -> None:
    """The sidecar is there, and this user may not open it, may only read it, or may ring it too."""
    path = folder / "app.db"
    with agent_store.open(path) as store, script(WITHOUT_RIGHTS, path, how) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        mine = waiter_of(store)
        bell_of(path).chmod(mode)
        assert other.stdout.readline() == "ready\n"
        took = []
        for _ in range(6):
            other.stdin.write("\n")
            other.stdin.flush()
            time.sleep(0.05)
            begun = time.monotonic_ns()
            store.log("s", "w").append(b"x")
            then, how_woken = other.stdout.readline().split()
            took.append((int(then) - begun) / 1e9)
            assert how_woken == (kind if os.geteuid() == 0 else "futex")
        assert statistics.median(took) < 0.05
        other.stdin.close()
        mine.stop()


def test_where_no_file_can_be_made(folder: Path) -> None:
    path = folder / "app.db"
    with agent_store.open(path) as store, script(WITHOUT_RIGHTS, path, "writing") as other:
        assert other.stdout is not None
        assert other.stdin is not None
        if os.geteuid() != 0:
            folder.chmod(0o555)
        assert other.stdout.readline() == "ready\n"
        assert not bell_of(path).exists()
        other.stdin.write("\n")
        other.stdin.flush()
        store.log("s", "w").append(b"x")
        assert other.stdout.readline().split()[1] == "poll"
        folder.chmod(0o755)


def test_a_writer_who_comes_later(folder: Path) -> None:
    """At rest, a file where nobody may make anything is read as one that nobody writes to. Then somebody does."""
    path = folder / "app.db"
    with agent_store.open(path) as store:
        store.log("s", "w").append(b"x")
    if os.geteuid() != 0:
        folder.chmod(0o555)
    with script(WITHOUT_RIGHTS, path, "late") as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        folder.chmod(0o755)
        with agent_store.open(path) as store:
            for _ in range(3):
                other.stdin.write("\n")
                other.stdin.flush()
                store.log("s", "w").append(b"y")
                assert other.stdout.readline().split()[1] == "poll"
