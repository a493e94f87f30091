"""Where the locks on a file are, seen from outside: what takes them, what keeps them, what is closed and when.

Python's sqlite3 is the other library; it meets what this package has open in processes made for it.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import agent_store
from processes import run
from test_permissions import UNPRIVILEGED

SEEN = """
import os

def seen(path):
    "Kind of lock, or none, of each descriptor that this process has of the file."
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            name = os.readlink(f"/proc/self/fd/{number}")
            if name in {path, path + "-shm", path + "-wal", path + " (deleted)"}:
                with open(f"/proc/self/fdinfo/{number}") as file:
                    locks = {line.split()[2] for line in file if line.startswith("lock:")}
                found.append((name.removeprefix(path), *sorted(locks)))
        except FileNotFoundError:
            pass  # of listdir itself
    return sorted(found)
"""
PROGRAM = f"""
import fcntl, resource, sqlite3, sys, warnings
import agent_store
from agent_store import _core
{SEEN}
path = sys.argv[1]

def fill(path):
    with agent_store.open(path) as store:
        return store.log("s", "w").append(b"x").seq

def library(path):
    "A connection of another library's that holds locks on the file and on the shared memory."
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("BEGIN")
    db.execute("SELECT count(*) FROM _agent_store_entries").fetchall()
    return db
"""


def program(code: str, *arguments: object) -> list[str]:
    return run(PROGRAM + code, *arguments)


def test_locks_are_of_a_description_that_is_used_for_nothing_else(path: Path) -> None:
    code = """
store = agent_store.open(path)
store.log("s", "w").append(b"x")
store.log("s", "w").head()
print(store.info()["locks"])
for found in seen(path):
    print(*found)
with store.transaction():
    store.log("s", "w").append(b"x")
    print(sum("OFDLCK" in found for found in seen(path)))
store.close()
print(seen(path))
"""
    # The database by the writer, the reader and for locks; the log by both; the shared memory once and for locks.
    wanted = ["ofd", "", "", " OFDLCK", "-shm", "-shm OFDLCK", "-wal", "-wal", "2", "[]"]
    assert [line.rstrip() for line in program(code, path)] == [line.rstrip() for line in wanted]


def test_a_mapping_keeps_the_lock_of_a_description(path: Path) -> None:
    """So SQLite's own descriptor of the shared memory, which it maps, is not the one to lock."""
    code = """
import mmap, struct
def lock(kind, fd):
    fcntl.fcntl(fd, 37, struct.pack("hhqqi4x", kind, 0, 0, 0, 0))  # F_OFD_SETLK, which Python 3.11 lists from 3.9 on
with open(path, "wb+") as file:
    file.truncate(4096)
    lock(fcntl.F_WRLCK, file.fileno())
    mapped = mmap.mmap(file.fileno(), 4096)
with open(path, "rb+") as other:
    try:
        lock(fcntl.F_WRLCK, other.fileno())
    except BlockingIOError:
        print("held")
    mapped.close()
    lock(fcntl.F_WRLCK, other.fileno())
"""
    assert program(code, path) == ["held"]


def test_a_plain_read_takes_no_lock_of_ours(path: Path) -> None:
    code = """
with agent_store.open(path) as store:
    store.log("s", "w").append(b"x")
    before = seen(path)
    for end in ("", "-shm"):
        open(path + end, "rb").read()
    sqlite3.connect(path).execute("SELECT * FROM _agent_store_entries").connection.close()
    print(before == seen(path), sum("OFDLCK" in found for found in before))
"""
    assert program(code, path) == ["True 2"]


def test_closing_takes_no_lock_of_another_library(path: Path) -> None:
    code = """
fill(path)
db = library(path)
print(sum("POSIX" in found for found in seen(path)))
for _ in range(3):
    print(fill(path), sum("POSIX" in found for found in seen(path)), sum("OFDLCK" in found for found in seen(path)))
db.close()
fill(path)
print(seen(path))
"""
    assert program(code, path) == ["2", "2 2 0", "3 2 0", "4 2 0", "[]"]


def test_descriptors_are_bounded(path: Path) -> None:
    code = """
db = None
for number in range(1000):
    fill(path)
    if number == 1:
        before = len(os.listdir("/proc/self/fd"))
    if number == 500:
        db = library(path)
        fill(path)
        kept = len(os.listdir("/proc/self/fd"))
print(before, len(os.listdir("/proc/self/fd")) == kept, kept - before < 20)
db.close()
print(fill(path), len(os.listdir("/proc/self/fd")))
"""
    first, second = program(code, path)
    before, *rest = first.split()
    assert rest == ["True", "True"]
    assert second == f"1002 {before}"


FILES = 80


def test_what_others_have_locked_is_kept_and_the_rest_closed(tmp_path: Path) -> None:
    """However many files: a descriptor of one is not closed while another library holds a lock on it."""
    code = f"""
paths = [f"{{path}}{{number}}.db" for number in range({FILES})]
for each in paths:
    fill(each)
others = [library(each) for each in paths]
for _ in range(2):
    for each in paths:
        fill(each)
print(*{{sum("POSIX" in found for found in seen(each)) for each in paths}})
print(*{{any(found[-1] == "" for found in seen(each)) for each in paths}})
for other in others[: {FILES} // 2]:
    other.close()
os.remove(paths[-1])
fill(path + "another.db")
print(sum(len(seen(each)) for each in paths[: {FILES} // 2]))
print(*{{sum("POSIX" in found for found in seen(each)) for each in paths[{FILES} // 2 : -1]}})
others.pop().close()
fill(path + "yet another.db")
print(seen(paths[-1]))
for other in others:
    other.close()
fill(path + "the last.db")
print(sum(len(seen(each)) for each in paths))
"""
    assert program(code, tmp_path / "x") == ["2", "True", "0", "2", "[]", "0"]


def test_a_reader_first_and_then_a_writer(path: Path) -> None:
    """The descriptor for locks may write although the first that SQLite opened may not."""
    agent_store.open(path).close()
    code = """
with agent_store.open(path, read_only=True) as reader:
    print(reader.position(), sum("OFDLCK" in found for found in seen(path)))
    with agent_store.open(path) as store:
        with store.transaction():
            print(store.log("s", "w").append(b"x").seq, reader.position())
        print(reader.position())
    print(reader.verify().holds)
with agent_store.open(path) as store:
    print(store.log("s", "w").append(b"x").seq)
print(seen(path), os.path.exists(path + "-wal"))
"""
    assert program(code, path) == ["0 2", "1 0", "1", "True", "2", "[] False"]


def test_a_file_that_becomes_writable_while_it_is_read(tmp_path: Path) -> None:
    """Locks to write need a descriptor that may write; the one that holds locks to read cannot be exchanged for it."""
    tmp_path.chmod(0o777)
    code = (
        UNPRIVILEGED
        + SEEN
        + """
path = sys.argv[1]
child = os.fork()
if child == 0:
    store = agent_store.open(path)
    store.log("s", "w").append(b"x")
    os._exit(0)  # Its log stays, and the shared memory is to be made anew.
os.waitpid(child, 0)
os.remove(path + "-shm")
os.chmod(path, 0o444)
reader = agent_store.open(path, read_only=True)
print(reader.position(), oct(os.stat(path + "-shm").st_mode), sum("OFDLCK" in found for found in seen(path)))
for end in ("", "-shm", "-wal"):
    os.chmod(path + end, 0o644)
try:
    agent_store.open(path)
except agent_store.errors.ReadOnlyStore:
    print("not yet")
print(reader.position(), reader.verify().holds)
reader.close()
with agent_store.open(path) as store:
    print(store.log("s", "w").append(b"x").seq, store.info()["locks"])
print(seen(path))
"""
    )
    for above in tmp_path.parents[:3]:  # pytest's own, which it makes for its user alone
        if above.stat().st_uid == os.geteuid():
            above.chmod(0o711)
    assert run(code, tmp_path / "app.db") == ["1 0o100444 2", "not yet", "1 True", "2 ofd", "[]"]


def test_locks_switched_off(path: Path) -> None:
    """As the benches and the tests of what is lost without them need it: for files that are opened from then on."""
    code = """
kept = agent_store.open(path + "1")
print(_core._options(hooks=False)["hooks"], _core._options()["hooks"])
with agent_store.open(path) as store, agent_store.open(path + "1") as same:
    store.log("s", "w").append(b"x")
    print(store.info()["locks"], same.info()["locks"], kept.info()["locks"])
    print(*sorted({kind for found in seen(path) for kind in found[1:]}))
print(seen(path))
_core._options(hooks=True)
with agent_store.open(path) as store:
    print(store.info()["locks"])
"""
    assert program(code, path) == ["True False", "posix ofd ofd", "POSIX", "[]", "ofd"]


REFUSED = """
import encodings.idna, os, sys, warnings
import agent_store
folder = sys.argv[1]
os.chroot(folder)
os.chdir("/")
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for name in ("/a.db", "/a.db", "/b.db"):
        with agent_store.open(name) as store, agent_store.open(name) as same:
            store.log("s", "w").append(b"x")
            print(same.log("s", "w").append(b"y").seq, store.info()["locks"])
for warning in warned:
    print(warning.category.__name__, warning.filename, str(warning.message))
"""


def test_locks_that_the_system_refuses(tmp_path: Path) -> None:
    """Without /proc there is no way to a description of our own."""
    if os.geteuid() != 0:
        pytest.skip("a root directory of its own takes the right to change it")
    command = [sys.executable, "-c", REFUSED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stderr, done.returncode) == ("", 0)
    *told, first, second = done.stdout.splitlines()
    assert told == ["2 posix", "4 posix", "2 posix"]
    assert first.startswith("RuntimeWarning <string> /a.db: ")
    assert second.startswith("RuntimeWarning <string> /b.db: ")
    assert "can make committed rows vanish" in first
