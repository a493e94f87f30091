"""agent-store exec as it goes on: signals, a terminal, kills, two at once."""

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

import pytest

import agent_store
from cli import SCRIPT, TIMEOUT, start, until
from executing import fill, once, position


@pytest.fixture
def filled(path: Path) -> Path:
    return fill(path)


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
