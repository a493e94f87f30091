"""Files and directories that a user may not use: the error says which, and nothing is changed.

Where the tests run as root, a child gives that up before it opens anything.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import agent_store
from processes import run, script

UNPRIVILEGED = """
import os, sys
import agent_store
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
"""
OPENED = """
try:
    with agent_store.open(sys.argv[1], read_only=sys.argv[2] == "True") as store:
        newest = store.log("s", "w").head().payload.decode()
        print(store.position(), newest, bool(store.verify()), store.info()["entries"])
except Exception as error:
    print(type(error).__name__)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that others may enter: pytest's own are the user's alone."""
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        with agent_store.open(made / "app.db") as store:
            store.log("s", "w").append_many([b"x", b"y"])
        yield made
        made.chmod(0o755)


@pytest.mark.parametrize(
    ("file_mode", "folder_mode", "read_only", "said"),
    [
        (0o666, 0o777, False, "2 y True 2"),
        (0o000, 0o777, False, "PermissionError"),
        (0o000, 0o777, True, "PermissionError"),
        (0o444, 0o777, False, "ReadOnlyStore"),
        (0o444, 0o777, True, "2 y True 2"),
        (0o666, 0o555, False, "ReadOnlyStore"),
        (0o666, 0o555, True, "2 y True 2"),
        (0o444, 0o555, True, "2 y True 2"),
    ],
)
def test_permissions(folder: Path, file_mode: int, folder_mode: int, read_only: bool, said: str) -> None:
    file = folder / "app.db"
    before = file.read_bytes()
    file.chmod(file_mode)
    folder.chmod(folder_mode)
    assert run(UNPRIVILEGED + OPENED, file, read_only) == [said]
    folder.chmod(0o755)
    file.chmod(0o600)
    assert file.read_bytes() == before
    if folder_mode == 0o555:
        assert list(folder.iterdir()) == [file]


def test_no_file_is_made_in_a_folder_that_takes_none(folder: Path) -> None:
    folder.chmod(0o555)
    assert run(UNPRIVILEGED + OPENED, folder / "new.db", False) == ["ReadOnlyStore"]
    assert list(folder.iterdir()) == [folder / "app.db"]


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("name", ["app.db", "new.db", "inner/app.db"])
def test_a_folder_that_may_not_be_entered(folder: Path, name: str, read_only: bool) -> None:
    folder.chmod(0o666)
    assert run(UNPRIVILEGED + OPENED, folder / name, read_only) == ["PermissionError"]


WRITTEN = """
try:
    with agent_store.open(sys.argv[1]) as store:
        print("open", flush=True)
        sys.stdin.readline()
        for n in range(2):
            print(store.log("s", "w").append(b"z").seq, store.position(), bool(store.verify()))
except Exception as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize(("file_mode", "folder_mode"), [(0o444, 0o777), (0o666, 0o555)])
def test_what_becomes_read_only_under_an_open_store_can_still_be_written(
    folder: Path, file_mode: int, folder_mode: int
) -> None:
    """Permissions count when a file is opened, and all of a store's are."""
    file = folder / "app.db"
    file.chmod(0o666)
    folder.chmod(0o777)
    with script(UNPRIVILEGED + WRITTEN, file) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        file.chmod(file_mode)
        folder.chmod(folder_mode)
        output, _ = process.communicate("\n", timeout=60)
    assert output == "3 3 True\n4 4 True\n"
    folder.chmod(0o755)
    with agent_store.open(file) as store:
        assert store.position() == 4
        assert store.verify().holds
