"""Help, starting, and what only a terminal gets: tables, colour and progress, with rich and without."""

import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from agent_store.cli import COMMANDS, main
from cli import SCRIPT, TIMEOUT, on_terminal, run
from tampering import build

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
WITHOUT_RICH = "import sys; sys.modules['rich'] = None\nfrom agent_store.cli import main; sys.exit(main(sys.argv[1:]))"
RICH: list[object] = [SCRIPT]
PLAIN: list[object] = [sys.executable, "-c", WITHOUT_RICH]


@pytest.fixture
def built(path: Path) -> Path:
    build(path)
    return path


def words(shown: str) -> list[list[str]]:
    return [line.split() for line in ESCAPE.sub("", shown).splitlines()]


@pytest.mark.parametrize(
    ("how", "environment", "coloured"),
    [
        (RICH, {}, True),
        (RICH, {"NO_COLOR": "1"}, False),
        (RICH, {"TERM": "dumb"}, False),
        (PLAIN, {}, False),
    ],
)
def test_a_table_of_heads(built: Path, how: list[object], environment: dict[str, str], coloured: bool) -> None:
    status, shown = on_terminal(*how, "heads", built, environment=environment)
    assert status == 0
    assert bool(COLOUR.search(shown)) is coloured
    header, *rows = words(shown)
    assert header == ["STREAM", "WRITER", "ENTRIES", "HASH", "OF", "THE", "NEWEST"]
    assert [row[:3] for row in rows] == [["hall", "cat", "20"], ["room", "ada", "20"], ["room", "bob", "20"]]
    _, piped, _ = run("heads", built)
    assert "\x1b" not in piped
    assert words(piped) == rows


@pytest.mark.parametrize(("how", "coloured"), [(RICH, True), (PLAIN, False)])
def test_verify_shows_how_far_it_is(built: Path, how: list[object], coloured: bool) -> None:
    status, shown = on_terminal(*how, "verify", built)
    assert status == 0
    assert bool(COLOUR.search(shown)) is coloured
    progress, *_, last = ESCAPE.sub("", shown).replace("\r", "\n").strip().splitlines()
    assert progress.startswith("verifying ")
    assert " entries" in progress
    assert last == f"{built} holds: 60 entries in 3 logs, every hash recomputed"
    assert "verifying" not in run("verify", built)[1:]


@pytest.mark.parametrize(("how", "coloured"), [(RICH, True), (PLAIN, False)])
def test_append_shows_how_far_it_is(path: Path, tmp_path: Path, how: list[object], coloured: bool) -> None:
    file = tmp_path / "lines"
    file.write_bytes(b"x\n" * 5_000)
    status, shown = on_terminal(*how, "append", path, "s", "w", file)
    assert status == 0
    assert bool(COLOUR.search(shown)) is coloured
    plain = ESCAPE.sub("", shown)
    assert re.search(r"appending .*100% 1,000 lines", plain)
    assert re.search(r"appended 5,000 lines in [0-9.]+ s, [0-9,]+/s", plain)
    assert words(shown)[-1][:3] == ["s", "w", "5000"]
    status, shown = on_terminal(*how, "append", path, "s", "w", data=b"a\nb\n")
    assert re.search(r"appending .*2 lines", ESCAPE.sub("", shown))  # how many will come nobody knows
    assert "%" not in shown
    assert words(shown)[-1][:3] == ["s", "w", "5002"]


@pytest.mark.parametrize("how", [RICH, PLAIN])
def test_the_upgrade_of_a_file_of_the_crate_shows_how_far_it_is(path: Path, how: list[object]) -> None:
    shutil.copy(Path(__file__).parent / "data" / "crate-0.1.2.db", path)
    status, shown = on_terminal(*how, "generation", path, "report", "bump")
    assert status == 0
    assert re.search(r"bringing the file to the present layout .*rows", ESCAPE.sub("", shown))
    assert words(shown)[-1] == ["2"]


def test_show_and_info_in_colour(built: Path) -> None:
    for arguments in (["show", built, "room", "ada"], ["info", built]):
        status, shown = on_terminal(SCRIPT, *arguments)
        assert status == 0
        assert COLOUR.search(shown)
        assert words(shown) == words(run(*arguments)[1])
    status, shown = on_terminal(SCRIPT, "show", "--json", built, "room", "ada")
    assert "\x1b" not in shown


def test_remarks_are_for_a_terminal(path: Path) -> None:
    assert on_terminal(SCRIPT, "append", path, "s", "w")[1].splitlines() == [
        "appended 0 lines in 0.0 s, 0/s",
        "nothing to append, and the log is still empty",
    ]
    assert on_terminal(SCRIPT, "heads", path) == (0, "no logs yet\r\n")
    assert run("heads", path) == (0, "", "")


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for verb, summary in COMMANDS.items():
        assert f"  {verb:<12}{summary}" in text
        assert main([verb, "--help"]) == 0
        own = capsys.readouterr().out
        assert summary in own.lower()
        assert f"\n  agent-store {verb} " in own
        assert max(map(len, own.splitlines())) <= 120
    for status in ("0 ", "1 ", "2 ", "130 ", "141 "):
        assert f"\n  {status}" in text


def test_version_and_the_other_way_to_start() -> None:
    answer = (0, f"agent-store {version('agent-store')}\n", "")
    assert run("--version") == answer
    words = [sys.executable, "-m", "agent_store", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    assert (done.returncode, done.stdout, done.stderr) == answer
    done = subprocess.run([*words[:-1], "frob"], capture_output=True, text=True, check=False, timeout=TIMEOUT)
    assert done.returncode == 2


LOADED = """
import sys
from agent_store.cli import main
assert main(["heads", sys.argv[1]]) == 0
print(*sorted(name for name in sys.modules if name.startswith(("agent_store.cli.", "rich", "json", "importlib.meta"))))
"""


def test_only_what_a_command_needs_is_imported(built: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, built], capture_output=True, text=True, check=True, timeout=TIMEOUT
    )
    assert done.stdout.splitlines()[-1].split() == [
        f"agent_store.cli.{name}" for name in ("command", "errors", "heads", "output", "terminal")
    ]
