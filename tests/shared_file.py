"""The program of test_second_library.py: this package and Python's sqlite3 write one file, in one process.

Each writer notes a row when it was told that it is committed, at once and outside the process: the process may die.
"""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path

import agent_store
from agent_store import Store, _core

Append = Callable[[str], object]


class Notes:
    """What one writer was told, and what went wrong; whole lines, each in one system call."""

    def __init__(self, folder: Path, writer: str) -> None:
        self.file = os.open(folder / writer, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.writer = writer

    def write(self, append: Append, until: float, rows: int | None = None) -> None:
        """Append rows of names that nobody else has, until then or so many."""
        for number in count():
            if time.monotonic() >= until or number == rows:
                return
            row = f"{self.writer} {time.monotonic_ns()}"
            append(row)
            os.write(self.file, b"%s\n" % row.encode())


def of_package(store: Store, writer: str) -> Append:
    log = store.log("s", writer)
    return lambda row: log.append(row.encode())


def of_library(db: sqlite3.Connection) -> Append:
    return lambda row: db.execute("INSERT INTO notes VALUES (?)", (row,))


def connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=30, isolation_level=None)


class Writers:
    """`keep` one connection open, or open and close it all the time."""

    def __init__(self, path: Path, folder: Path, until: float) -> None:
        self.path, self.folder, self.until = path, folder, until

    def package_keep(self, notes: Notes) -> None:
        with agent_store.open(self.path, durability="normal", timeout=30) as store:
            notes.write(of_package(store, notes.writer), self.until)

    def package_reopen(self, notes: Notes) -> None:
        while time.monotonic() < self.until:
            with agent_store.open(self.path, durability="normal", timeout=30) as store:
                notes.write(of_package(store, notes.writer), self.until, 3)

    def library_keep(self, notes: Notes) -> None:
        with closing(connect(self.path)) as db:
            notes.write(of_library(db), self.until)

    def library_reopen(self, notes: Notes) -> None:
        while time.monotonic() < self.until:
            with closing(connect(self.path)) as db:
                notes.write(of_library(db), self.until, 3)

    def raw_reads(self, notes: Notes) -> None:
        while time.monotonic() < self.until:
            for end in ("", "-shm"):
                Path(f"{self.path}{end}").read_bytes()
            time.sleep(0.01)

    def run(self, names: list[str]) -> None:
        def work(number: int, name: str) -> None:
            notes = Notes(self.folder, f"{os.getpid()}-{number}-{name}")
            try:
                getattr(self, name)(notes)
            except Exception as error:  # noqa: BLE001 - none is expected, and each is told
                os.write(notes.file, b"ERROR %s\n" % repr(error).encode())

        threads = [threading.Thread(target=work, args=item) for item in enumerate(names)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


SHAPES = {
    "both": ["package_keep", "package_keep", "package_reopen", "library_keep", "library_reopen"],
    # Whatever the package opens it closes: the locks of the other are what can be lost.
    "reverse": ["package_reopen", "package_reopen", "library_keep", "library_keep", "library_reopen"],
    "raw": ["package_keep", "package_keep", "package_reopen", "raw_reads"],
    "beside": ["package_reopen"],
    "library beside": ["library_reopen"],
}


def main(path: Path, folder: Path, shape: str, seconds: float, hooks: bool) -> None:
    _core._options(hooks=hooks)
    others = []
    if not shape.endswith("beside"):
        command = [sys.executable, __file__, str(path), str(folder)]
        others = [
            subprocess.Popen([*command, other, str(seconds), str(int(hooks))]) for other in ("beside", "library beside")
        ]
    Writers(path, folder, time.monotonic() + seconds).run(SHAPES[shape])
    for other in others:
        other.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], float(sys.argv[4]), sys.argv[5] == "1")
