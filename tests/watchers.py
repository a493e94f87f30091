"""Processes whose threads wait for what is appended, each in one of three ways, and note what they see and when."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from processes import Ended

if TYPE_CHECKING:
    from agent_store import Store

WAYS = ("watch", "wait", "subscribe")
PATIENCE = 60.0
LATE = 2.0
"""Seconds after an append within which everybody has seen it, whatever happened; on a machine that does much else."""


class Seen(NamedTuple):
    """An entry that a thread was handed, and the time on the clock that all processes share."""

    position: int
    seq: int
    at: int


class Watchers(Ended):
    """A process whose threads follow the store from its first entry on, each in the next of `ways`, round and round."""

    def __init__(
        self, path: Path, name: str, *, threads: int = 3, ways: tuple[str, ...] = WAYS, read_only: bool = False
    ) -> None:
        self.name, self.threads = name, threads
        self._notes = path.parent / f"{name}.seen"
        how = {
            "target": str(path),
            "notes": str(self._notes),
            "ways": [ways[n % len(ways)] for n in range(threads)],
            "read_only": read_only,
        }
        command = [sys.executable, __file__, json.dumps(how)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def begin(self) -> Self:
        """Once all threads run."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "open\n"
        return self

    def wait_for(self, position: int) -> None:
        """Until each thread has seen the entry there."""
        until = time.monotonic() + PATIENCE
        while not all(seen and seen[-1].position >= position for seen in self.seen()):
            assert self.process.poll() is None, "it ended by itself"
            behind = [seen[-1].position if seen else 0 for seen in self.seen()]
            assert time.monotonic() < until, f"{self.name} has seen {behind} of {position}"
            time.sleep(0.01)

    def stop(self) -> float:
        """Close its store under those who wait; seconds of processor time that it has used."""
        output, _ = self.process.communicate("", timeout=PATIENCE)
        assert self.process.returncode == 0, self.name
        return float(output)

    def used(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        assert self.process.poll() is None, "it ended by itself"
        self.process.kill()
        self.process.wait()

    def seen(self) -> list[list[Seen]]:
        """Of each thread, in the order in which it saw them."""
        found: list[list[Seen]] = [[] for _ in range(self.threads)]
        lines = self._notes.read_text().splitlines(keepends=True) if self._notes.exists() else []
        for line in lines:
            if line.endswith("\n"):
                thread, *numbers = map(int, line.split())
                found[thread].append(Seen(*numbers))
        return found

    def check(self, newest: int, told: dict[int, int] | None = None) -> list[float]:
        """Each thread saw every entry once and in order; how many seconds late, of those whose times are told."""
        late = []
        for seen in self.seen():
            assert [one.position for one in seen] == list(range(1, newest + 1)), self.name
            late += [(one.at - told[one.position]) / 1e9 for one in seen if told and one.position in told]
        return late


def main(target: str, notes: str, ways: list[str], *, read_only: bool) -> None:
    import agent_store
    from agent_store.errors import StoreClosed

    file = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    failed: list[BaseException] = []
    store = agent_store.open(target, read_only=read_only, timeout=30)

    def see(thread: int, position: int, seq: int) -> None:
        # In one system call: it is noted whole or not at all.
        os.write(file, b"%d %d %d %d\n" % (thread, position, seq, time.monotonic_ns()))

    def work(thread: int, way: Callable[["Store", Callable[[int, int], None]], None]) -> None:
        try:
            way(store, lambda position, seq: see(thread, position, seq))
        except StoreClosed:
            pass
        except BaseException as error:
            failed.append(error)
            raise

    running = [threading.Thread(target=work, args=[n, globals()[f"by_{way}"]]) for n, way in enumerate(ways)]
    for one in running:
        one.start()
    print("open", flush=True)
    sys.stdin.read()
    store.close()
    for one in running:
        one.join(PATIENCE)
        if one.is_alive():
            os._exit(99)
    print(time.process_time())
    sys.exit(len(failed))


def by_watch(store: "Store", see: Callable[[int, int], None]) -> None:
    with store.watch(after=0) as watch:
        for entry in watch:
            see(entry.position, entry.seq)


def by_wait(store: "Store", see: Callable[[int, int], None]) -> None:
    position = 0
    for _ in count():
        newest = store.doorbell.wait(position)
        for entry in store.entries(after=position):
            see(entry.position, entry.seq)
            position = entry.position
        assert position >= newest


def by_subscribe(store: "Store", see: Callable[[int, int], None]) -> None:
    with store.doorbell.subscribe(lambda event: see(event.position, event.seq), after=0):
        store.doorbell.wait(1 << 62)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
