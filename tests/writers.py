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
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from processes import Ended

if TYPE_CHECKING:
    from agent_store import Store

PATIENCE = 60.0
BUMP = 10
"""Every so many calls is one to a counter."""


class Note(NamedTuple):
    """Call `n` of a thread is done: an entry at this position with this seq, or seq 0 and the counter's value."""

    thread: int
    n: int
    seq: int
    number: int


class Writer(Ended):
    """Its threads append to a log of their own and a common one by turns, and bump a counter now and then.

    `target` is a path or a URL; with `lent` each thread has a connection of its own to it, and a store on that. `rest`:
    seconds after each call.
    """

    def __init__(
        self,
        target: Path | str,
        name: str,
        *,
        folder: Path | None = None,
        lent: str | None = None,
        threads: int = 1,
        each: int | None = None,
        durability: str = "normal",
        timeout: float = 5.0,
        rest: float = 0.0,
    ) -> None:
        self.name, self.threads = name, threads
        self.killed = False
        self.worst = 0.0
        """Seconds that the slowest call of all took, once it was stopped."""
        self._notes = (folder or Path(target).parent) / f"{name}.notes"
        how = {
            "target": str(target),
            "lent": lent,
            "notes": str(self._notes),
            "name": name,
            "threads": threads,
            "each": each,
            "durability": durability,
            "timeout": timeout,
            "rest": rest,
        }
        command = [sys.executable, __file__, json.dumps(how)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

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


def check_written(target: Path | str, writers: Iterable[Writer]) -> int:
    """What each was told is there once and in its order, and beyond it at most the call that a thread was killed in.

    How many entries there are, of others too.
    """
    import agent_store

    told: dict[tuple[str, int], list[Note]] = {}
    killed: set[tuple[str, int]] = set()
    for writer in writers:
        for thread in range(writer.threads):
            told[writer.name, thread] = []
        for note in writer.notes():
            own = told[writer.name, note.thread]
            assert note.n == len(own), writer.name
            own.append(note)
        killed |= {(writer.name, thread) for thread in range(writer.threads) if writer.killed}
    values = [note.number for own in told.values() for note in own if not note.seq]
    assert len(values) == len(set(values))
    for own in told.values():
        bumped = [note.number for note in own if not note.seq]
        assert bumped == sorted(bumped)

    appended = {of: [note for note in own if note.seq] for of, own in told.items()}
    found: Counter[tuple[str, int]] = Counter()
    count = 0
    with agent_store.open(target) as store:
        for count, entry in enumerate(store.entries(), 1):
            assert entry.position == count
            if entry.stream not in {"own", "common"}:
                continue
            name, *numbers = entry.payload.decode().split("/")
            thread, n = map(int, numbers)
            of = name, thread
            note = Note(thread, n, entry.seq, entry.position)
            if found[of] < len(appended[of]):
                assert note == appended[of][found[of]], name
            else:
                assert of in killed, name
                assert n == len(told[of]), name
            found[of] += 1
        verdict = store.verify()
        assert verdict.holds, verdict.breaks
        assert verdict.entries_hold == count
        assert len(values) <= store.generation("writers").current() <= len(values) + len(killed)
    for of, own in appended.items():
        assert len(own) <= found[of] <= len(own) + (of in killed), of
    return count


def lend(target: str, how: str, timeout: float) -> "Store":
    """On a connection of this thread's; `how` is sqlite3, or the schema on a server."""
    import agent_store

    if how == "sqlite3":
        import sqlite3

        return agent_store.open(sqlite3.connect(target, isolation_level=None, timeout=timeout))
    import psycopg

    return agent_store.open(psycopg.connect(target, autocommit=True), schema=how)


def main(
    target: str,
    lent: str | None,
    notes: str,
    name: str,
    threads: int,
    each: int | None,
    durability: str,
    timeout: float,
    rest: float,
) -> None:
    import agent_store

    file = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    enough = threading.Event()
    worst = [0.0] * threads
    failed: list[BaseException] = []

    def work(thread: int) -> None:
        store = shared or lend(target, lent or "", timeout)
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
            if rest:
                time.sleep(rest)

    def run(thread: int) -> None:
        try:
            work(thread)
        except BaseException as error:
            failed.append(error)
            raise

    with ExitStack() as stack:
        shared: Store | None = None
        if not lent:
            shared = stack.enter_context(agent_store.open(target, durability=durability, timeout=timeout))  # type: ignore[arg-type]
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
