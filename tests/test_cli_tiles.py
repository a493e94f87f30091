"""agent-store export --tiles and verify of such a directory: what they print and leave, and their exit statuses."""

import json
from pathlib import Path

import pytest

import agent_store
from agent_store.cli import main
from sealing import KEY, append
from tile_files import read

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def source(path: Path) -> Path:
    with agent_store.open(path) as store:
        append(store, 300)
        store.checkpoint(KEY)
        append(store, 7)
    return path


@pytest.fixture
def public(tmp_path: Path) -> Path:
    file = tmp_path / "db1.pub"
    file.write_text(f"{KEY.verifier}\n")
    return file


def call(capsys: Capture, *arguments: object) -> tuple[int, str, str]:
    status = main([*map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_export_and_verify(source: Path, public: Path, tmp_path: Path, capsys: Capture) -> None:
    before, directory = source.read_bytes(), tmp_path / "tiles"
    said = f"exported what the newest checkpoint of {KEY.name} seals: 300 entries\n"
    assert call(capsys, "export", "--tiles", source, directory) == (0, said, "")
    assert source.read_bytes() == before
    files = read(directory)
    status, output, errors = call(capsys, "export", "--tiles", "--json", source, directory)
    assert (status, errors, read(directory)) == (0, "", files)
    told = {"exported": 300, "origin": KEY.name, "checkpoint": files["checkpoint"].decode()}
    assert json.loads(output) == told

    status, output, errors = call(capsys, "verify", "--key", public, directory)
    assert (status, errors) == (0, "")
    assert "300 entries" in output
    status, output, _ = call(capsys, "verify", "--json", "--key", public, directory)
    assert (status, json.loads(output.splitlines()[-1])["holds"]) == (0, True)


def test_a_damaged_directory(source: Path, public: Path, tmp_path: Path, capsys: Capture) -> None:
    directory = tmp_path / "tiles"
    call(capsys, "export", "--tiles", source, directory)
    (directory / "tile/0/000").unlink()
    status, output, _ = call(capsys, "verify", "--key", public, directory)
    assert status == 1
    assert "tile 0 of level 0 is missing" in output


def test_what_is_refused(source: Path, tmp_path: Path, capsys: Capture) -> None:
    said = "agent-store: --tiles makes a directory; name it after DB\n"
    assert call(capsys, "export", "--tiles", source) == (2, "", said)
    status, output, errors = call(capsys, "export", "--tiles", source, source)
    assert (status, output) == (1, "")
    assert errors.startswith(f"agent-store: {source}")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    status, _, errors = call(capsys, "export", "--tiles", source, tmp_path / "mine")
    assert (status, "'notes.txt' is in it, and no checkpoint" in errors) == (1, True)
    with agent_store.open(tmp_path / "new.db") as store:
        append(store, 1)
    status, _, errors = call(capsys, "export", "--tiles", tmp_path / "new.db", tmp_path / "tiles")
    assert (status, "position 1 is not sealed yet" in errors) == (1, True)
    assert not (tmp_path / "tiles").exists()
