"""agent-store copy, export and import: what they print and leave, as text and as JSON; their errors and progress."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import agent_store
from agent_store.cli import main
from cli import SCRIPT, on_terminal, run
from moving import everything, fill
from tampering import BOB_SEVENTH, build, damage

Capture = pytest.CaptureFixture[str]
WITHOUT_RICH = "import sys; sys.modules['rich'] = None\nfrom agent_store.cli import main; sys.exit(main(sys.argv[1:]))"
PLAIN = (sys.executable, "-c", WITHOUT_RICH)
HELD = {"holds": True, "entries": 60, "logs": 3, "entries_hold": 60, "breaks_total": 0, "broken_logs": 0, "erased": 0}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "app.db"
    build(path)
    return path


def call(capsys: Capture, *arguments: object) -> tuple[int, str, str]:
    status = main([*map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def same(one: Path, other: Path) -> bool:
    with agent_store.open(one) as store, agent_store.open(other) as copy:
        return everything(store) == everything(copy)


def test_copy(source: Path, capsys: Capture) -> None:
    before, target = source.read_bytes(), source.with_name("copy.db")
    held = f"{target} holds: 60 entries in 3 logs, every hash recomputed\n"
    assert call(capsys, "copy", source, target) == (0, f"copied 60 entries\n{held}", "")
    assert call(capsys, "copy", source, target) == (0, f"copied 0 entries\n{held}", "")
    assert source.read_bytes() == before
    assert same(source, target)
    main(["append", str(source), "s", "w", "-p", "x"])
    capsys.readouterr()
    status, output, _ = call(capsys, "copy", source, target, "--json")
    assert (status, json.loads(output)) == (0, HELD | {"entries": 61, "logs": 4, "entries_hold": 61, "copied": 1})


def test_export_and_import(source: Path, capsys: Capture) -> None:
    file, target, third = (source.with_name(name) for name in ("app.jsonl", "copy.db", "third.db"))
    assert call(capsys, "export", source, file) == (0, "exported 60 entries\n", "")
    said = f"imported 60 entries\n{target} holds: 60 entries in 3 logs, every hash recomputed\n"
    assert call(capsys, "import", target, file) == (0, said, "")
    assert same(source, target)
    status, output, _ = call(capsys, "import", third, file, "--json")
    assert (status, json.loads(output)) == (0, HELD | {"imported": 60})
    status, output, _ = call(capsys, "export", source, source.with_name("second.jsonl"), "--json")
    assert (status, json.loads(output)) == (0, {"exported": 60})


def test_through_pipes(source: Path) -> None:
    status, lines, errors = run("export", source)
    assert (status, errors) == (0, "")
    assert run("export", source, "-", "--json") == (0, lines, "")
    for name, *rest in (("copy.db",), ("third.db", "-")):
        target = source.with_name(name)
        said = f"imported 60 entries\n{target} holds: 60 entries in 3 logs, every hash recomputed\n"
        assert run("import", target, *rest, data=lines.encode()) == (0, said, "")
        assert same(source, target)


def test_a_file_of_the_crates_is_left_as_it_is(tmp_path: Path, capsys: Capture) -> None:
    crate = tmp_path / "crate.db"
    crate.write_bytes((Path(__file__).parent / "data" / "crate-0.1.2.db").read_bytes())
    before = crate.read_bytes()
    assert call(capsys, "copy", crate, tmp_path / "copy.db")[0] == 0
    assert call(capsys, "export", crate, tmp_path / "app.jsonl")[0] == 0
    assert call(capsys, "import", tmp_path / "copy.db", tmp_path / "app.jsonl")[0] == 0
    assert crate.read_bytes() == before


def failed(capsys: Capture, *arguments: object) -> tuple[int, str]:
    status, output, errors = call(capsys, *arguments)
    assert output == ""
    assert errors.startswith("agent-store: ")
    assert errors.count("\n") == 1
    return status, errors.removeprefix("agent-store: ").rstrip("\n")


def test_what_is_refused_is_one_line(source: Path, tmp_path: Path, capsys: Capture) -> None:
    file, target, missing = tmp_path / "app.jsonl", tmp_path / "copy.db", tmp_path / "missing"
    assert failed(capsys, "copy", missing, target) == (
        1,
        f"{missing} does not exist; append makes a store, but no directory",
    )
    assert failed(capsys, "import", target, missing) == (1, f"{missing} could not be read: No such file or directory")
    assert failed(capsys, "import", target, tmp_path) == (1, f"{tmp_path} could not be read: Is a directory")
    assert not target.exists()
    assert failed(capsys, "copy", source)[0] == 2
    file.write_bytes(b"{}\n")
    assert failed(capsys, "export", source, file) == (
        1,
        f"{file}: an export writes over nothing, and this is there already",
    )
    assert failed(capsys, "export", source, tmp_path / "no" / "x")[0] == 1
    assert failed(capsys, "import", target, file) == (
        1,
        f"{file}, line 1: it is not the first line of an export of a store; nothing was imported",
    )
    main(["append", str(target), "s", "w", "-p", "x"])
    capsys.readouterr()
    status, line = failed(capsys, "copy", source, target)
    assert (status, line) == (
        1,
        "the log of stream 's', writer 'w' has 1 entries in the target, and fewer in the source at its position",
    )
    assert failed(capsys, "copy", target, source) == (1, "the target has 60 entries, and only 1 are to come into it")


def test_damage(source: Path, capsys: Capture) -> None:
    target, file = source.with_name("copy.db"), source.with_name("app.jsonl")
    assert call(capsys, "copy", source, target)[0] == 0
    damage(target, "CREATE TRIGGER foreign_one AFTER INSERT ON _agent_store_logs BEGIN SELECT 1; END")
    status, output, errors = call(capsys, "copy", source, target)
    assert (status, errors) == (1, "")
    copied, found, last = output.splitlines()
    assert (copied, found[:6]) == ("copied 0 entries", "schema")
    assert last.startswith(f"{target} is BROKEN: 1 break")
    damage(target, f"UPDATE _agent_store_entries SET payload = x'00' {BOB_SEVENTH}")
    status, line = failed(capsys, "copy", source, target)
    assert (status, line.startswith("at position 20 the target has entry 7 of the log of stream 'room'")) == (1, True)
    assert line.endswith(", writer 'bob', and another one is to come there, or it is damaged")
    for verb, place in (("copy", target.with_name("third.db")), ("export", file)):
        status, line = failed(capsys, verb, target, place)
        assert status == 1
        assert line.startswith("stream 'room', writer 'bob', seq 7: content_hash is ")
    assert not file.exists()


def test_without_a_standard_input(source: Path, capsys: Capture) -> None:
    words = (
        f"import os, sys; os.close(0); from agent_store.cli import main; sys.exit(main(['import', {str(source)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (1, "agent-store: - could not be read: Bad file descriptor\n")


@pytest.mark.parametrize("how", [(SCRIPT,), PLAIN])
def test_they_show_how_far_they_are(tmp_path: Path, how: tuple[object, ...]) -> None:
    source, target, other, file = (tmp_path / name for name in ("a.db", "b.db", "c.db", "x.jsonl"))
    with agent_store.open(source) as store:
        fill(store, (("s", "w", b"%d" % number) for number in range(60_000)))
    for what, arguments in {
        "copying": ("copy", source, target),
        "exporting": ("export", source, file),
        "importing": ("import", other, file),
    }.items():
        status, shown = on_terminal(*how, *arguments)
        assert status == 0
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
        assert re.search(rf"{what} .*\d+% [0-9,]+ entries", plain)
    assert run("copy", source, tmp_path / "d.db")[2] == ""


URL = "postgresql://app:s3cr3t@127.0.0.1:1/app?sslpassword=s3cr3t&schema=x"


@pytest.mark.parametrize(
    "arguments",
    [
        ["heads", URL],
        ["copy", URL, "copy.db"],
        ["copy", "app.db", URL],
        ["import", URL, "app.jsonl"],
        ["export", URL],
        ["append", URL, "s", "w", "-p", "x"],
        ["heads", "app.db", URL],
        ["verify", URL, "s"],
        ["backup", URL, "copy.db"],
        ["copy", URL],
        [URL],
        ["heads", URL.replace("@127.0.0.1:1", "@[")],
    ],
)
def test_no_password_is_ever_shown(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, arguments: list[str]
) -> None:
    monkeypatch.chdir(source.parent)
    Path("app.jsonl").write_bytes(b"")
    status, output, errors = call(capsys, *arguments)
    assert status in {1, 2}
    assert output == ""
    assert "s3cr3t" not in errors
    assert errors.count("\n") == 1
    assert "defect" not in errors
