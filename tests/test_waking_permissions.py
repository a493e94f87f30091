"""Users who may not make, or not even read, the sidecar: they wait all the same, and the store says how."""

import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import agent_store
from agent_store import Store
from processes import run, script
from test_permissions import UNPRIVILEGED
from watchers import LATE

WAITS = (
    UNPRIVILEGED
    + """
import time
with agent_store.open(sys.argv[1], read_only=sys.argv[2] == "True") as store:
    store.doorbell.wait(timeout=0.05)
    print(store.info()["doorbell"], flush=True)
    with store.watch(timeout=30) as watch:
        watch.position
        print("watching", flush=True)
        for _ in range(8):
            next(watch)
            print(time.monotonic_ns(), flush=True)
"""
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that others may enter: pytest's own are the user's alone."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)
        Path(name).chmod(0o755)


@contextmanager
def opened(folder: Path, file_mode: int, folder_mode: int) -> Iterator[Store]:
    """A store of ours, held open, and then with these permissions for the others."""
    path = folder / "app.db"
    with agent_store.open(path) as store:
        store.log("s", "w").append(b"x")
        path.chmod(file_mode)
        for beside in folder.glob("app.db-*"):
            beside.chmod(file_mode)
        folder.chmod(folder_mode)
        yield store


def waits(folder: Path, store: Store, *, read_only: bool) -> tuple[str, list[float]]:
    """How another user waits, and how late he saw each of our appends, from the least on."""
    late = []
    with script(WAITS, folder / "app.db", read_only) as process:
        assert process.stdout is not None
        kind = process.stdout.readline().strip()
        assert process.stdout.readline() == "watching\n"
        for _ in range(8):
            time.sleep(0.06)
            store.log("s", "w").append(b"y")
            told = time.monotonic_ns()
            late.append((int(process.stdout.readline()) - told) / 1e9)
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert max(late) < LATE
    return kind, sorted(late)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user to be")
@pytest.mark.parametrize(
    ("file_mode", "folder_mode", "read_only", "sidecar", "kind"),
    [
        (0o666, 0o777, False, False, "futex"),
        (0o666, 0o777, True, False, "poll"),
        (0o666, 0o777, True, True, "futex"),
        (0o644, 0o755, True, False, "poll"),
        (0o644, 0o755, True, True, "futex"),
        (0o644, 0o555, True, True, "futex"),
        (0o666, 0o555, True, False, "poll"),
    ],
)
def test_another_user_waits(
    folder: Path, file_mode: int, folder_mode: int, read_only: bool, sidecar: bool, kind: str
) -> None:
    with opened(folder, file_mode, folder_mode) as store:
        if sidecar:
            store.doorbell.wait(timeout=0.01)
        found, late = waits(folder, store, read_only=read_only)
        assert found == kind
        assert late[len(late) // 2] < 0.1
        assert (folder / "app.db-bell").exists() == (sidecar or kind == "futex")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user to be")
def test_a_sidecar_that_another_user_may_not_read(folder: Path) -> None:
    with opened(folder, 0o666, 0o777) as store:
        store.doorbell.wait(timeout=0.01)
        bell = folder / "app.db-bell"
        bell.chmod(0o600)
        kind, _ = waits(folder, store, read_only=False)
        assert kind == "poll"
        assert (bell.stat().st_uid, stat.S_IMODE(bell.stat().st_mode)) == (os.geteuid(), 0o600)


WRITES = (
    UNPRIVILEGED
    + """
with agent_store.open(sys.argv[1]) as store:
    print("open", flush=True)
    for line in sys.stdin:
        store.log("s", "other").append(b"x")
        print("told", flush=True)
"""
)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user to be")
def test_a_writer_who_may_not_write_to_the_sidecar(folder: Path) -> None:
    """He rings a file that he may only read, or nobody: who waits sees what he appended, and he has no trouble."""
    with opened(folder, 0o666, 0o777) as store, store.watch(timeout=30) as watch:
        store.doorbell.wait(timeout=0.01)
        for mode in (0o644, 0o600):
            (folder / "app.db-bell").chmod(mode)
            with script(WRITES, folder / "app.db") as process:
                assert process.stdin is not None
                assert process.stdout is not None
                assert process.stdout.readline() == "open\n"
                for _ in range(3):
                    process.stdin.write("\n")
                    process.stdin.flush()
                    assert process.stdout.readline() == "told\n"
                    began = time.monotonic()
                    assert next(watch).writer == "other"
                    assert time.monotonic() - began < LATE
                process.communicate(timeout=60)
                assert process.returncode == 0


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o666])
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_sidecar_is_for_whom_the_database_is(path: Path, mode: int, umask: int) -> None:
    agent_store.open(path).close()
    path.chmod(mode)
    before = os.umask(umask)
    try:
        with agent_store.open(path) as store:
            store.doorbell.wait(timeout=0.01)
    finally:
        os.umask(before)
    bell = path.with_name("app.db-bell").stat()
    assert stat.S_ISREG(bell.st_mode)
    assert (stat.S_IMODE(bell.st_mode), bell.st_size) == (mode, 4096)


CLOSED = (
    UNPRIVILEGED
    + """
with agent_store.open(sys.argv[1], read_only=True) as store:
    print(store.doorbell.wait(timeout=0.3), list(store.watch(timeout=0.1)), store.info()["doorbell"])
    print(len(list(store.watch(after=0, timeout=0.1))))
"""
)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user to be")
def test_a_directory_that_takes_nothing_and_nobody_writes(folder: Path) -> None:
    """The file is opened as one that never changes."""
    with opened(folder, 0o444, 0o755):
        pass
    folder.chmod(0o555)
    assert run(CLOSED, folder / "app.db") == ["1 [] poll", "1"]
    assert list(folder.iterdir()) == [folder / "app.db"]
