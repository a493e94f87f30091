"""Stores for `agent-store exec` to go through, and what it is made to do."""

import json
import sys
from pathlib import Path
from typing import Any

import agent_store
from agent_store import Entry
from cli import run

FACTS = """
import json, os, sys
names = ("STREAM", "WRITER", "SEQ", "POSITION", "HASH", "PREV_HASH")
facts = {name: os.fsencode(os.environ["AGENT_STORE_" + name]).decode() for name in names}
print(json.dumps([facts, sys.stdin.buffer.read().hex(), sys.argv[1:]]), flush=True)
"""
TOLD = [sys.executable, "-c", FACTS]
"""Prints what it is given."""


def fill(path: Path) -> Path:
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
