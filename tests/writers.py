"""Processes that append until they are told to stop, or are killed; and what must be there then.

Each notes in a file beside the database what the store told it is there.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

PATIENCE = 60.0
BUMP = 10
"""Every so many calls is one to a counter."""


class Note(NamedTuple):
    """Call `n` of a thread is done: an entry at this position with this seq, or seq 0 and the counter's value."""

    thread: int
    n: int
    seq: int
    number: int


class Writer:
    """Its threads append to a log of their own and a common one by turns, and bump a counter now and then."""

    def __init__(
        self,
        path: Path,
        name: str,
        *,
        threads: int = 1,
        each: int | None = None,
        durability: str = "normal",
        timeout: float = 5.0,
    ) -> None:
        self.name, self.threads = name, threads
        self.killed = False
        self.worst = 0.0
        """Seconds that the slowest call of all took, once it was stopped."""
        self._notes = path.with_name(f"{name}.notes")
        how = {
            "path": str(path),
            "notes": str(self._notes),
            "name": name,
            "threads": threads,
            "each": each,
            "durability": durability,
            "timeout": timeout,
        }
        command = [sys.executable, __file__, json.dumps(how)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def begin(self) -> None:
        """Once it has opened the store."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "open\n"
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def wait_for(self, more: int) -> None:
        """Until it has done so many calls more than now."""
        enough = self._count() + more
        until = time.monotonic() + PATIENCE
        while self._count() < enough:
            assert self.process.poll() is None, "it ended by itself"
            assert time.monotonic() < until, f"{self.name} is stuck"
            time.sleep(0.005)

    def stop(self) -> None:
        output, _ = self.process.communicate("", timeout=PATIENCE)
        assert self.process.returncode == 0, self.name
        self.worst = float(output)

    def end(self) -> None:
        """Once all calls that it was to do are done."""
        assert self.process.wait(PATIENCE) == 0, self.name
        assert self.process.stdout is not None
        self.worst = float(self.process.stdout.read())

    def kill(self) -> None:
        assert self.process.poll() is None, "it ended by itself"
        self.process.kill()
        self.process.wait()
        self.killed = True

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def _count(self) -> int:
        return self._notes.read_bytes().count(b"\n") if self._notes.exists() else 0

    def notes(self) -> list[Note]:
        if not self._notes.exists():
            return []
        lines = self._notes.read_text().splitlines(keepends=True)
        return [Note(*map(int, line.split())) for line in lines if line.endswith("\n")]


def check_written(path: Path, writers: Iterable[Writer]) -> None:
    """What each was told is there once and in its order, and beyond it at most the call that a thread was killed in."""
    import agent_store

    with agent_store.open(path) as store:
        entries = list(store.entries())
        assert [entry.position for entry in entries] == list(range(1, len(entries) + 1))
        verdict = store.verify()
        assert verdict.holds, verdict.breaks
        assert verdict.entries_hold == len(entries)
        counter = store.generation("writers").current()
    there: defaultdict[tuple[str, int], list[Note]] = defaultdict(list)
    for entry in entries:
        if entry.stream not in {"own", "common"}:
            continue  # Of others.
        name, *numbers = entry.payload.decode().split("/")
        of, n = map(int, numbers)
        there[name, of].append(Note(of, n, entry.seq, entry.position))
    values: list[int] = []
    unknown = 0
    for writer in writers:
        told: defaultdict[int, list[Note]] = defaultdict(list)
        for note in writer.notes():
            told[note.thread].append(note)
        for thread in range(writer.threads):
            assert [note.n for note in told[thread]] == list(range(len(told[thread]))), writer.name
            found = there.pop((writer.name, thread), [])
            appended = [note for note in told[thread] if note.seq]
            assert found[: len(appended)] == appended, writer.name
            assert [note.n for note in found[len(appended) :]] in ([], [len(told[thread])]), writer.name
            assert writer.killed or found == appended, writer.name
            bumped = [note.number for note in told[thread] if not note.seq]
            assert bumped == sorted(bumped), writer.name
            values += bumped
            unknown += writer.killed
    assert not there
    assert len(values) == len(set(values))
    assert len(values) <= counter <= len(values) + unknown


def main(path: str, notes: str, name: str, threads: int, each: int | None, durability: str, timeout: float) -> None:
    import agent_store

    file = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    enough = threading.Event()
    worst = [0.0] * threads
    failed: list[BaseException] = []

    def work(thread: int) -> None:
        logs = store.log("own", f"{name}/{thread}"), store.log("common", "all")
        for n in count() if each is None else range(each):
            if enough.is_set():
                break
            began = time.monotonic()
            if n % BUMP == BUMP - 1:
                seq, number = 0, store.generation("writers").bump()
            else:
                entry = logs[n % 2].append(f"{name}/{thread}/{n}".encode())
                seq, number = entry.seq, entry.position
            worst[thread] = max(worst[thread], time.monotonic() - began)
            # In one system call: it is noted whole or not at all.
            os.write(file, b"%d %d %d %d\n" % (thread, n, seq, number))

    def run(thread: int) -> None:
        try:
            work(thread)
        except BaseException as error:
            failed.append(error)
            raise

    with agent_store.open(path, durability=durability, timeout=timeout) as store:  # type: ignore[arg-type]
        print("open", flush=True)
        sys.stdin.readline()
        running = [threading.Thread(target=run, args=[thread]) for thread in range(threads)]
        for one in running:
            one.start()
        if each is None:
            sys.stdin.read()
            enough.set()
        for one in running:
            one.join()
    print(max(worst))
    sys.exit(len(failed))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
