"""agent-store key: files that only their owner may read, and what is public of them."""

import json
import stat
from pathlib import Path

import pytest

from agent_store import Fingerprint, SigningKey
from agent_store.cli import main

Capture = pytest.CaptureFixture[str]
NAME = "audit.example/db1"


def call(capsys: Capture, *arguments: object) -> tuple[int, str, str]:
    """Exit status, output, errors."""
    status = main([*map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_new_key_and_its_public_line(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "db1.key"
    status, made, errors = call(capsys, "key", path, NAME)
    key = SigningKey.load(path)
    assert (status, made, errors) == (0, f"{key.verifier}\n", "")
    assert key.name == NAME
    assert call(capsys, "key", path) == (0, made, "")
    assert call(capsys, "key", "--witness", path) == (0, f"{key.witness_verifier}\n", "")
    status, shown, _ = call(capsys, "key", "--json", path)
    assert json.loads(shown) == {
        "name": NAME,
        "verifier": key.verifier,
        "witness": key.witness_verifier,
        "fingerprint": Fingerprint.from_ed25519_public_key(key.public_key).hex,
    }


def test_only_its_owner_may_read_it(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "db1.key"
    call(capsys, "key", path, NAME)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    status, shown, errors = call(capsys, "key", path)
    assert (status, shown) == (1, "")
    assert "chmod 600" in errors


def test_nothing_is_written_over(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "db1.key"
    path.write_text("something of mine")
    status, shown, errors = call(capsys, "key", path, NAME)
    assert (status, shown) == (1, "")
    assert "there already" in errors
    assert path.read_text() == "something of mine"


@pytest.mark.parametrize("name", ["", "a b", "a+b", "line\nend"])
def test_names_that_no_key_can_have(tmp_path: Path, capsys: Capture, name: str) -> None:
    status, _, errors = call(capsys, "key", tmp_path / "k", name)
    assert status == 2
    assert errors.count("\n") == 1
    assert not (tmp_path / "k").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        ("nonsense", "this is no key file"),
        ("audit.example/db1+61aaf476+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4\n", "has a public key"),
    ],
)
def test_what_is_no_key(tmp_path: Path, capsys: Capture, content: str | None, words: str) -> None:
    path = tmp_path / "k"
    if content is not None:
        path.write_text(content)
        path.chmod(0o600)
    status, shown, errors = call(capsys, "key", path)
    assert (status, shown) == (1, "")
    assert words in errors


def test_no_error_shows_a_secret(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "db1.key"
    call(capsys, "key", path, NAME)
    text = path.read_text()
    secret = text.rpartition("+")[2].strip()
    for broken in (text.replace(NAME, "other"), text[:-9], f"{text}{text}", text.lower()):
        path.write_text(broken)
        for arguments in (("key", path), ("checkpoint", tmp_path / "app.db", path)):
            status, shown, errors = call(capsys, *arguments)
            assert status == 1
            assert secret[:12] not in shown + errors
            assert secret[:12].lower() not in shown + errors
