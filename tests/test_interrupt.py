"""Ctrl-C, wherever it falls: the call ends soon, leaves nothing half written, and the store goes on."""

import gc
import signal
import subprocess
import sys
import threading
import time
from _thread import interrupt_main
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import count, repeat
from operator import call
from pathlib import Path
from types import FrameType

import pytest

import agent_store
from agent_store import Store, bulk
from agent_store._core import draw_payloads, draw_rows
from agent_store.errors import StoreError
from threads import ASLEEP

MANY = 100_000
ENDLESS = 5_000_000


def payloads(rows: int) -> Iterator[bytes]:
    return (b"%d" % number for number in range(rows))


def block(store: Store) -> None:
    with store.transaction():
        store.log("s", "w").append(b"a")
        store.generation("g").bump()
        with store.transaction():
            store.log("s", "w").append_many(payloads(9))
        store.append_many([("s", "v", b"b")])
        store.execute("INSERT INTO notes VALUES (1)")


# With what is to be there whole or not at all: so many entries.
WRITES: dict[str, tuple[Callable[[Store], object], int]] = {
    "append": (lambda store: store.log("s", "w").append(b"a"), 1),
    "append_many": (lambda store: store.log("s", "w").append_many(payloads(9)), 9),
    "append_many in batches": (lambda store: store.log("s", "w").append_many(payloads(8), batch=4), 4),
    "append_many to many": (lambda store: store.append_many(("s", f"w{n % 2}", b"x") for n in range(9)), 9),
    "transaction": (block, 11),
}


class Interrupt:
    """Raises KeyboardInterrupt at the nth of the places where Python looks at signals.

    These are where a function of Python begins, and where a call of one that is not written in Python has returned.
    """

    def __init__(self, place: int) -> None:
        self.left = place
        self.at = ""

    def __call__(self, frame: FrameType, event: str, of: object) -> None:
        module = frame.f_globals.get("__name__", "")
        if event in {"call", "c_return"} and module.startswith(("agent_store", __name__)):
            self.left -= 1
            if self.left == 0:
                self.at = f"{frame.f_code.co_name}, line {frame.f_lineno}, {event} {getattr(of, '__name__', '')}"
                sys.setprofile(None)
                raise KeyboardInterrupt


@pytest.mark.differs("interrupts between two lines")
@pytest.mark.parametrize("write", WRITES)
def test_an_interrupt_at_any_place(store: Store, write: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "ROWS", 4)
    store.execute("CREATE TABLE notes (x integer)")
    run, size = WRITES[write]

    def check(at: str) -> None:
        """Another thread looks: it sees what is committed, and nothing that this one holds keeps it waiting."""
        with ThreadPoolExecutor(1) as other:
            try:
                assert other.submit(store.position).result() % size == 0, at
            except StoreError as error:
                pytest.fail(f"{at}: {error}")
            assert store.query("SELECT count(*) FROM notes") == [(store.generation("g").current(),)], at
            store.log("after", "w").append_many([b"x"] * size)
            assert other.submit(store.position).result() == store.position(), at

    for place in count(1):
        interrupt = Interrupt(place)
        try:
            sys.setprofile(interrupt)
            run(store)
            sys.setprofile(None)
            break
        except KeyboardInterrupt:
            # Here, where the traceback still holds all frames and what is in them.
            check(interrupt.at)
        finally:
            sys.setprofile(None)
    assert place > 10
    assert store.verify().holds


def interrupted(of_the_core: Callable[[], object], seconds: float = 10) -> None:
    """Call what is not written in Python with a signal that has just arrived, and that it must look at by itself."""
    returned: list[object] = []
    begun = time.monotonic()
    gc.disable()  # A callback of the collector (hypothesis has one) would get the interrupt and lose it.
    try:
        with pytest.raises(KeyboardInterrupt):
            returned.extend(map(call, [interrupt_main, of_the_core]))
    finally:
        gc.enable()
    assert len(returned) == 1, "it came to its end"
    assert time.monotonic() - begun < seconds


def interrupted_asleep(sleeps: Callable[[], object], seconds: float) -> None:
    """Call what sleeps, and have a real signal come amid that."""
    ctrl_c = threading.Timer(ASLEEP, signal.pthread_kill, [threading.main_thread().ident, signal.SIGINT])
    begun = time.monotonic()  # Before the timer, which else may be ahead of it.
    ctrl_c.start()
    with pytest.raises(KeyboardInterrupt):
        sleeps()
    assert ASLEEP <= time.monotonic() - begun < ASLEEP + seconds
    ctrl_c.join()


@pytest.mark.differs("of native SQLite")
def test_the_core_looks_at_signals_while_it_verifies(store: Store) -> None:
    log = store.log("s", "w")
    log.append_many(payloads(MANY))
    backend = store._binding.backend
    for verify in (backend.verify, partial(backend.verify_log, "s", "w", None, None)):
        told: dict[int, int] = {}
        interrupted(partial(verify, told.__setitem__))
        assert told == {}, "it went on after it had been told"
    assert log.append(b"x").seq == MANY + 1
    assert store.verify().holds


def test_the_core_looks_at_signals_while_it_draws() -> None:
    interrupted(partial(draw_payloads, repeat(b"x"), 0, ENDLESS, sys.maxsize))
    interrupted(partial(draw_rows, repeat(("s", "w", b"x")), 0, ENDLESS, sys.maxsize))


WAITS: dict[str, Callable[[Store], Callable[[], object]]] = {
    "append": lambda store: partial(store._binding.backend.append, "s", "w", [b"x"]),
    "append_rows": lambda store: partial(store._binding.backend.append_rows, [("s", "w", b"x")]),
    "bump": lambda store: partial(store._binding.backend.advance, "g", "bump"),
    "execute": lambda store: partial(store._binding.backend.execute, "CREATE TABLE t (a)", ()),
    "begin": lambda store: store.transaction().__enter__,
}


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("own", [False, True])
def test_the_core_looks_at_signals_while_it_waits_for_a_lock(path: Path, own: bool, wait: str) -> None:
    """Held by another thread of this store, or by another store."""
    held, done = threading.Event(), threading.Event()

    def hold(holder: Store) -> None:
        with holder.transaction():
            held.set()
            done.wait(60)

    with agent_store.open(path, timeout=60) as store, agent_store.open(path) as other, ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold, store if own else other)
        try:
            assert held.wait(60)
            if wait == "begin":  # Python looks before the core does, and either will do.
                with pytest.raises(KeyboardInterrupt):
                    list(map(call, [interrupt_main, WAITS[wait](store)]))
            else:
                interrupted(WAITS[wait](store))
        finally:
            done.set()
        holding.result(60)
        assert store.position() == 0
        assert store.log("s", "w").append(b"x").position == 1


CHILD = """
import itertools, signal, sys, time
import agent_store
signal.signal(signal.SIGINT, signal.default_int_handler)
path, call, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])

def begin(items=()):
    print("begin", flush=True)
    yield from items

def forever(f):
    print("begin", flush=True)
    while True:
        f()

def block():
    with store.transaction():
        log.append(b"x")
        log.append_many([b"y"] * 9)

x = lambda: b"x"
calls = {
    "append": lambda: forever(lambda: log.append(b"x")),
    "append_many": lambda: log.append_many(begin(iter(x, None))),
    "append_many of C": lambda: log.append_many(itertools.chain(begin(), itertools.repeat(b"x"))),
    "append_many in batches": lambda: log.append_many(itertools.chain(begin(), itertools.repeat(b"x")), batch=10),
    "append_many to many": lambda: store.append_many(itertools.chain(begin(), itertools.repeat(("s", "w", b"x")))),
    "transactions": lambda: forever(block),
    "entries": lambda: forever(lambda: list(store.entries())),
    "log entries": lambda: forever(lambda: list(log.entries(reverse=True))),
    "verify": lambda: forever(store.verify),
    "log verify": lambda: forever(log.verify),
    "wait": lambda: forever(lambda: log.append(b"x")),
}
with agent_store.open(path, timeout=60, durability="normal") as store:
    log = store.log("s", "w")
    log.append_many([b"x"] * rows)
    if call == "wait":
        print("ready", flush=True)
        sys.stdin.readline()
    try:
        calls[call]()
    except KeyboardInterrupt:
        print("left", time.monotonic(), flush=True)
        sys.stdin.readline()
        added = store.position() - rows
        assert log.append(b"x").seq == rows + added + 1
        assert store.verify().holds
        print(added)
"""


# What is there afterwards: a multiple of so many entries, 0 for none.
STEPS = {
    "append": 1,
    "append_many": 0,
    "append_many of C": 0,
    "append_many in batches": 10,
    "append_many to many": 0,
    "transactions": 10,
    "entries": 0,
    "log entries": 0,
    "verify": 0,
    "log verify": 0,
    "wait": 0,
}


@pytest.mark.parametrize(
    ("where", "call"),
    [(where, call) for where in ("file", "memory") for call in STEPS if (where, call) != ("memory", "wait")],
)
def test_ctrl_c(path: Path, where: str, call: str) -> None:
    step = STEPS[call]
    target = str(path) if where == "file" else ":memory:"
    command = [sys.executable, "-c", CHILD, target, call, str(20_000 if step == 0 else 0)]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child,
        ExitStack() as held,
    ):
        assert child.stdin is not None
        assert child.stdout is not None
        if call == "wait":
            assert child.stdout.readline() == "ready\n"
            held.enter_context(held.enter_context(agent_store.open(path)).transaction())
            child.stdin.write("\n")
            child.stdin.flush()
        assert child.stdout.readline() == "begin\n"
        threading.Event().wait(0.15)  # It is well on its way.
        sent = time.monotonic()
        child.send_signal(signal.SIGINT)
        word, left = child.stdout.readline().split()
        assert word == "left"
        assert float(left) - sent < 2
        held.close()
        output, _ = child.communicate("\n", timeout=60)
        assert child.returncode == 0
        added = int(output)
        assert (added > 0 and added % step == 0) if step else added == 0
