"""A store that others write too, between the steps of the one that is watched."""

from contextlib import ExitStack
from typing import Any, ClassVar

from hypothesis.stateful import initialize, invariant, precondition, rule

from agent_store import Store
from machine import Machine, keys, logs, payloads


class Shared(Machine):
    """Another store at the same place writes between, and it is opened anew."""

    server: ClassVar[str]
    options: ClassVar[dict[str, Any]] = {}
    other: Store

    def arrange(self, stack: ExitStack) -> None:
        """Set `place`."""
        raise NotImplementedError

    @initialize()
    def open(self) -> None:
        self.stack = ExitStack()
        self.arrange(self.stack)
        self.store = self.open_store()
        self.other = self.open_other()
        self.make_notes()

    def open_store(self) -> Store:
        return self.place.open(**self.options)

    def open_other(self) -> Store:
        return self.place.open(**self.options)

    def teardown(self) -> None:
        super().teardown()
        self.other.close()
        self.stack.close()

    @precondition(lambda self: not self.blocks)
    @rule(log=logs, payload=payloads)
    def append_by_another(self, log: tuple[str, str], payload: bytes) -> None:
        assert self.other.log(*log).append(payload) == self.model.append(*log, payload)

    @precondition(lambda self: not self.blocks)
    @rule(key=keys)
    def count_by_another(self, key: str) -> None:
        assert self.other.generation(key).bump() == self.model.raise_to(key, self.model.now.generations.get(key, 0) + 1)

    @precondition(lambda self: not self.blocks)
    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.readings.clear()
        self.store = self.open_store()

    @invariant()
    def others_see_what_is_committed(self) -> None:
        assert list(self.other.entries()) == self.model.committed.entries
