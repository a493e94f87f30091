"""Threads that append while things break, and what must be there afterwards of what they were told."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

from agent_store import Entry, Head, Store
from agent_store.errors import BackendError, OutcomeUnknown, StoreError
from threads import check

PATIENCE = 60.0


class Appender:
    """Appends to a log until it is told to stop. What fails it notes, and goes on with the next."""

    def __init__(self, store: Store, number: int, *, batch: int) -> None:
        self.told: list[Entry | Head] = []
        self.kept: list[bytes] = []
        """What was acknowledged."""
        self.lost: list[bytes] = []
        """What was said not to be there."""
        self.unknown: list[tuple[OutcomeUnknown, list[bytes]]] = []
        self.errors: list[StoreError] = []
        self._log = store.log("s", str(number % 3))
        self._batch, self._number = batch, number
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._broken: BaseException | None = None
        self._thread.start()

    def _run(self) -> None:
        n = 0
        try:
            while not self._enough.is_set():
                payloads = [b"%d/%d/%d" % (self._number, n, row) for row in range(self._batch)]
                n += 1
                self._append(payloads)
        except BaseException as error:
            self._broken = error
            raise

    def _append(self, payloads: list[bytes]) -> None:
        try:
            if self._batch == 1:
                self.told.append(self._log.append(payloads[0]))
            else:
                head = self._log.append_many(payloads)
                assert head is not None
                self.told.append(head)
            self.kept += payloads
        except OutcomeUnknown as error:
            self.unknown.append((error, payloads))
        except BackendError as error:
            self.errors.append(error)
            self.lost += payloads
            time.sleep(0.01)  # While the server is away.

    def wait_for(self, more: int) -> None:
        """Until so many calls more were acknowledged."""
        enough, end = len(self.told) + more, time.monotonic() + PATIENCE
        while len(self.told) < enough:
            assert time.monotonic() < end, self.errors[-3:]
            assert self._broken is None
            time.sleep(0.005)

    def stop(self) -> None:
        self._enough.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        assert self._broken is None, self._broken


class Appenders:
    """Several at once, each by turns in logs that others have too."""

    def __init__(self, store: Store, threads: int = 4, *, batch: int = 1) -> None:
        self.each = [Appender(store, number, batch=batch) for number in range(threads)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in self.each:
            one.stop()

    def wait_for(self, more: int) -> None:
        for one in self.each:
            one.wait_for(more)

    def errors(self) -> list[StoreError]:
        return [error for one in self.each for error in (*one.errors, *(unknown for unknown, _ in one.unknown))]

    def check(self, store: Store) -> None:
        """What was acknowledged is there once, what was refused is not; of the rest the error says where to look."""
        found = Counter(entry.payload for entry in store.entries())
        known = 0
        for one in self.each:
            for payload in one.kept:
                assert found[payload] == 1
            for payload in one.lost:
                assert payload not in found
            for entry in one.told:
                there = store.log(entry.stream, entry.writer).entry(entry.seq)
                assert there is not None
                assert there.content_hash == entry.content_hash
            known += len(one.kept)
            for unknown, payloads in one.unknown:
                known += len(payloads) if stands(store, unknown) else 0
                for payload in payloads:
                    assert found[payload] == stands(store, unknown)
        check(store, known)


def stands(store: Store, unknown: OutcomeUnknown) -> bool:
    """What `log.entry(seq)` with the same hash answers: for all that it names alike."""
    answers = set()
    for head in unknown.entries:
        entry = store.log(head.stream, head.writer).entry(head.seq)
        answers.add(entry is not None and entry.content_hash == head.content_hash)
    assert len(answers) == 1
    return answers.pop()


def soon(call: Callable[[], object], tries: int = 2) -> object:
    """What a call returns that may fail as long as nobody has noticed that the connections are gone."""
    for _ in range(tries - 1):
        try:
            return call()
        except BackendError:
            pass
    return call()
