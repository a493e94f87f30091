"""A callback for the tests of subscriptions, and what it should be told."""

import queue
import time

from agent_store import CommitEvent, Entry, Store
from threads import PATIENCE


class Told(list[CommitEvent]):
    """A callback that remembers what it is told, and hands it over to the thread that tests."""

    def __init__(self) -> None:
        super().__init__()
        self._queue: queue.Queue[CommitEvent] = queue.Queue()

    def __call__(self, event: CommitEvent) -> None:
        self._queue.put(event)

    def until(self, count: int, longer: float = 0.02) -> list[CommitEvent]:
        """All events, once there are so many; `longer` seconds more are for what there should not be."""
        while len(self) < count:
            self.append(self._queue.get(timeout=PATIENCE))
        time.sleep(longer)
        while not self._queue.empty():
            self.append(self._queue.get())
        return list(self)


def event_of(entry: Entry) -> CommitEvent:
    return CommitEvent(entry.stream, entry.writer, entry.seq, entry.content_hash, entry.position)


def events(store: Store, after: int = 0) -> list[CommitEvent]:
    """Of all that is there."""
    return [event_of(entry) for entry in store.entries(after=after)]
