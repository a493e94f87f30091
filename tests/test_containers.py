"""Two containers with one directory mounted at different places: nothing but the kernel and the files is shared."""

import subprocess
import sys
from pathlib import Path

import pytest

import agent_store

ISOLATED = ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork"]
MOUNTED = 'mount --bind "$1" "$2" && shift && shift && exec "$@"'
WRITER = """
import os, sys
import agent_store
path, writer, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
with agent_store.open(path, durability="normal", timeout=60) as store:
    log, common, counter = store.log("s", writer), store.log("s", "common"), store.generation("g")
    print(os.getpid(), flush=True)
    sys.stdin.readline()
    for n in range(rows):
        with store.transaction():
            head = common.head()
            common.append(b"%d" % n, expected=head)
            log.append(b"%d" % counter.bump())
    print(store.verify().holds)
"""
ROWS = 300


def container(folder: Path, mounted: Path, *arguments: object) -> subprocess.Popen[str]:
    program = [sys.executable, "-c", WRITER, mounted / "app.db", *arguments]
    command = [*ISOLATED, "sh", "-c", MOUNTED, "sh", folder, mounted, *program]
    return subprocess.Popen([*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_two_containers_write_one_store(tmp_path: Path) -> None:
    if subprocess.run([*ISOLATED, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("namespaces of its own take the right to make them")
    folder = tmp_path / "shared"
    folder.mkdir()
    places = [tmp_path / name for name in ("mounted", "elsewhere")]
    for place in places:
        place.mkdir()
    with container(folder, places[0], "one", ROWS) as one, container(folder, places[1], "two", ROWS) as two:
        for process in (one, two):
            assert process.stdout is not None
            assert process.stdin is not None
            assert process.stdout.readline() == "1\n", "it is the first process of its namespace"
        for process in (one, two):
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        with agent_store.open(folder / "app.db", timeout=60) as store:
            for _ in range(ROWS):
                store.log("s", "host").append(b"x")
        for process in (one, two):
            assert process.communicate(timeout=100)[0] == "True\n"
    assert [list(place.iterdir()) for place in places] == [[], []], "they were mounted for themselves alone"
    with agent_store.open(folder / "app.db") as store:
        assert store.verify().holds
        assert {head.writer: head.seq for head in store.heads()} == {
            "common": 2 * ROWS,
            "host": ROWS,
            "one": ROWS,
            "two": ROWS,
        }
        assert [entry.position for entry in store.entries()] == list(range(1, 5 * ROWS + 1))
        values = [int(entry.payload) for entry in store.entries() if entry.writer in {"one", "two"}]
        assert values == list(range(1, 2 * ROWS + 1))
