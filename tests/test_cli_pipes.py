"""Output that nobody reads any more, that is closed, or that a full disk does not take."""

import os
import subprocess
from pathlib import Path

import pytest

import agent_store
from cli import SCRIPT, TIMEOUT, run, start


@pytest.fixture
def long(path: Path) -> Path:
    """Longer than what a pipe takes."""
    with agent_store.open(path, durability="normal") as store:
        store.log("s", "w").append_many([b"x" * 100] * 5_000)
    return path


@pytest.mark.parametrize("options", [[], ["--json"], ["--raw"]])
def test_whoever_reads_may_go_away(long: Path, options: list[str]) -> None:
    with start("show", *options, long, "s", "w") as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(TIMEOUT) == 141


@pytest.mark.parametrize(
    "arguments",
    ["--help", "--version", "show --help", "tail DB", "tail -f DB", "heads DB", "verify DB", "info --json DB"],
)
def test_whoever_reads_may_be_gone_from_the_start(long: Path, arguments: str) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    status, _, errors = run(*arguments.replace("DB", str(long)).split(), stdout=theirs)
    os.close(theirs)
    assert (status, errors) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("arguments", [["heads"], ["show", "--raw"], ["show"]])
def test_output_that_cannot_be_written(long: Path, arguments: list[str]) -> None:
    verb, *options = arguments
    with Path("/dev/full").open("wb") as full:
        names = ["s", "w"] if verb == "show" else []
        status, _, errors = run(verb, *options, long, *names, stdout=full)
    assert (status, errors) == (1, "agent-store: the output could not be written: No space left on device\n")


def test_output_that_is_closed(long: Path) -> None:
    shell = f'exec "{SCRIPT}" heads "{long}" >&-'
    done = subprocess.run(["/bin/sh", "-c", shell], stderr=subprocess.PIPE, check=False, timeout=TIMEOUT)
    assert (done.returncode, done.stderr) == (1, b"agent-store: standard output is closed\n")
