"""agent-store tail: the newest entries, those that come, and how it ends."""

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import agent_store
from agent_store.cli import main
from blake3_rule import chain
from cli import SCRIPT, TIMEOUT, on_terminal, run, start
from crate import sql
from processes import script
from tampering import build

DATA = Path(__file__).parent / "data"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def built(path: Path) -> Path:
    """Two streams, three writers, sixty entries."""
    build(path)
    return path


def objects(capsys: Capture, *arguments: object) -> list[dict[str, Any]]:
    assert main([*map(str, arguments), "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return [json.loads(line) for line in captured.out.splitlines()]


def test_the_newest_of_all_logs(built: Path, capsys: Capture) -> None:
    with agent_store.open(built, read_only=True) as store:
        entries = list(store.entries())
    assert main(["tail", str(built)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        [entry.stream, entry.writer, str(entry.seq), entry.content_hash.hex()[:8], entry.payload.decode()]
        for entry in entries[-10:]
    ]


@pytest.mark.parametrize("count", [0, 1, 59, 60, 1_000])
def test_so_many(built: Path, capsys: Capture, count: int) -> None:
    found = objects(capsys, "tail", built, "-n", count)
    assert [item["position"] for item in found] == [*range(1, 61)][60 - min(count, 60) :]


@pytest.mark.parametrize(
    ("options", "logs"),
    [
        (["--stream", "hall"], {("hall", "cat")}),
        (["--writer", "bob"], {("room", "bob")}),
        (["--stream", "room", "--writer", "ada"], {("room", "ada")}),
        (["--stream", "room", "--stream", "hall"], {("room", "ada"), ("room", "bob"), ("hall", "cat")}),
        (["--stream", "hall", "--stream", "nowhere"], {("hall", "cat")}),
        (["--stream", "nowhere"], set()),
        (["--writer", "nobody"], set()),
    ],
)
def test_of_some_logs(built: Path, capsys: Capture, options: list[str], logs: set[tuple[str, str]]) -> None:
    with agent_store.open(built, read_only=True) as store:
        wanted = [entry.position for entry in store.entries() if (entry.stream, entry.writer) in logs]
    assert [item["position"] for item in objects(capsys, "tail", built, "-n", 1_000, *options)] == wanted
    assert [item["position"] for item in objects(capsys, "tail", built, "-n", 3, *options)] == wanted[-3:]


def test_json_is_that_of_show(built: Path, capsys: Capture) -> None:
    shown = objects(capsys, "show", built, "hall", "cat")
    assert objects(capsys, "tail", built, "-n", 20, "--stream", "hall") == shown


def test_names_and_payloads_cannot_steer_the_terminal(path: Path, capsys: Capture) -> None:
    with agent_store.open(path) as store:
        store.log("\x1b[2J", "a\nb").append(b"\x1b[2Jcleared")
    assert main(["tail", str(path)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(r"'\x1b[2J'  'a\nb'  1  ")
    assert line.endswith(r"'\x1b[2Jcleared'")


def test_columns_are_as_wide_as_they_must_be_so_far(path: Path, capsys: Capture) -> None:
    with agent_store.open(path) as store:
        for stream in ("s", "longer", "x" * 100, "s"):
            store.log(stream, "w").append(b"-")
    assert main(["tail", str(path)]) == 0
    assert [line.find(" w ") for line in capsys.readouterr().out.splitlines()] == [2, 7, 101, 25]


def test_remarks_and_colours_are_for_a_terminal(built: Path, tmp_path: Path) -> None:
    status, shown = on_terminal(SCRIPT, "tail", built)
    assert status == 0
    assert COLOUR.search(shown)
    _, piped, _ = run("tail", built)
    assert COLOUR.sub("", shown).split() == piped.split()
    assert not COLOUR.search(on_terminal(SCRIPT, "tail", built, environment={"NO_COLOR": "1"})[1])
    agent_store.open(tmp_path / "new.db").close()
    assert on_terminal(SCRIPT, "tail", tmp_path / "new.db") == (0, "no entries\r\n")
    assert on_terminal(SCRIPT, "tail", built, "--stream", "nowhere") == (0, "no such entries\r\n")
    assert run("tail", built, "--stream", "nowhere") == (0, "", "")


@contextmanager
def following(*arguments: object, **how: Any) -> Iterator[subprocess.Popen[bytes]]:
    with start("tail", "-f", *arguments, **how) as process:
        try:
            yield process
        finally:
            process.kill()


def payload(process: subprocess.Popen[bytes]) -> str:
    """That of the next line."""
    assert process.stdout is not None
    return process.stdout.readline().decode().split()[-1]


def test_what_comes_is_printed_as_it_comes(path: Path) -> None:
    with agent_store.open(path) as store, following(path) as process:
        log = store.log("s", "w")
        for number in range(5):
            log.append(b"%d" % number)
            assert payload(process) == str(number)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=TIMEOUT) == (b"", b"")
        assert process.returncode == 130


def test_only_of_some_logs(path: Path) -> None:
    with agent_store.open(path) as store, following(path, "--stream", "s", "--stream", "t", "--writer", "w") as process:
        for stream, writer in [("s", "w"), ("other", "w"), ("s", "x"), ("t", "w")]:
            store.log(stream, writer).append(f"{stream}-{writer}".encode())
        assert [payload(process) for _ in range(2)] == ["s-w", "t-w"]


def test_only_what_is_new(built: Path) -> None:
    with following(built, "-n", 0, "--json") as process, agent_store.open(built) as store:
        assert process.stdout is not None
        while not select.select([process.stdout], [], [], 0.01)[0]:  # nothing tells that it has begun
            store.log("room", "ada").append(b"x")
        assert json.loads(process.stdout.readline())["position"] > 60


WRITE = """
import select, sys, agent_store
with agent_store.open(sys.argv[1], durability="normal", timeout=60) as store:
    log = store.log("s", sys.argv[2])
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        log.append(b"x")
"""


def test_nothing_is_left_out_and_nothing_printed_twice(path: Path) -> None:
    """However the beginning falls among the commits of others."""
    agent_store.open(path).close()
    writers = [script(WRITE, path, writer) for writer in ("ada", "bob")]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    with following(path, "-n", 5, "--json") as whole, following(path, "--stream", "s", "--json") as chosen:
        positions: dict[str, list[int]] = {"whole": [], "chosen": []}
        for name, process in (("whole", whole), ("chosen", chosen)):
            positions[name] += [position(process) for _ in range(500)]
        for writer in writers:
            writer.communicate(timeout=TIMEOUT)
        with agent_store.open(path) as store:
            newest = store.position()
        for name, process in (("whole", whole), ("chosen", chosen)):
            found = positions[name]
            while found[-1] < newest:
                found.append(position(process))
            assert found == [*range(found[0], newest + 1)]


def position(process: subprocess.Popen[bytes]) -> int:
    """That of the next line."""
    assert process.stdout is not None
    found: int = json.loads(process.stdout.readline())["position"]
    return found


def test_a_file_that_is_not_there_is_not_waited_for(path: Path) -> None:
    said = f"agent-store: {path} does not exist; append makes a store, but no directory\n"
    assert run("tail", "-f", path) == (1, "", said)
    assert not path.exists()


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_whoever_reads_may_go_away_and_it_ends_though_nothing_comes(built: Path, options: list[str]) -> None:
    with start("tail", "-f", "-n", 1, *options, built) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(TIMEOUT) == 141
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_whoever_reads_may_go_away_before_more_comes(path: Path) -> None:
    with agent_store.open(path) as store, start("tail", "-f", path) as process:
        assert process.stdout is not None
        process.stdout.close()
        store.log("s", "w").append_many([b"x" * 100] * 5_000)
        assert process.wait(TIMEOUT) == 141


def test_on_a_terminal_and_ctrl_c_there(built: Path) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 100))
    process = subprocess.Popen(
        [sys.executable, "-c", ON_TERMINAL, SCRIPT, "tail", "-f", "-n", "1", str(built)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={**os.environ, "TERM": "xterm"} | {"NO_COLOR": ""},
    )
    os.close(theirs)
    with process, agent_store.open(built) as store:
        shown = until(ours, b"\n")
        assert COLOUR.search(shown)
        store.log("room", "ada").append(b"news")
        assert "news" in until(ours, b"news")
        os.write(ours, b"\x03")
        assert process.wait(TIMEOUT) == 130
        assert "agent-store" not in until(ours, None)
    os.close(ours)


ON_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def until(terminal: int, end: bytes | None) -> str:
    """What it shows up to there; None: to its end."""
    shown = b""
    while end is None or end not in shown:
        try:
            piece = os.read(terminal, 1 << 16)
        except OSError:  # Linux, where the other side is closed
            break
        if not piece:
            break
        shown += piece
    return shown.decode()


@pytest.mark.parametrize("layout", ["crate", "compact"])
def test_reading_changes_no_byte_and_makes_no_file(path: Path, layout: str) -> None:
    shutil.copy(DATA / "crate-0.1.2.db", path)
    if layout == "compact":
        agent_store.open(path).close()
    before = path.read_bytes()
    with following(path) as process:
        assert process.stdout is not None
        for _ in range(10):
            assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) == 130
    assert path.read_bytes() == before
    assert {file.name.removesuffix("-wal").removesuffix("-shm") for file in path.parent.iterdir()} == {path.name}


def test_a_file_of_the_crates_that_others_write_and_then_one_of_ours_upgrades(path: Path) -> None:
    shutil.copy(DATA / "crate-0.1.2.db", path)
    insert = "INSERT INTO _agent_store_log VALUES ('new', 'w', {}, {}, x'{}', CAST('{}' AS BLOB))"
    first, second = (digest.hex() for digest in chain([b"one", b"two"]))
    with following(path, "-n", 1) as process:
        payload(process)
        sql(path, insert.format(1, "NULL", first, "one"))
        assert payload(process) == "one"
        with agent_store.open(path) as store:
            sql(path, insert.format(2, f"x'{first}'", second, "two"))
            assert payload(process) == "two"
            store.log("new", "w").append(b"three")
            assert payload(process) == "three"
