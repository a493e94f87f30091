"""Selections of entries in the crate's own layout, in ours, and where nothing can be made beside the file."""

import shutil
import tempfile
from itertools import product
from pathlib import Path

import pytest

import agent_store
import crate
from agent_store import Entry, Store
from processes import run
from selecting import Selection, place_of, read
from test_permissions import UNPRIVILEGED

MADE = Path(__file__).parent / "data" / "crate-0.1.2.db"
CONV, INBOX = "conv:0190f3c2-7b1a-7c3e-9d55-0242ac120002", "inbox/ünïcode ☃"
HEX = "7a861bad5937df089d367abbf0106c37f861af3c17e8d8364962dd3771771056"
STREAMS: tuple[str | tuple[str, ...] | None, ...] = (None, CONV, (INBOX, "gone"), (CONV, INBOX, "gone"))
SOME = [
    Selection(stream, writer, excluded, after, reverse)
    for stream in STREAMS
    for writer, excluded in product((None, "alice", HEX), (None, "alice", "nobody"))
    for after, reverse in product((0, 1, 60, 118, 120), (False, True))
]
IMMUTABLE = f"""
import sys
sys.path.insert(0, sys.argv[2])
import test_reading_layouts
{UNPRIVILEGED}
with agent_store.open(sys.argv[1], read_only=True) as store:
    test_reading_layouts.check(store)
    print(store.info()["layout"])
"""


def check(store: Store) -> None:
    everything: list[Entry] = list(store.entries())
    assert len(everything) == 120
    for selection in SOME:
        known = place_of(everything[-1 if selection.after else 7])
        assert read(store, selection, 7, known=known) == selection.of(everything), selection


@pytest.fixture
def file(path: Path) -> Path:
    shutil.copy(MADE, path)
    return path


@pytest.mark.parametrize(("read_only", "layout"), [(True, "crate"), (False, "compact")])
def test_layouts(file: Path, read_only: bool, layout: str) -> None:
    with agent_store.open(file, read_only=read_only, durability="normal") as store:
        check(store)
        assert store.info()["layout"] == layout


@pytest.mark.parametrize("layout", ["crate", "compact"])
def test_where_no_file_can_be_made_beside_it(layout: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(MADE, folder / "app.db")
        if layout == "compact":
            agent_store.open(folder / "app.db").close()
        before = sorted(folder.iterdir())
        folder.chmod(0o555)
        try:
            assert run(IMMUTABLE, folder / "app.db", Path(__file__).parent) == [layout]
            assert sorted(folder.iterdir()) == before
        finally:
            folder.chmod(0o755)


def test_what_the_crate_appends_meanwhile(file: Path) -> None:
    """Each reading begins where the one before ended."""
    with agent_store.open(file, read_only=True) as store:
        newest = list(store.entries())[-1]
        for n in range(3):
            crate.append(file, "new", "bob", [b"%d" % n])
            crate.append(file, CONV, "alice", [b"and %d" % n])
            known = place_of(newest)
            position = newest.position
            assert [e.payload for e in read(store, Selection("new", after=position), known=known)] == [b"%d" % n]
            found = read(store, Selection(exclude_writer="bob", after=position), known=known)
            assert [e.payload for e in found] == [b"and %d" % n]
            [_, newest] = read(store, Selection(after=position), known=known)
        assert store.info()["layout"] == "crate"
