"""Many processes that open one file at the same moment: all of them succeed, and one makes or upgrades it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import agent_store
import crate

PROCESSES = 32
PATIENCE = 100.0
OPENER = """
import os, sys
import agent_store
path, gate, name, read_only = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4] == "reads"
told = []
print("ready", flush=True)
os.read(gate, 1)  # Ends for all at once, when the other end of the pipe is closed.
with agent_store.open(path, read_only=read_only, timeout=60, progress=lambda *what: told.append(what)) as store:
    if not read_only:
        for n in range(3):
            assert store.log("opened", name).append(b"%d" % n).seq == n + 1
    verdict = store.verify()
    assert verdict.holds, verdict.breaks
    print(store.info()["id"], store.info()["layout"], bool(told))
"""


def opened_at_once(path: Path, readers: int = 0) -> list[tuple[str, str, str]]:
    """By many processes: the id, the layout, and whether it was upgraded there; `readers` of them only read."""
    gate, other_end = os.pipe()
    with ExitStack() as stack:
        stack.callback(os.close, gate)
        processes = []
        try:
            for number in range(PROCESSES):
                does = "reads" if number < readers else "writes"
                command = [sys.executable, "-c", OPENER, str(path), str(gate), str(number), does]
                process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, pass_fds=[gate])
                processes.append(stack.enter_context(killed_at_the_end(process)))
            for process in processes:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
        finally:
            os.close(other_end)
        said = [process.communicate(timeout=PATIENCE)[0].split() for process in processes]
        assert [process.returncode for process in processes] == [0] * PROCESSES
    return [(kept, layout, upgraded) for kept, layout, upgraded in said]


@contextmanager
def killed_at_the_end(process: "subprocess.Popen[str]") -> Iterator["subprocess.Popen[str]"]:
    with process:
        try:
            yield process
        finally:
            process.kill()


def check(path: Path, before: int, writers: int) -> None:
    with agent_store.open(path, read_only=True) as store:
        verdict = store.verify()
        assert verdict.holds, verdict.breaks
        assert (verdict.entries, store.position()) == (before + 3 * writers, before + 3 * writers)
        assert [head.seq for head in store.heads("opened")] == [3] * writers


@pytest.mark.timeout(200)
def test_a_new_file(path: Path) -> None:
    for tries in range(2):
        file = path.with_name(f"{tries}.db")
        said = opened_at_once(file)
        assert {(layout, upgraded) for _, layout, upgraded in said} == {("compact", "False")}
        assert len({kept for kept, _, _ in said}) == 1
        check(file, 0, PROCESSES)


@pytest.mark.timeout(200)
@pytest.mark.parametrize("rows", [20, 20_000])
def test_a_file_of_the_crates(path: Path, rows: int) -> None:
    crate.run("make", path, rows, 4, 100)
    crate.run("set", path, "report", 7)
    said = opened_at_once(path, readers=8)
    assert len({kept for kept, _, _ in said[8:]}) == 1
    assert {layout for _, layout, _ in said[8:]} == {"compact"}
    assert [upgraded for _, _, upgraded in said].count("True") == 1
    assert [upgraded for _, _, upgraded in said[:8]].count("True") == 0
    check(path, rows, PROCESSES - 8)
    with agent_store.open(path) as store:
        assert store.generation("report").current() == 7
    assert len(crate.same(path)) == 4 + PROCESSES - 8
