"""The sidecar: made by the first who waits and by nobody else, and found by those who write."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

import agent_store
from processes import script
from ringing import RINGS, SILENT, prepare
from watchers import LATE


def test_who_does_not_wait_makes_no_sidecar(path: Path) -> None:
    bell = path.with_name("app.db-bell")
    with agent_store.open(path) as store:
        prepare(store)
        for _ in range(3):
            for call in RINGS.values():
                call(store)
            time.sleep(0.02)
        for silent in SILENT.values():
            silent(store)
        assert not bell.exists()
        with agent_store.open(path, read_only=True) as reader:
            list(reader.entries())
            assert reader.verify().holds
            assert reader.info()["position"] > 0
            reader.doorbell.wait(timeout=0.3)
            list(reader.watch(after=0, timeout=0.1))
            assert not bell.exists()
        store.backup(path.with_name("copy.db"))
        assert not bell.exists()
        store.doorbell.wait(timeout=0.01)
        assert bell.stat().st_size == 4096


@pytest.mark.parametrize("command", ["verify", "show", "heads", "info", "tail"])
def test_the_commands_that_read_make_no_sidecar(path: Path, command: str) -> None:
    with agent_store.open(path) as store:
        store.log("s", "w").append_many([b"x"] * 10)
    names = ["s", "w"] if command == "show" else []
    arguments = [sys.executable, "-m", "agent_store", command, str(path), *names]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not path.with_name("app.db-bell").exists()


def test_a_writer_that_was_open_before_finds_the_sidecar(path: Path) -> None:
    """It looks whether one has come, now and then: meanwhile who waits looks at the database."""
    code = """
import sys, time, agent_store
with agent_store.open(sys.argv[1]) as store:
    log = store.log("s", "w")
    log.append(b"before")
    print("open", flush=True)
    for line in sys.stdin:
        log.append(b"x")
        print(time.monotonic_ns(), flush=True)
"""
    with script(code, path) as process, agent_store.open(path) as store:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        late = []
        with store.watch(timeout=30) as watch:
            for _ in range(30):
                process.stdin.write("\n")
                process.stdin.flush()
                next(watch)
                late.append((time.monotonic_ns() - int(process.stdout.readline())) / 1e9)
                time.sleep(0.01)
        process.communicate(timeout=60)
    assert max(late) < LATE
    assert statistics.median(late) < 0.05


def test_info_says_how_it_waits(path: Path) -> None:
    with agent_store.open(path) as store:
        store.doorbell.wait(timeout=0.01)
        assert store.info()["doorbell"] == ("futex" if sys.platform == "linux" else "poll")
    with agent_store.open(":memory:") as store:
        assert store.info()["doorbell"] == "memory"
