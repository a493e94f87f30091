"""A disk that takes no more, or no more for a while: an ext4 file system in a file, beneath which room runs out."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import agent_store
import processes
from agent_store import Store
from agent_store.errors import BackendError, OutcomeUnknown, ReadOnlyStore


def run(*command: object) -> bool:
    return subprocess.run([*map(str, command)], capture_output=True, check=False, timeout=60).returncode == 0


class Disk:
    """A device of 64 MB of which there are only as many as its own disk has room for."""

    def __init__(self, root: Path) -> None:
        self.below, self.mounted, self.copied = root / "below", root / "disk", root / "copied"
        self.image, self.ballast = self.below / "image", self.below / "ballast"
        self.path = self.mounted / "app.db"

    def make(self) -> bool:
        for directory in (self.below, self.mounted, self.copied):
            directory.mkdir()
        if not run("mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", self.below):
            return False
        with self.image.open("wb") as file:
            file.truncate(64 << 20)
        # Without a journal, whose own failure would end all writing.
        return run("mkfs.ext4", "-q", "-F", "-O", "^has_journal", self.image) and self.mount()

    def mount(self) -> bool:
        return run("mount", "-o", "loop", self.image, self.mounted)

    def remount(self, *options: str) -> bool:
        return run("mount", "-o", ",".join(("remount", *options)), self.mounted)

    def unmount(self) -> bool:
        return run("umount", self.mounted)

    def fill(self) -> None:
        with self.ballast.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4_096)):
                    pass
            except OSError:
                pass

    def free(self) -> None:
        self.ballast.unlink()

    def power_cut(self) -> Path:
        """The store as a power cut would leave it now: what is on the device, and not in memory alone."""
        copy = self.below.parent / "image"
        shutil.copyfile(self.image, copy)
        assert run("mount", "-o", "loop", copy, self.copied)
        return self.copied / "app.db"

    def remove(self) -> None:
        for mount in (self.copied, self.mounted, self.below):
            run("umount", mount)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path)
    try:
        if not made.make():
            pytest.skip("a file system of its own takes the right to mount one, and a loop device")
        yield made
    finally:
        made.remove()


def fail_to_sync(store: Store, disk: Disk) -> tuple[int, OutcomeUnknown]:
    """Append until a sync fails: the entries that were acknowledged, and the error."""
    log = store.log("s", "w")
    entries = log.append_many(b"%d" % n for n in range(20))
    assert entries is not None
    last = entries.seq
    disk.fill()
    for _ in range(1_000):
        try:
            last = log.append(bytes(3_000)).seq
        except OutcomeUnknown as unknown:
            disk.free()
            return last, unknown
    raise AssertionError("the disk never failed")


def test_what_is_written_after_a_sync_that_failed_survives_a_power_cut(disk: Disk) -> None:
    store = agent_store.open(disk.path)
    last, unknown = fail_to_sync(store, disk)
    assert [(head.seq, unknown.count) for head in unknown.entries] == [(last + 1, 1)]
    with pytest.raises(BackendError, match="open it anew"):
        store.log("s", "w").append(b"not written")
    assert store.log("s", "w").entry(last) is not None
    store.close()
    with agent_store.open(disk.path) as store:
        head = store.log("s", "w").head()
        assert head is not None
        assert head.seq == last or (head.seq, head.content_hash) == (last + 1, unknown.entries[0].content_hash)
        appended = store.log("s", "w").append(b"acknowledged")
        with agent_store.open(disk.power_cut()) as copy:
            assert copy.log("s", "w").entry(appended.seq) is not None, "acknowledged, and gone after a power cut"
            assert copy.verify().holds


UNDONE = """
import contextlib, os, resource, signal, sys
import agent_store
from agent_store.errors import OutcomeUnknown

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = sys.argv[1]
with agent_store.open(path) as store:
    early, undone, late = (store.log("s", name) for name in ("early", "undone", "late"))
    early.append(b"kept")
    try:
        with store.transaction():
            first = early.append(bytes(3_000))
            with contextlib.suppress(KeyError), store.transaction():
                undone.append(b"undone")
                raise KeyError
            last = late.append(bytes(3_000))
            size = os.path.getsize(path + "-wal") + 5_000
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    except OutcomeUnknown as unknown:
        named = [(head.writer, head.seq, head.content_hash) for head in unknown.entries]
        assert unknown.count == 2
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert sorted(named) == sorted((entry.writer, entry.seq, entry.content_hash) for entry in (first, last)), named
print("done")
"""


def test_an_unknown_outcome_names_what_came_before_an_undone_block(path: Path) -> None:
    assert processes.run(UNDONE, path) == ["done"]


def test_a_file_system_that_becomes_read_only_is_said_and_nothing_acknowledged_is_lost(disk: Disk) -> None:
    """As ext4 does by itself when it finds itself damaged, whoever has files open."""
    with agent_store.open(disk.path) as store:
        log = store.log("s", "w")
        entries = [log.append(b"%d" % n) for n in range(5)]
        assert disk.remount("abort")
        for _ in range(2):
            with pytest.raises(
                (BackendError, ReadOnlyStore, OutcomeUnknown), match=r"read-?only|I/O error|open it anew"
            ):
                log.append(b"refused")
        assert list(store.entries()) == entries
        assert store.verify().holds
    assert disk.unmount()
    assert disk.mount()
    with agent_store.open(disk.path) as store:
        assert list(store.entries()) == entries
        assert store.log("s", "w").append(b"goes on").seq == 6
        assert store.verify().holds


def test_a_file_system_mounted_read_only_is_read_and_written_when_it_may_be(disk: Disk) -> None:
    with agent_store.open(disk.path) as store:
        store.log("s", "w").append(b"there")
        assert not disk.remount("ro"), "the system lets nobody do that under an open store"
        store.log("s", "w").append(b"there too")
    assert disk.remount("ro")
    with pytest.raises(ReadOnlyStore):
        agent_store.open(disk.path)
    with agent_store.open(disk.path, read_only=True) as store:
        assert store.position() == 2
        assert store.verify().holds
    assert disk.remount("rw")
    with agent_store.open(disk.path) as store:
        assert store.log("s", "w").append(b"goes on").seq == 3
