"""Where a copy is put: what is there is left alone, and it has the permissions of the store."""

import os
from pathlib import Path

import pytest

import agent_store
from agent_store import Store
from copies import fill, names

DATA = Path(__file__).parent / "data"
pytestmark = pytest.mark.differs("of native SQLite")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """In a folder of its own."""
    (tmp_path / "copies").mkdir()
    return tmp_path / "copies" / "copy.db"


def test_what_is_there_is_left_alone(store: Store, path: Path, copy: Path) -> None:
    store.log("s", "w").append(b"x")
    copy.write_bytes(b"mine")
    folder = copy.parent
    (folder / "to itself").symlink_to(path)
    (folder / "lost").symlink_to(folder / "nowhere")
    (folder / "other.db-wal").write_bytes(b"")
    (folder / "third.db-journal").write_bytes(b"x")
    there = ["copy.db", "to itself", "lost"]
    before = list(store.entries())
    if path.exists():
        (folder / "itself").hardlink_to(path)
        there += ["itself", "../app.db"]
    listed = names(copy)
    for name in there:
        with pytest.raises(FileExistsError, match="writes over nothing") as error:
            store.backup(folder / name)
        assert Path(error.value.filename).name == Path(name).name
    for name, part in (("other.db", "-wal"), ("third.db", "-journal")):
        with pytest.raises(FileExistsError) as error:
            store.backup(folder / name)
        assert error.value.filename == f"{folder / name}{part}"
    assert names(copy) == listed
    assert copy.read_bytes() == b"mine"
    assert list(store.entries()) == before


def test_places_where_no_file_can_be(store: Store, copy: Path) -> None:
    wrong: list[tuple[object, type[Exception]]] = [
        (copy.parent, IsADirectoryError),
        (copy.parent / "no" / "copy.db", FileNotFoundError),
        (DATA / "crate-0.1.2.db" / "copy.db", NotADirectoryError),
        (":memory:", ValueError),
        ("", ValueError),
        ("a\0b", ValueError),
        ("file:copy.db", ValueError),
        (b"copy.db", TypeError),
        (7, TypeError),
        (copy.with_name("x" * 250), OSError),
    ]
    for place, error in wrong:
        with pytest.raises(error):
            store.backup(place)  # type: ignore[arg-type]
    assert names(copy) == []


def test_a_target_is_a_path_of_any_kind(store: Store, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copy.parent)
    store.backup("copy.db")
    store.backup(Path("ünder/../été?x=1%20#.db").name)
    (copy.parent / "link").symlink_to(copy.parent)
    store.backup("link/third.db")
    assert names(copy) == ["copy.db", "link", "third.db", "été?x=1%20#.db"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o444])
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_the_copy_has_the_permissions_of_the_store(path: Path, copy: Path, mode: int, umask: int) -> None:
    meanwhile: set[int] = set()

    def look(*_: int) -> None:
        meanwhile.update(file.stat().st_mode & 0o777 for file in copy.parent.iterdir())

    with agent_store.open(path) as store:
        fill(store)
        path.chmod(mode)
        before = os.umask(umask)
        try:
            store.backup(copy, progress=look)
        finally:
            os.umask(before)
    assert copy.stat().st_mode & 0o777 == mode
    # Nobody could read it before who cannot read the store.
    assert meanwhile <= {0o600, mode}
    assert 0o600 in meanwhile


def test_of_memory_it_has_those_of_any_new_file(copy: Path) -> None:
    with agent_store.open(":memory:") as store:
        before = os.umask(0o027)
        try:
            store.backup(copy)
        finally:
            os.umask(before)
    assert copy.stat().st_mode & 0o777 == 0o640
