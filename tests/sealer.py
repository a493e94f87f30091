"""A process that seals, and may be killed at a step of it: `python sealer.py TARGET SEED STEP`.

Writes each checkpoint, with its line ends escaped, on a line. STEP: `never`, or a statement of ours or a verb of the
backend before which it kills itself.
"""

import os
import signal
import sys
from typing import Any

import agent_store
from sealing import KEY


class Dying:
    """A backend that ends its process before a step."""

    def __init__(self, backend: Any, step: str) -> None:
        self._backend, self._step = backend, step

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._backend, name)
        if not callable(found):
            return found

        def call(*args: Any, **named: Any) -> Any:
            if self._step in {name, f"{name} {args[0] if args else ''}"}:
                os.kill(os.getpid(), signal.SIGKILL)
            result = found(*args, **named)
            if self._step == f"after {name}":
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call


def main(target: str, step: str, times: str) -> None:
    with agent_store.open(target) as store:
        if step != "never":
            store._binding.backend = Dying(store._binding.backend, step)
        for _ in range(int(times)):
            print(repr(str(store.checkpoint(KEY))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
