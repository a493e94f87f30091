"""The file beside the database in which processes queue: where it cannot be had, or goes away, all still works."""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import agent_store
from processes import script
from threads import locked
from writers import Writer, check_written

PATIENCE = 60.0
WRITER = """
import os, sys
import agent_store
store = agent_store.open(sys.argv[1], timeout=30)
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
print("open", flush=True)
sys.stdin.readline()
for n in range(50):
    entry = store.log("s", sys.argv[2]).append(b"%d" % n)
print(entry.seq)
store.close()
"""
"""Opens the file with all rights, and has none to others when it writes."""


def queue_of(path: Path) -> Path:
    return path.with_name(path.name + "-queue")


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that others may enter: pytest's own are the user's alone."""
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        made.chmod(0o755)
        yield made
        made.chmod(0o755)


def in_the_way(file: Path, what: str) -> None:
    if what == "a folder":
        file.mkdir()
    elif what == "a pipe":
        os.mkfifo(file)
    elif what == "a link to nowhere":
        file.symlink_to(file.with_name("nowhere"))
    elif what == "a file of somebody's":
        file.write_bytes(b"not ours")
        file.chmod(0o600)


@pytest.mark.parametrize(
    "what", ["nothing, and none can be made", "a folder", "a pipe", "a link to nowhere", "a file of somebody's"]
)
def test_without_a_queue_writers_still_wait(folder: Path, what: str) -> None:
    path = folder / "app.db"
    with agent_store.open(path, durability="normal") as store:
        in_the_way(queue_of(path), what)
        with ExitStack() as stack:
            processes = [stack.enter_context(script(WRITER, path, number)) for number in range(4)]
            for process in processes:
                assert process.stdout is not None
                assert process.stdout.readline() == "open\n"
            folder.chmod(0o555 if what.startswith("nothing") else 0o777)
            with locked(path):
                for process in processes:
                    assert process.stdin is not None
                    process.stdin.write("\n")
                    process.stdin.flush()
                time.sleep(0.5)
            for process in processes:
                output, _ = process.communicate(timeout=PATIENCE)
                assert (process.returncode, output) == (0, "50\n")
        folder.chmod(0o755)
        assert store.position() == 200
        assert store.verify().holds
    if what == "a file of somebody's":
        assert queue_of(path).read_bytes() == b"not ours"
    elif what == "a link to nowhere":
        assert not queue_of(path).exists(), "what the link names was made"


def test_a_lock_of_somebodys_on_the_queue_as_a_whole_keeps_nobody(path: Path) -> None:
    agent_store.open(path).close()
    with ExitStack() as stack, queue_of(path).open("wb") as queue:
        fcntl.lockf(queue, fcntl.LOCK_EX)
        writers = [stack.enter_context(Writer(path, f"w{number}", threads=2)) for number in range(3)]
        with locked(path):
            for writer in writers:
                writer.begin()
            time.sleep(0.2)
        for writer in writers:
            writer.wait_for(20)
            writer.stop()
    check_written(path, writers)


@pytest.mark.parametrize("how", ["removed", "cut", "replaced"])
def test_a_queue_that_goes_away_amid_writers_loses_nothing(path: Path, how: str) -> None:
    agent_store.open(path).close()
    queue = queue_of(path)
    with ExitStack() as stack:
        writers = [stack.enter_context(Writer(path, f"w{number}", threads=2)) for number in range(3)]
        for writer in writers:
            writer.begin()
        for _ in range(10):
            if how == "cut":
                if queue.exists():
                    os.truncate(queue, 0)
            else:
                queue.unlink(missing_ok=True)
            if how == "replaced":
                queue.touch()
            for writer in writers:
                writer.wait_for(20)
        for writer in writers:
            writer.stop()
    check_written(path, writers)
