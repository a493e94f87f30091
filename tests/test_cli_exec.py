"""agent-store exec: what the command is given, where it begins, what a failure does; signals, kills, two at once."""

import json
import os
import pty
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import agent_store
from agent_store import Entry
from cli import SCRIPT, TIMEOUT, run, start, until
from tampering import damage

FACTS = """
import json, os, sys
names = ("STREAM", "WRITER", "SEQ", "POSITION", "HASH", "PREV_HASH")
facts = {name: os.fsencode(os.environ["AGENT_STORE_" + name]).decode() for name in names}
print(json.dumps([facts, sys.stdin.buffer.read().hex(), sys.argv[1:]]), flush=True)
"""
TOLD = [sys.executable, "-c", FACTS]
"""Prints what it is given."""


@pytest.fixture
def filled(path: Path) -> Path:
    """Three logs, nine entries."""
    with agent_store.open(path, durability="normal") as store:
        for number in range(3):
            for stream, writer in [("orders", "ada"), ("orders", "bob"), ("café ☃", "x y")]:
                store.log(stream, writer).append(f"{stream} {writer} {number}".encode())
    return path


def entries(path: Path) -> list[Entry]:
    with agent_store.open(path, read_only=True) as store:
        return list(store.entries())


def position(path: Path, name: str = "n") -> int:
    with agent_store.open(path, read_only=True) as store:
        return store.generation(name).current()


def once(path: Path, *options: object, command: list[str] = TOLD) -> list[Any]:
    """What the command printed, line by line."""
    status, output, errors = run("exec", "--once", "--as", "n", *options, path, "--", *command)
    assert (status, errors) == (0, "")
    return [json.loads(line) for line in output.splitlines()]


def failed(path: Path, *options: object, command: list[str]) -> tuple[int, str]:
    status, output, errors = run("exec", "--once", "--as", "n", *options, path, "--", *command)
    assert output == ""
    assert errors.startswith("agent-store: ")
    assert errors.count("\n") == 1
    return status, errors.removeprefix("agent-store: ").rstrip("\n")


def test_what_the_command_is_given(filled: Path) -> None:
    told = once(filled, command=[*TOLD, "two words", "$HOME; echo `id` *", "", "--json", "--"])
    assert told == [
        [
            {
                "STREAM": entry.stream,
                "WRITER": entry.writer,
                "SEQ": str(entry.seq),
                "POSITION": str(entry.position),
                "HASH": entry.content_hash.hex(),
                "PREV_HASH": entry.prev_hash.hex() if entry.prev_hash else "",
            },
            entry.payload.hex(),
            ["two words", "$HOME; echo `id` *", "", "--json", "--"],
        ]
        for entry in entries(filled)
    ]


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "POSIX"])
def test_names_are_the_same_bytes_in_every_locale(filled: Path, locale: str) -> None:
    command = ["sh", "-c", 'printf "%s|" "$AGENT_STORE_STREAM"']
    environment = {**os.environ, "LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    found = run("exec", "--once", "--as", "n", filled, "--", *command, env=environment)
    assert found == (0, "".join(f"{entry.stream}|" for entry in entries(filled)), "")


def test_as_json(filled: Path) -> None:
    _, shown, _ = run("tail", "-n", 100, "--json", filled)
    assert run("exec", "--once", "--as", "n", "--json", filled, "--", "cat") == (0, shown, "")


@pytest.mark.parametrize(
    ("options", "payloads"),
    [
        (["--stream", "orders", "--writer", "bob"], ["orders bob 0", "orders bob 1", "orders bob 2"]),
        (["--stream", "orders", "--exclude-writer", "bob"], ["orders ada 0", "orders ada 1", "orders ada 2"]),
        (["--writer", "x y"], ["café ☃ x y 0", "café ☃ x y 1", "café ☃ x y 2"]),
        (["--stream", "nowhere"], []),
    ],
)
def test_of_some_logs(filled: Path, options: list[str], payloads: list[str]) -> None:
    assert [bytes.fromhex(payload).decode() for _, payload, _ in once(filled, *options)] == payloads


def test_it_goes_on_where_it_was(filled: Path) -> None:
    assert len(once(filled)) == 9
    assert position(filled) == 9
    assert once(filled) == []
    with agent_store.open(filled) as store:
        store.log("orders", "ada").append(b"new")
    assert [payload for _, payload, _ in once(filled)] == [b"new".hex()]
    assert len(once(filled, "--as", "other")) == 10


def test_from_now(filled: Path) -> None:
    assert once(filled, "--from-now") == []
    assert position(filled) == 9
    status, line = failed(filled, "--from-now", command=["true"])
    assert status == 1
    assert line.startswith("'n' is not new, it has handled what is there up to position 9; leave out --from-now")
    with agent_store.open(filled) as store:
        store.log("orders", "ada").append(b"new")
    assert len(once(filled)) == 1


def test_a_failure_ends_it_and_the_next_call_begins_there(filled: Path, tmp_path: Path) -> None:
    command = ["sh", "-c", f'[ "$AGENT_STORE_POSITION" != 4 ] || [ -e {tmp_path}/mended ] || exit 42']
    said = "sh ended with status 42 for entry 2 of stream 'orders', writer 'ada', position 4; 'n' stays at 3"
    assert failed(filled, command=command) == (42, said)
    assert failed(filled, command=command) == (42, said)
    assert position(filled) == 3
    (tmp_path / "mended").touch()
    assert once(filled, command=command) == []
    assert position(filled) == 9


def test_one_can_be_passed_over(filled: Path) -> None:
    command = ["sh", "-c", '[ "$AGENT_STORE_POSITION" != 4 ]']
    assert failed(filled, command=command)[0] == 1
    assert run("generation", filled, "n", "advance", 4)[0] == 0
    assert once(filled, command=command) == []


def test_a_command_that_a_signal_ends(filled: Path) -> None:
    status, line = failed(filled, command=["sh", "-c", "kill -KILL $$"])
    assert status == 137
    assert line.startswith("sh was ended by SIGKILL for entry 1 of ")


def test_again_until_it_succeeds(filled: Path, tmp_path: Path) -> None:
    script = f'echo x >> {tmp_path}/tries; [ "$(wc -l < {tmp_path}/tries)" -gt 2 ]'
    status, output, errors = run("exec", "--once", "--as", "n", "--retry", 0.05, filled, "--", "sh", "-c", script)
    assert (status, output) == (0, "")
    assert position(filled) == 9
    line = (
        "agent-store: sh ended with status 1 for entry 1 of stream 'orders', writer 'ada', position 1; again in 0.05 s"
    )
    assert errors.splitlines() == [line, line]


def test_commands_that_cannot_be_run_are_told_before_anything(filled: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("echo never\n")
    assert failed(filled, command=["no-such-command", "x"]) == (127, "there is no command 'no-such-command'")
    assert failed(filled, command=[str(plain)]) == (126, f"{plain} is not a command: it may not be executed")
    assert failed(filled, command=[str(tmp_path)]) == (126, f"{tmp_path} is not a command: it may not be executed")
    assert failed(tmp_path / "missing.db", command=["no-such-command"])[0] == 127
    assert failed(filled, command=[""])[0] == 127
    plain.chmod(0o755)  # No shell guesses what it is of.
    assert failed(filled, command=[str(plain)]) == (126, f"{plain} could not be started: Exec format error")
    assert position(filled) == 0


def test_no_store_is_made(tmp_path: Path) -> None:
    status, line = failed(tmp_path / "missing.db", command=["true"])
    assert (status, line) == (1, f"{tmp_path}/missing.db does not exist; append makes a store, but no directory")
    assert not list(tmp_path.iterdir())


def test_a_counter_of_something_else(filled: Path) -> None:
    with agent_store.open(filled) as store:
        store.generation("n").set(10)
    status, line = failed(filled, command=["true"])
    assert status == 1
    assert line.startswith(f"generation 'n' stands at 10 and the newest position of {filled} is 9; it counts something")
    assert run("exec", "--once", "--as", "_agent_store.id", filled, "--", "true")[0] == 2


def test_a_command_need_not_read(path: Path) -> None:
    with agent_store.open(path) as store:
        store.log("s", "w").append_many([b"x" * 3_000_000] * 3)
    assert once(path, command=["true"]) == []
    assert run("exec", "--once", "--as", "m", path, "--", "wc", "-c")[:2] == (0, "3000000\n" * 3)


def test_a_name_that_no_environment_holds(filled: Path) -> None:
    damage(filled, "UPDATE _agent_store_logs SET stream = CAST(x'610062' AS TEXT) WHERE writer = 'bob'")
    status, line = failed(filled, command=["true"])
    assert status == 1
    assert line.startswith("the entry at position 2 has a name with NUL in it (")
    assert position(filled) == 1


def test_output_that_nobody_reads(filled: Path) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    status, _, errors = run("exec", "--as", "n", filled, "--", "sh", "-c", "echo x", stdout=theirs)
    os.close(theirs)
    assert status == 141
    assert "was ended by SIGPIPE" in errors


@contextmanager
def running(path: Path, *command: object, options: tuple[object, ...] = ()) -> Iterator[subprocess.Popen[bytes]]:
    """Not of this terminal, whose Ctrl-C reaches all that runs on it."""
    words = ("exec", "--as", "n", *options, path, "--", *command)
    with start(*words, start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(autouse=True)
def _hang_up_is_heard() -> Iterator[None]:
    """Also where these tests are started by nohup, of which what they start would inherit that it is not."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def line(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().decode().rstrip("\n")


def ended(process: subprocess.Popen[bytes], number: int) -> int:
    """Its exit status after a signal; it says nothing."""
    process.send_signal(number)
    assert process.communicate(timeout=TIMEOUT)[1] == b""
    return process.returncode


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_what_comes_and_a_signal_while_it_waits(path: Path, number: int, status: int) -> None:
    with agent_store.open(path) as store, running(path, "sh", "-c", "cat; echo") as process:
        for payload in ("one", "two", "three"):
            store.log("s", "w").append(payload.encode())
            assert line(process) == payload
        until(lambda: store.generation("n").current() == 3)
        assert ended(process, number) == status
    assert position(path) == 3


def test_a_command_that_answers_in_the_store_is_not_called_for_its_answers(path: Path) -> None:
    with agent_store.open(path, timeout=TIMEOUT) as store:
        answer = f'{SCRIPT} append {path} s robot -p "$AGENT_STORE_POSITION" > /dev/null'
        with running(path, "sh", "-c", answer, options=("--exclude-writer", "robot")) as process:
            for _ in range(3):
                store.log("s", "ada").append(b"?")
                until(
                    lambda: len(list(store.log("s", "robot").entries())) == len(list(store.log("s", "ada").entries()))
                )
            until(lambda: store.generation("n").current() == 5)
            assert ended(process, signal.SIGTERM) == 143
        assert [entry.payload for entry in store.log("s", "robot").entries()] == [b"1", b"3", b"5"]


GRACEFUL = """
import signal, sys, time
got = []
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, _: got.append(number))
print("at it", flush=True)
while not got:
    time.sleep(0.01)
time.sleep(0.2)
print(*got, flush=True)
sys.exit(int(sys.argv[1]))
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("result", [0, 3])
def test_a_signal_is_passed_on_and_the_command_waited_for(filled: Path, number: int, status: int, result: int) -> None:
    with running(filled, sys.executable, "-c", GRACEFUL, result) as process:
        assert line(process) == "at it"
        process.send_signal(number)
        assert line(process) == f"{number}"
        assert process.communicate(timeout=TIMEOUT) == (b"", b"")
        assert process.returncode == status
    assert position(filled) == (1 if result == 0 else 0)


def test_a_signal_between_two_tries(filled: Path) -> None:
    with running(filled, "sh", "-c", "echo tried; exit 1", options=("--retry", 1_000)) as process:
        assert line(process) == "tried"
        assert process.stderr is not None
        assert b"again in 1000 s" in process.stderr.readline()
        assert ended(process, signal.SIGTERM) == 143


def test_signals_that_are_ignored_stay_so(filled: Path) -> None:
    ignoring = 'trap "" HUP; exec "$@"'
    words = ["sh", "-c", ignoring, "-", str(SCRIPT), "exec", "--as", "n", str(filled), "--", "sh", "-c", "cat; echo"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        assert line(process) == "orders ada 0"
        process.send_signal(signal.SIGHUP)
        until(lambda: position(filled) == 9 or process.poll() is not None)
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=TIMEOUT)[1] == b""
        assert process.returncode == 143


ON_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def on_terminal_with_ctrl_c(path: Path, command: list[str]) -> list[str]:
    """What it shows, of a command that says that it is at it; Ctrl-C is typed then."""
    ours, theirs = pty.openpty()
    words = [sys.executable, "-c", ON_TERMINAL, str(SCRIPT), "exec", "--as", "n", str(path), "--", *command]
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown = b""
    with process:
        while b"at it\r\n" not in shown:
            shown += os.read(ours, 1 << 16)
        os.write(ours, b"\x03")
        while True:
            try:
                shown += os.read(ours, 1 << 16)
            except OSError:  # Linux, where the other side is closed
                break
        assert process.wait(TIMEOUT) == 130
    os.close(ours)
    return shown.decode().splitlines()


def test_ctrl_c_on_a_terminal(filled: Path) -> None:
    shown = on_terminal_with_ctrl_c(filled, [sys.executable, "-c", GRACEFUL, "0"])
    assert shown == ["'n' begins after position 0", "at it", f"^C{signal.SIGINT.value}"]
    assert position(filled) == 1


APART = """
import os, signal, time
got = []
signal.signal(signal.SIGINT, lambda number, _: got.append(number))
os.setpgid(0, 0)
print("at it", flush=True)
time.sleep(0.5)
print("got", got, flush=True)
"""


def test_ctrl_c_on_a_terminal_is_left_to_the_terminal(filled: Path) -> None:
    """A command that the terminal does not reach gets none: else all others would get two."""
    shown = on_terminal_with_ctrl_c(filled, [sys.executable, "-c", APART])
    assert shown == ["'n' begins after position 0", "at it", "^Cgot []"]


def test_two_of_one_name_at_once(path: Path) -> None:
    with agent_store.open(path) as store:
        store.log("s", "w").append_many([b"%d" % number for number in range(50)])
    processes = [
        start("exec", "--once", "--as", "n", path, "--", "sh", "-c", "cat; echo; sleep 0.02") for _ in range(2)
    ]
    done = []
    for process in processes:
        with process:
            output, errors = process.communicate(timeout=TIMEOUT)
            done.append((process.returncode, output.decode().split(), errors.decode()))
    assert position(path) == 50
    handled = sorted(int(number) for _, numbers, _ in done for number in numbers)
    assert {*handled} == {*range(50)}
    assert len(handled) <= 51
    if [] not in [numbers for _, numbers, _ in done]:  # They overlapped, as they mostly do.
        (status, _, _), (other, _, said) = sorted(done)
        assert (status, other) == (0, 1)
        assert "another exec of this name runs; each needs a NAME of its own" in said


def test_killed_again_and_again_each_entry_is_handled(path: Path, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    seen.touch()
    chance = random.Random(7)
    script = f'echo "$AGENT_STORE_POSITION" >> {seen}'
    kills = 0
    with agent_store.open(path) as store:
        log = store.log("s", "w")
        for _ in range(8):
            log.append_many([b"x"] * 10)
            size = seen.stat().st_size
            with running(path, "sh", "-c", script) as process:
                until(lambda: seen.stat().st_size > size)  # noqa: B023 - done before the next
                time.sleep(chance.uniform(0, 0.03))
                process.send_signal(signal.SIGKILL)
            kills += 1
    assert once(path, command=["sh", "-c", script]) == []
    handled = [int(word) for word in seen.read_text().split()]
    assert {*handled} == {*range(1, 81)}
    assert len(handled) <= 80 + kills
    assert all(after <= before + 1 for before, after in pairwise(handled))


def test_a_file_of_the_crates(path: Path) -> None:
    shutil.copy(Path(__file__).parent / "data" / "crate-0.1.2.db", path)
    assert len(once(path, command=["sh", "-c", "cat > /dev/null; echo 0"])) == 120
