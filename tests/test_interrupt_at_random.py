"""Ctrl-C at random moments of a write: when its error is gone nothing is half written, and the store goes on."""

import gc
import random
import signal
import sys
import time
from contextlib import suppress
from types import FrameType

import pytest

from agent_store import Store, bulk
from agent_store.errors import BackendError, OutcomeUnknown
from stores import Place, Schema
from test_interrupt import WRITES

pytestmark = [
    pytest.mark.timeout(60),
    # A connection that an interrupt made nobody's closes itself, and says so.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.skipif(sys.platform == "win32", reason="a timer that interrupts is of POSIX"),
]


def interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@pytest.mark.differs("no second opening")
@pytest.mark.parametrize("write", WRITES)
def test_an_interrupt_at_random(place: Place, store: Store, write: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "ROWS", 4)
    store.execute("CREATE TABLE notes (x integer)")
    run, size = WRITES[write]
    chance = random.Random(3)
    run(store)
    began = time.monotonic()
    run(store)
    usual = time.monotonic() - began
    before = signal.signal(signal.SIGALRM, interrupt)
    interrupted = 0
    try:
        with place.open() as other:
            for _ in range(10):
                try:
                    signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.0001, usual))
                    with suppress(OutcomeUnknown, BackendError):
                        run(store)
                    signal.setitimer(signal.ITIMER_REAL, 0)
                except KeyboardInterrupt:
                    interrupted += 1
                gc.collect()
                count = other.position()
                assert count % size == 0
                assert other.query("SELECT count(*) FROM notes") == [(other.generation("g").current(),)]
                other.log("after", "w").append_many([b"x"] * size)
                assert store.position() == count + size
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert interrupted > 0
    assert store.verify().holds
    run(store)
    if isinstance(place, Schema):
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid IN ({})"
        of = "SELECT pid FROM pg_stat_activity WHERE application_name = %s"
        assert place.run(locks.format(of), place.name) == [(0,)]
