"""No room for what is to be written: the error says so, nothing of it stays, and with room again all goes on."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

import agent_store
from agent_store import Entry, Store
from agent_store.errors import BackendError, TransactionConflict

BIG = b"x" * 50_000
PAGE = 4_096


class Disk(Protocol):
    path: Path

    def fill(self, store: Store, spare: int = 0) -> None:
        """Leave room for about `spare` bytes."""

    def free(self, store: Store) -> None: ...


class Limit:
    """A database that may have no more pages, of which SQLite says that the disk is full."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self, store: Store, spare: int = 0) -> None:
        pages = store.query("PRAGMA page_count")[0][0]
        store.execute(f"PRAGMA max_page_count = {pages + spare // PAGE}")

    def free(self, store: Store) -> None:
        store.execute("PRAGMA max_page_count = 1000000")


class Device:
    """A file system of its own, which another file fills."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ballast = path.parent / "ballast"

    def fill(self, store: Store, spare: int = 0) -> None:
        with self.ballast.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(PAGE)):
                    pass
            except OSError:
                file.truncate(file.tell() - spare)

    def free(self, store: Store) -> None:
        self.ballast.unlink()


@pytest.fixture(params=["limit", "device"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    if request.param == "limit":
        yield Limit(tmp_path / "app.db")
        return
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a file system of its own takes the right to mount one")
    yield Device(tmp_path / "app.db")
    subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.fixture(params=["full", "normal"])
def store(request: pytest.FixtureRequest, disk: Disk) -> Iterator[Store]:
    with agent_store.open(disk.path, durability=request.param) as opened:
        opened.execute("CREATE TABLE notes (text)")
        opened.log("s", "w").append_many([b"first", b"second"])
        yield opened


def goes_on(store: Store, disk: Disk, entries: list[Entry]) -> None:
    """Nothing but `entries` is there; the next entry follows on them, here and after opening anew."""
    assert list(store.entries()) == entries
    assert store.verify().holds
    disk.free(store)
    head = entries[-1]
    entry = store.log("s", "w").append(BIG, expected=head)
    assert (entry.seq, entry.position, entry.prev_hash) == (head.seq + 1, head.position + 1, head.content_hash)
    store.close()
    with agent_store.open(disk.path) as again:
        assert list(again.entries()) == [*entries, entry]
        assert again.verify().holds
        assert again.log("s", "w").append_many([BIG] * 5)


WRITES: dict[str, Callable[[Store], object]] = {
    "append": lambda store: store.log("s", "w").append(BIG),
    "append_many": lambda store: store.log("s", "w").append_many([BIG] * 10),
    "append_many in chunks": lambda store: store.log("s", "w").append_many(b"%d" % n * 200 for n in range(5_000)),
    "append_many beyond the cache": lambda store: store.log("s", "w").append_many(BIG for _ in range(1_000)),
    "append_many to many": lambda store: store.append_many(("s", f"new {n}", BIG) for n in range(10)),
    "own": lambda store: store.execute("INSERT INTO notes VALUES (zeroblob(100000))"),
    "own, of many rows": lambda store: store.execute(
        "WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 500) INSERT INTO notes SELECT zeroblob(999) FROM n"
    ),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_a_write_without_room_leaves_nothing(disk: Disk, store: Store, write: Callable[[Store], object]) -> None:
    before = list(store.entries())
    disk.fill(store)
    for _ in range(2):
        with pytest.raises(BackendError, match=r"full.*not kept.*free space"):
            write(store)
    assert store.query("SELECT * FROM notes") == []
    goes_on(store, disk, before)


def test_batches_that_had_room_stay(disk: Disk, store: Store) -> None:
    disk.fill(store, spare=100_000)
    payloads = [b"%d" % number * 500 for number in range(1_000)]
    with pytest.raises(BackendError, match="full"):
        store.log("s", "w").append_many(iter(payloads), batch=3)
    entries = list(store.entries())
    kept = [entry.payload for entry in entries[2:]]
    assert 0 < len(kept) < len(payloads)
    assert len(kept) % 3 == 0
    assert kept == payloads[: len(kept)]
    goes_on(store, disk, entries)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
@pytest.mark.parametrize("caught", [False, True])
def test_a_transaction_without_room_leaves_nothing(
    disk: Disk, store: Store, write: Callable[[Store], object], caught: bool
) -> None:
    """Whether the write itself finds no room or the commit, and whatever the block does with the error."""
    before = list(store.entries())
    disk.fill(store)

    def block() -> None:
        with store.transaction():
            store.execute("INSERT INTO notes VALUES ('x')")
            store.log("s", "w").append(b"of the block")
            store.generation("g").bump()
            try:
                write(store)
            except BackendError:
                if not caught:
                    raise
                store.log("s", "w").append(b"after the error")
                store.execute("INSERT INTO notes VALUES (zeroblob(50000))")

    with pytest.raises((BackendError, TransactionConflict), match=r"full disk|full.*not kept"):
        block()
    assert store.query("SELECT * FROM notes") == []
    assert store.generation("g").current() == 0
    goes_on(store, disk, before)


FILE_LIMIT = """
import os, resource, signal, sys
import agent_store
from agent_store.errors import OutcomeUnknown, StoreError
path, durability = sys.argv[1:]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

for n in range(3):
    with agent_store.open(path, durability=durability) as store:
        log = store.log("s", "w")
        head = log.append(b"kept")
        limit(os.path.getsize(path + "-wal") + 9_000)
        try:
            log.append(bytes(50_000)) if n else log.append_many([bytes(9_000)] * 9)
        except OutcomeUnknown as unknown:
            [there] = unknown.entries
            assert (there.stream, there.writer, unknown.count) == ("s", "w", 1)
        limit(resource.RLIM_INFINITY)
        # What may have failed is not written on; what stands is read.
        for write in (lambda: log.append(b"x"), store.generation("g").bump, store.transaction().__enter__):
            try:
                write()
            except StoreError as error:
                assert "open it anew" in str(error), error
            else:
                raise AssertionError("written")
        assert log.head() == log.entry(head.seq) == head
        assert store.verify().holds
    with agent_store.open(path) as store:
        log = store.log("s", "w")
        # If the commit stands after all, it is what the error said.
        assert log.head() == head or (log.head().seq, log.head().content_hash) == (there.seq, there.content_hash)
        assert store.verify().holds
        log.append(b"goes on")
print("done")
"""


@pytest.mark.parametrize("durability", ["full", "normal"])
def test_a_commit_that_the_system_refuses_is_of_unknown_outcome(path: Path, durability: str) -> None:
    """A file that may grow no further is not a full disk but an I/O error in COMMIT."""
    command = [sys.executable, "-c", FILE_LIMIT, str(path), durability]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("done\n", "")
