"""agent-store exec: what the command is given, where it begins, what a failure does."""

import os
from pathlib import Path

import pytest

import agent_store
from cli import run
from executing import TOLD, entries, fill, once, position
from tampering import damage


@pytest.fixture
def filled(path: Path) -> Path:
    return fill(path)


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
