"""A process that opens a store and says on its standard output how that goes: to be paused, interrupted or killed."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from queue import Empty, Queue
from types import TracebackType
from typing import Any, Self

PATIENCE = 60.0


class Opener:
    """It tells, in this order: "ready", each "done" with its "total", and "opened" (the store's id, when it is closed
    again) or "error".

    Held, it waits before it opens until it is told to go on, and so it does at the first progress from `pause` on.
    """

    def __init__(
        self, path: Path, *, timeout: float = 5.0, pause: int | None = None, held: bool = False, read_only: bool = False
    ) -> None:
        how = {"path": str(path), "timeout": timeout, "pause": pause, "held": held, "read_only": read_only}
        command = [sys.executable, __file__, json.dumps(how)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.told: list[dict[str, Any]] = []
        self._news: Queue[dict[str, Any] | None] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE)
        self.process.stdin.close()
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._news.put(json.loads(line))
        self._news.put(None)

    def next(self, *kinds: str, within: float = PATIENCE) -> dict[str, Any]:
        """The next of these that it tells, nothing where it ended before; TimeoutError after so many seconds."""
        while True:
            try:
                told = self._news.get(timeout=within)
            except Empty:
                raise TimeoutError(f"nothing of {kinds} within {within} s, only {self.told[-3:]}") from None
            if told is None:
                return {}
            self.told.append(told)
            if not kinds or not told.keys().isdisjoint(kinds):
                return told

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    @property
    def progress(self) -> list[tuple[int, int]]:
        """Of what was told so far."""
        return [(told["done"], told["total"]) for told in self.told if "done" in told]


def main(path: str, timeout: float, pause: int | None, *, held: bool, read_only: bool) -> None:
    import agent_store
    from agent_store.errors import StoreError

    def tell(**what: object) -> None:
        print(json.dumps(what), flush=True)

    def progress(done: int, total: int) -> None:
        nonlocal pause
        tell(done=done, total=total)
        if pause is not None and done >= pause:
            pause = None
            tell(paused=done)
            sys.stdin.readline()

    tell(ready=True)
    if held:
        sys.stdin.readline()
    try:
        with agent_store.open(path, timeout=timeout, read_only=read_only, progress=progress) as store:
            opened = store.info()["id"]
        tell(opened=opened)
    except (StoreError, KeyboardInterrupt) as error:
        tell(error=type(error).__name__, text=str(error))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
