"""A process that seals a store again and again until it is told to stop, and says what it was given."""

import json
import subprocess
import sys
import threading

from processes import Ended

PATIENCE = 60.0
SEED = bytes(range(32))
ORIGIN = "audit.example/busy"


class Sealer(Ended):
    """`target` is a path or a URL; `rest`: seconds after each checkpoint."""

    def __init__(self, target: object, *, timeout: float = 30.0, rest: float = 0.0) -> None:
        how = {"target": str(target), "timeout": timeout, "rest": rest}
        command = [sys.executable, __file__, json.dumps(how)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def stop(self) -> list[str]:
        """All checkpoints that it was given, in their order."""
        output, _ = self.process.communicate("", timeout=PATIENCE)
        assert self.process.returncode == 0
        return [json.loads(line) for line in output.splitlines()]


def main(target: str, timeout: float, rest: float) -> None:
    import agent_store

    enough = threading.Event()

    def listen() -> None:
        sys.stdin.read()
        enough.set()

    threading.Thread(target=listen, daemon=True).start()
    key = agent_store.SigningKey.from_seed(ORIGIN, SEED)
    given: list[str] = []
    with agent_store.open(target, timeout=timeout) as store:
        while not enough.is_set():
            given.append(store.checkpoint(key))
            enough.wait(rest)
    for checkpoint in given:
        print(json.dumps(checkpoint))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
