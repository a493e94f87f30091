"""A backup that fails or is killed: no file has its name, and what is left behind is removed by the next."""

import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import agent_store
from agent_store.errors import BackendError
from copies import fill, names
from processes import run
from test_permissions import UNPRIVILEGED

UNFINISHED = re.compile(r"copy\.db-unfinished-[0-9a-f]{16}")


def entries(path: Path) -> int:
    with agent_store.open(path, read_only=True) as store:
        assert store.verify().holds
        return store.position()


@pytest.fixture
def copy(path: Path) -> Path:
    """In a folder of its own, and a store to be copied."""
    with agent_store.open(path) as store:
        fill(store)
    (path.parent / "copies").mkdir()
    return path.parent / "copies" / "copy.db"


HELD = """
import signal, sys
import agent_store
signal.signal(signal.SIGINT, signal.default_int_handler)

def hold(done, total):
    if len(sys.argv) < 4 or done >= total / 2:
        print(done, flush=True)
        sys.stdin.readline()

with agent_store.open(sys.argv[1]) as store:
    try:
        store.backup(sys.argv[2], progress=hold)
    except BaseException as error:
        print(type(error).__name__, store.verify().holds)
"""


@contextmanager
def held(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A process that makes a backup and stands still in the middle of it, until its input ends."""
    command = [sys.executable, "-c", HELD, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) > 0
        yield process
        process.communicate(timeout=60)


@pytest.mark.parametrize("when", [[], ["verifying"]])
def test_killed_in_the_middle(path: Path, copy: Path, when: list[str]) -> None:
    with held(path, copy, *when) as process:
        [left] = names(copy)
        assert UNFINISHED.fullmatch(left)
        process.kill()
    assert names(copy) == [left]
    assert entries(path) == 60
    with agent_store.open(path) as store:
        store.backup(copy.with_name("another"))
        assert names(copy) == ["another", left]
        store.backup(copy)
    assert names(copy) == ["another", "copy.db"]
    assert entries(copy) == 60


def test_what_is_not_left_behind_is_not_removed(path: Path, copy: Path) -> None:
    others = [
        "copy.db-unfinished-notes",
        "copy.db-unfinished-cafe",
        f"copy.db-unfinished-{'0' * 15}g",
        f"other.db-unfinished-{'0' * 16}",
    ]
    for name in others:
        copy.with_name(name).write_bytes(b"x")
    copy.with_name(f"copy.db-unfinished-{'1' * 16}").mkdir()
    copy.with_name(f"copy.db-unfinished-{'2' * 16}").symlink_to(path)
    listed = names(copy)
    with held(path, copy) as process:
        with agent_store.open(path) as store:
            store.backup(copy)
        assert {name for name in {*names(copy)} - {*listed, "copy.db"} if UNFINISHED.fullmatch(name)}
        output, _ = process.communicate(timeout=60)
    # Two at once do no harm to each other; the later one finds the name taken.
    assert output.splitlines()[-1] == "FileExistsError True"
    assert names(copy) == sorted([*listed, "copy.db"])
    assert entries(copy) == 60


def test_ctrl_c(path: Path, copy: Path) -> None:
    with held(path, copy) as process:
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        assert output == "KeyboardInterrupt True\n"
    assert names(copy) == []


def test_a_full_disk(path: Path, copy: Path) -> None:
    folder = copy.parent
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a file system of its own takes the right to mount one")
    try:
        with agent_store.open(path) as store:
            with pytest.raises(BackendError, match=r"copying to .*copy\.db: .*full.*free space"):
                store.backup(copy)
            assert names(copy) == []
            subprocess.run(["mount", "-o", "remount,size=30m", str(folder)], check=True)
            assert store.backup(copy).entries == 60
            assert names(copy) == ["copy.db"]
    finally:
        subprocess.run(["umount", str(folder)], check=True)


FILE_LIMIT = """
import os, resource, signal, sys
import agent_store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with agent_store.open(sys.argv[1]) as store:
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, resource.RLIM_INFINITY))
    try:
        store.backup(sys.argv[2])
    except agent_store.errors.BackendError as error:
        print(str(error).startswith(f"copying to {sys.argv[2]}: "), os.listdir(os.path.dirname(sys.argv[2])))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(store.backup(sys.argv[2]).entries, store.log("s", "big").append(b"x").seq)
"""


def test_a_file_that_may_grow_no_further(path: Path, copy: Path) -> None:
    assert run(FILE_LIMIT, path, copy) == ["True []", "60 61"]


FORK = """
import os, sys, warnings
import agent_store
warnings.simplefilter("ignore")  # Python's own, about forking with threads
parent, status = os.getpid(), None

def fork(done, total):
    global status
    if status is None:
        child = os.fork()
        status = os.waitpid(child, 0)[1] if child else 0

with agent_store.open(sys.argv[1]) as store:
    try:
        print(store.backup(sys.argv[2], progress=fork).entries, os.waitstatus_to_exitcode(status), flush=True)
    except agent_store.errors.ForkedStore:
        os._exit(7 if os.getpid() != parent else 1)
    print(store.log("s", "big").append(b"x").seq, store.verify().holds)
"""


def test_progress_that_forks(path: Path, copy: Path) -> None:
    """The child is told, and takes nothing of the parent's away."""
    assert run(FORK, path, copy) == ["60 7", "61 True"]
    assert names(copy) == ["copy.db"]
    assert entries(copy) == 60


REFUSED = """
with agent_store.open(sys.argv[1], read_only=True) as store:
    try:
        store.backup(sys.argv[2])
    except OSError as error:
        print(type(error).__name__, error.filename)
"""


def test_a_folder_that_takes_no_file() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "copies").mkdir()
        agent_store.open(folder / "app.db").close()
        folder.chmod(0o755)
        (folder / "app.db").chmod(0o644)
        (folder / "copies").chmod(0o555)
        refused = run(UNPRIVILEGED + REFUSED, folder / "app.db", folder / "copies" / "copy.db")
        assert refused == [f"PermissionError {folder / 'copies'}"]
        assert names(folder / "copies" / "copy.db") == []


LOG = """
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
static void note(const char *what, const char *of) {
    char line[4200];
    int size = snprintf(line, sizeof line, "%s %s\\n", what, of);
    if (write(1, line, size) < 0) _exit(9);
}
static int named(const char *what, long call, int fd) {
    char link[40], path[4100];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    path[size < 0 ? 0 : size] = 0;
    note(what, path);
    return syscall(call, fd);
}
int fsync(int fd) { return named("sync", SYS_fsync, fd); }
int fdatasync(int fd) { return named("sync", SYS_fdatasync, fd); }
int linkat(int a, const char *from, int b, const char *to, int flags) {
    note("name", to);
    return syscall(SYS_linkat, a, from, b, to, flags);
}
int link(const char *from, const char *to) { return linkat(-100, from, -100, to, 0); }
"""
SYNCED = """
import sys
import agent_store
with agent_store.open(sys.argv[1], durability="normal", read_only=True) as store:
    store.backup(sys.argv[2])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the loader is told otherwise elsewhere, and the calls are others")
def test_it_is_on_disk_before_it_has_its_name(path: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, library = path.with_name("log.c"), path.with_name("log.so")
    source.write_text(LOG)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))
    file, name, folder = run(SYNCED, path, copy)
    assert UNFINISHED.fullmatch(Path(file.removeprefix("sync ")).name)
    assert (name, folder) == (f"name {copy}", f"sync {copy.parent}")
