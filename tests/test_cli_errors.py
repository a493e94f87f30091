"""What goes wrong is one line on standard error and the right exit status: wrong usage, files, locks, Ctrl-C."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import agent_store
from agent_store.cli import COMMANDS, main
from cli import TIMEOUT, start, until
from tampering import damage

ARGUMENTS: dict[str, list[str]] = {
    "append": ["s", "w", "-p", "x"],
    "show": ["s", "w"],
    "tail": [],
    "exec": ["--as", "g", "--", "true"],
    "heads": [],
    "verify": [],
    "checkpoint": [],
    "receipt": ["s", "w", "1"],
    "generation": ["g"],
    "backup": ["copy.db"],
    "copy": ["copy.db"],
    "export": [],
    "import": [],
    "info": [],
}
WITH_A_KEY = ["key", "cosign", "erase"]
"""They read the file of a key before they open a store: test_cli_key.py, test_cli_evidence.py."""
OF_WHAT_IS_SEALED = {"checkpoint", "receipt"}
READING = [
    verb
    for verb in ARGUMENTS
    if verb not in {"append", "exec", "backup", "copy", "import"} and verb not in OF_WHAT_IS_SEALED
]
Capture = pytest.CaptureFixture[str]


def failed(capsys: Capture, *arguments: object) -> tuple[int, str]:
    """In this process: exit status and the one line; nothing was printed."""
    status = main([*map(str, arguments)])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("agent-store: ")
    assert captured.err.count("\n") == 1
    return status, captured.err.removeprefix("agent-store: ").rstrip("\n")


def test_every_command_is_tested() -> None:
    assert list(ARGUMENTS) == [verb for verb in COMMANDS if verb not in WITH_A_KEY]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", "a VERB is missing; there are append, show"),
        ("frob app.db", "there is no command 'frob'; there are append"),
        ("--json heads app.db", "unrecognized arguments: --json; see agent-store --help"),
        ("heads", "the following arguments are required: DB; see agent-store heads --help"),
        ("append app.db", "the following arguments are required: STREAM, WRITER; see agent-store append --help"),
        ("show app.db s", "the following arguments are required: WRITER"),
        ("verify app.db s", "a log has a STREAM and a WRITER"),
        ("heads app.db more", "unrecognized arguments: more"),
        ("heads app.db --frob", "unrecognized arguments: --frob"),
        ("show app.db s w --rev", "unrecognized arguments: --rev"),
        ("show app.db s w --start 0", "argument --start: a whole number, 1 or more, and not '0'"),
        ("show app.db s w -n many", "a whole number, 1 or more, and not 'many'"),
        ("show app.db s w --raw --json", "either --raw or --json"),
        ("tail app.db -n -1", "argument -n/--count: a whole number, 0 or more, and not '-1'"),
        ("tail app.db s", "unrecognized arguments: s"),
        ("exec app.db -- true", "the following arguments are required: --as; see agent-store exec --help"),
        ("exec --as g", "the following arguments are required: DB"),
        ("exec --as g app.db", "a command is missing; agent-store exec --as NAME DB -- CMD"),
        ("exec --as g app.db --", "a command is missing"),
        ("exec --as g app.db cat -n", "unrecognized arguments: -n"),
        ("exec --as g app.db --retry soon -- true", "argument --retry: seconds, 0 or more"),
        ("append app.db s w -p x file", "either -p TEXT or files"),
        ("append app.db s w --batch 0", "argument --batch: "),
        ("append app.db s w --durability some", "argument --durability: invalid choice"),
        ("heads app.db --timeout -1", "argument --timeout: "),
        ("heads app.db --timeout nan", "argument --timeout: "),
        ("backup app.db", "the following arguments are required: TARGET; see agent-store backup --help"),
        ("generation app.db g rise", "argument CHANGE: invalid choice: 'rise'"),
        ("generation app.db g set", "set needs a number N"),
        ("generation app.db g bump 3", "bump takes no number"),
        ("generation app.db g set x", "argument N: invalid int value: 'x'"),
    ],
)
def test_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, arguments: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    status, line = failed(capsys, *arguments.split())
    assert status == 2
    assert said in line
    assert not list(tmp_path.iterdir())


def test_what_the_store_does_not_take_is_wrong_usage_too(path: Path, capsys: Capture) -> None:
    assert failed(capsys, "append", path, "s", "w" * 2_000, "-p", "x")[0] == 2
    assert failed(capsys, "append", path, "\udcff", "w", "-p", "x")[0] == 2
    assert failed(capsys, "generation", path, "g", "set", "-5")[0] == 2
    assert failed(capsys, "generation", path, "g", "reserve", "0")[0] == 2
    assert failed(capsys, "generation", path, "_agent_store.id", "bump")[0] == 2
    assert failed(capsys, "show", path, "s", "w", "--start", 5, "--stop", 4)[0] == 1  # there is no such log at all
    agent_store.open(path).close()
    main(["append", str(path), "s", "w", "-p", "x"])
    capsys.readouterr()
    assert failed(capsys, "show", path, "s", "w", "--start", 5, "--stop", 4)[0] == 2
    assert failed(capsys, "heads", "")[0] == 2
    assert failed(capsys, "heads", "file:x.db")[0] == 2


def test_a_counter_neither_falls_nor_wraps(path: Path, capsys: Capture) -> None:
    with agent_store.open(path) as store:
        store.generation("g").set(2**63 - 1)
    assert failed(capsys, "generation", path, "g", "set", 5) == (
        1,
        f"generation 'g' stands at {2**63 - 1} and never falls: 5 was attempted",
    )
    assert failed(capsys, "generation", path, "g", "bump")[0] == 1
    assert failed(capsys, "generation", path, "other", "set", 2**63)[0] == 1


def status_of(verb: str) -> int:
    """Of what cannot be opened."""
    return 2 if verb == "verify" else 1


@pytest.mark.parametrize("verb", ARGUMENTS)
def test_files_that_cannot_be_opened(tmp_path: Path, capsys: Capture, verb: str) -> None:
    def refused(db: object) -> str:
        status, line = failed(capsys, verb, db, *ARGUMENTS[verb])
        assert status == status_of(verb)
        return line

    missing = tmp_path / "no" / "app.db"
    assert refused(missing) == f"{missing.parent} does not exist; append makes a store, but no directory"
    assert refused(tmp_path) == f"{tmp_path} is a directory, and a store is a file"
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"not a database " * 1_000)
    assert "another kind of file, an encrypted database, or its header is damaged" in refused(garbage)
    if verb in {*READING, "exec"}:
        missing = tmp_path / "missing.db"
        assert refused(missing).startswith(f"{missing} does not exist")
    newer = tmp_path / "newer.db"
    agent_store.open(newer).close()
    damage(newer, "UPDATE _agent_store_meta SET ival = 2 WHERE key = '_agent_store.format'")
    assert "format 2" in refused(newer)
    assert {file.name.removesuffix("-wal").removesuffix("-shm") for file in tmp_path.iterdir()} == {
        "garbage.db",
        "newer.db",
    }


def test_a_log_that_is_not_there(path: Path, capsys: Capture) -> None:
    agent_store.open(path).close()
    said = f"there is no log of stream 's', writer 'w' in {path}; agent-store heads {path} lists what is there"
    assert failed(capsys, "show", path, "s", "w") == (1, said)
    assert failed(capsys, "verify", path, "s", "w") == (2, said)


LOCK = """
import sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute(f"PRAGMA journal_mode = {sys.argv[2]}")
c.execute(f"BEGIN {sys.argv[3]}")
print("locked", flush=True)
sys.stdin.read()
"""


def locked(path: Path, mode: str, kind: str) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-c", LOCK, str(path), mode, kind]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"locked\n"
    return process


def test_a_locked_store(path: Path, capsys: Capture) -> None:
    agent_store.open(path).close()
    with locked(path, "wal", "IMMEDIATE") as process:
        status, line = failed(capsys, "append", path, "s", "w", "-p", "x", "--timeout", "0.2")
        assert status == 1
        assert line.startswith("gave up after 0.2 s waiting for the write lock of the file")
        assert line.endswith("; --timeout SECONDS waits longer")
        assert failed(capsys, "generation", path, "g", "bump", "--timeout", "0.1")[0] == 1
        assert main(["verify", str(path)]) == 0  # readers do not wait
        process.communicate()


def test_ctrl_c_while_it_waits_for_a_lock(path: Path) -> None:
    agent_store.open(path).close()
    with locked(path, "delete", "EXCLUSIVE") as process:
        for verb in ("verify", "append"):
            with start(verb, path, *ARGUMENTS[verb], "--timeout", TIMEOUT) as waiting:
                until(lambda: any(file.path == str(path) for file in psutil.Process(waiting.pid).open_files()))
                waiting.send_signal(signal.SIGINT)
                output, errors = waiting.communicate(timeout=TIMEOUT)
            assert (waiting.returncode, output, errors) == (130, b"", b"agent-store: interrupted\n")
        process.communicate()
    with agent_store.open(path) as store:
        assert store.position() == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that others may enter: pytest's own are the user's alone."""
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        made.chmod(0o755)
        with agent_store.open(made / "app.db") as store:
            store.log("s", "w").append(b"x")
        yield made


def unprivileged(*arguments: object) -> tuple[int, str, str]:
    """Whoever runs the tests: the command itself runs without root's rights."""
    # What Python still imports may lie where only root can read.
    code = (
        "import contextlib, io, os, sys; from agent_store.cli import COMMANDS, main\n"
        "import agent_store.moving.reader, agent_store.moving.evidence, agent_store.moving.erasures\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    [main([verb, '--help']) for verb in COMMANDS]\n"
    )
    if os.geteuid() == 0:
        code += "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
    code += "sys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    return done.returncode, done.stdout, done.stderr


def test_a_store_that_may_not_be_written(folder: Path) -> None:
    path = folder / "app.db"
    path.chmod(0o444)
    folder.chmod(0o555)
    before = path.read_bytes()
    status, output, errors = unprivileged("append", path, "s", "w", "-p", "y")
    assert (status, output) == (1, "")
    assert errors.startswith("agent-store: the store cannot be written: ")
    assert errors.count("\n") == 1
    for verb in READING:
        assert unprivileged(verb, path, *ARGUMENTS[verb])[::2] == (0, ""), verb
    folder.chmod(0o755)
    assert path.read_bytes() == before
    assert [file.name for file in folder.iterdir()] == ["app.db"]


def test_a_store_and_a_file_that_may_not_be_read(folder: Path) -> None:
    secret = folder / "secret"
    secret.write_bytes(b"x\n")
    secret.chmod(0o000)
    for verb in ("verify", "heads"):
        assert unprivileged(verb, secret) == (
            status_of(verb),
            "",
            f"agent-store: {secret} may not be read by this user\n",
        )
    folder.chmod(0o777)
    (folder / "app.db").chmod(0o666)
    assert unprivileged("append", folder / "app.db", "s", "w", secret) == (
        1,
        "",
        f"agent-store: {secret} may not be read by this user\n",
    )


def test_a_broken_file_of_the_crate_is_not_upgraded(path: Path, capsys: Capture) -> None:
    shutil.copy(Path(__file__).parent / "data" / "crate-0.1.2.db", path)
    damage(path, "UPDATE _agent_store_log SET payload = x'00' WHERE writer = 'alice' AND seq = 5")
    before = path.read_bytes()
    status, line = failed(capsys, "append", path, "s", "w", "-p", "x")
    assert status == 1
    assert "writer 'alice', seq 5" in line
    assert path.read_bytes() == before
    assert main(["verify", str(path)]) == 1


def test_a_defect_is_one_line_too(path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("oh\x1b[2J")

    monkeypatch.setattr(agent_store, "open", broken)
    status, line = failed(capsys, "heads", path)
    assert status == 1
    assert line.startswith(r"RuntimeError: oh\x1b[2J; this is a defect of agent-store")
