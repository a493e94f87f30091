"""agent-store backup: what it prints and leaves, as text and as JSON; its errors and its progress."""

import json
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest

import agent_store
from agent_store.cli import main
from cli import SCRIPT, TIMEOUT, on_terminal, run, start, until
from copies import fill, names
from tampering import BOB_SEVENTH, build, damage

DATA = Path(__file__).parent / "data"
Capture = pytest.CaptureFixture[str]
WITHOUT_RICH = "import sys; sys.modules['rich'] = None\nfrom agent_store.cli import main; sys.exit(main(sys.argv[1:]))"
PLAIN = (sys.executable, "-c", WITHOUT_RICH)


@pytest.fixture
def copy(path: Path) -> Path:
    """In a folder of its own, and a store to be copied."""
    build(path)
    (path.parent / "copies").mkdir()
    return path.parent / "copies" / "copy.db"


def call(capsys: Capture, *arguments: object) -> tuple[int, str, str]:
    status = main([*map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_it_says_that_the_copy_holds(path: Path, copy: Path, capsys: Capture) -> None:
    before = path.read_bytes()
    said = f"{copy} holds: 60 entries in 3 logs, every hash recomputed\n"
    assert call(capsys, "backup", path, copy) == (0, said, "")
    assert names(copy) == ["copy.db"]
    status, output, _ = call(capsys, "backup", path, copy.with_name("second.db"), "--json")
    verdict = {
        "holds": True,
        "entries": 60,
        "logs": 3,
        "entries_hold": 60,
        "breaks_total": 0,
        "broken_logs": 0,
        "erased": 0,
    }
    assert (status, json.loads(output)) == (0, verdict)
    assert path.read_bytes() == before
    with agent_store.open(path) as store, agent_store.open(copy) as other:
        assert list(other.entries()) == list(store.entries())


def test_a_file_of_the_crates_is_copied_as_it_is(path: Path, copy: Path, capsys: Capture) -> None:
    shutil.copy(DATA / "crate-0.1.2.db", path)
    before = path.read_bytes()
    assert call(capsys, "backup", path, copy)[0] == 0
    assert path.read_bytes() == before
    with agent_store.open(copy, read_only=True) as other:
        assert other.info()["layout"] == "crate"


def test_damage_is_copied_and_listed(path: Path, copy: Path, capsys: Capture) -> None:
    damage(path, f"UPDATE _agent_store_entries SET payload = x'00' {BOB_SEVENTH}")
    status, output, errors = call(capsys, "backup", path, copy)
    assert (status, errors) == (1, "")
    found, last = output.splitlines()
    assert found.startswith("hash       stream 'room', writer 'bob', seq 7, ")
    assert last == f"{copy} is BROKEN: 1 break, in 1 log; 59 of 60 entries in 3 logs hold"
    assert call(capsys, "verify", copy) == (1, output, "")
    status, output, _ = call(capsys, "backup", path, copy.with_name("second.db"), "--json")
    found, last = map(json.loads, output.splitlines())
    assert (status, found["kind"], last["holds"]) == (1, "hash", False)


def test_errors_are_one_line_and_leave_nothing(path: Path, copy: Path, capsys: Capture) -> None:
    (copy.parent / "there").write_bytes(b"mine")
    missing = copy.parent / "no" / "copy.db"
    for db, target, status, said in [
        (path, path, 1, f"{path}: a backup writes over nothing, and this is there already"),
        (path, copy.parent / "there", 1, f"{copy.parent / 'there'}: a backup writes over nothing, and this is there"),
        (path, copy.parent, 1, f"{copy.parent}: a backup is a file and this is a directory"),
        (path, missing, 1, f"{missing.parent}: the directory that the backup is to be in does not exist"),
        (path, ":memory:", 2, "a backup is a file, and ':memory:' is none"),
        (copy, copy.with_name("copy2.db"), 1, f"{copy} does not exist"),
    ]:
        found, output, errors = call(capsys, "backup", db, target)
        assert (found, output) == (status, "")
        assert errors.startswith(f"agent-store: {said}")
        assert errors.count("\n") == 1
    assert names(copy) == ["there"]


def test_ctrl_c(path: Path, copy: Path) -> None:
    with agent_store.open(path, durability="normal") as store:
        store.log("s", "w").append_many([os.urandom(1_000_000)] * 100)
    with start("backup", path, copy) as process:
        until(lambda: names(copy) != [])
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, output, errors) == (130, b"", b"agent-store: interrupted\n")
    assert names(copy) == []


@pytest.mark.parametrize("how", [(SCRIPT,), PLAIN])
def test_it_shows_how_far_it_is(path: Path, copy: Path, how: tuple[object, ...]) -> None:
    with agent_store.open(path) as store:
        fill(store)
    status, shown = on_terminal(*how, "backup", path, copy)
    assert status == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert re.search(r"backing up .*\d+% [0-9,]+ pages", plain)
    assert plain.splitlines()[-1].endswith("holds: 120 entries in 4 logs, every hash recomputed")
    assert "backing" not in "".join(run("backup", path, copy.with_name("second.db"))[1:])
