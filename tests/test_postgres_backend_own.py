"""Connections of the store's own: processes that open at once, forks, Ctrl-C, a standby, a lost block."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

import agent_store
from agent_store import Store
from agent_store.errors import BusyError, ForkedStore, ReadOnlyStore, StoreClosed
from processes import script
from stores import Schema, a_schema

TOGETHER = 8


@pytest.fixture
def schema(postgres: str) -> Iterator[Schema]:
    with a_schema("postgres", postgres) as place:
        yield place


OPENS = """
import sys, agent_store
print("ready", flush=True)
sys.stdin.readline()
with agent_store.open(sys.argv[1], timeout=30) as store:
    store.generation("g").bump()
    print(store.log("s", sys.argv[2]).append(b"x").position)
"""


def test_many_processes_make_it_at_once(schema: Schema) -> None:
    with ExitStack() as stack:
        programs = [stack.enter_context(script(OPENS, schema.url, f"w{number}")) for number in range(TOGETHER)]
        for program in programs:
            assert program.stdout is not None
            assert program.stdout.readline() == "ready\n"
        for program in programs:
            assert program.stdin is not None
            program.stdin.write("\n")
            program.stdin.flush()
        positions = [int(program.communicate(timeout=60)[0]) for program in programs]
    assert sorted(positions) == list(range(1, TOGETHER + 1))
    with schema.open() as store:
        assert store.generation("g").current() == TOGETHER
        assert store.verify().holds


def connections(schema: Schema) -> list[int]:
    rows = schema.run("SELECT pid FROM pg_stat_activity WHERE application_name = %s", schema.name)
    return [pid for (pid,) in rows]


def in_a_child(work: Callable[[], None]) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        try:
            work()
            gc.collect()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - told by the status
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_touches_nothing_of_the_parents(schema: Schema) -> None:
    store = schema.open()
    store.log("s", "w").append(b"a")
    before = connections(schema)
    block = store.transaction()
    block.__enter__()
    store.log("s", "w").append(b"b")
    parents: list[object] = [store, block]

    def work() -> None:
        calls: list[Callable[[], object]] = [
            store.position,
            store.verify,
            store.heads,
            lambda: store.log("s", "w"),
            lambda: store.execute("SELECT 1"),
            lambda: block.__exit__(None, None, None),
            lambda: agent_store.open(schema.url).close(),
        ]
        for call in calls[:-1]:
            with pytest.raises(ForkedStore):
                call()
        calls[-1]()
        with pytest.raises(ForkedStore):
            store.close()
        parents.clear()

    assert in_a_child(work) == 0
    assert store.log("s", "w").append(b"c").seq == 3
    block.__exit__(None, None, None)
    assert set(before) <= set(connections(schema))
    assert [entry.payload for entry in store.entries()] == [b"a", b"b", b"c"]
    store.close()


def interrupted(call: Callable[[], object], after: float) -> None:
    main = threading.main_thread().ident or 0
    timer = threading.Timer(after, lambda: signal.pthread_kill(main, signal.SIGINT))
    # Hypothesis hooks into the collector, and Python swallows an interrupt that falls into such a hook.
    gc.disable()
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            call()
    finally:
        gc.enable()
    timer.join()


@pytest.mark.skipif(sys.platform == "win32", reason="no signal to a thread")
def test_ctrl_c_while_it_waits(schema: Schema) -> None:
    with schema.open(timeout=20) as store, schema.open() as other:
        with other.transaction():
            for call in (
                lambda: store.log("s", "w").append(b"a"),
                lambda: store.log("s", "w").append_many([b"a"] * 5_000),
                store.generation("g").bump,
                store.transaction().__enter__,
            ):
                began = time.monotonic()
                interrupted(call, 0.2)
                assert time.monotonic() - began < 5
        interrupted(lambda: store.query("SELECT pg_sleep(20)"), 0.2)
        assert (store.position(), store.generation("g").current()) == (0, 0)
        assert store.log("s", "w").append(b"b").position == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no signal to a thread")
def test_ctrl_c_amid_bulk_and_verification(schema: Schema) -> None:
    with schema.open() as store:
        store.log("s", "w").append_many([b"x" * 100] * 50_000)
        interrupted(lambda: [store.verify() for _ in range(1_000)], 0.3)
        interrupted(lambda: [store.log("s", "w").append_many([b"x" * 1_000] * 5_000) for _ in range(1_000)], 0.5)
        interrupted(lambda: [list(store.entries()) for _ in range(1_000)], 0.3)
        assert (store.position() - 50_000) % 5_000 == 0
        assert store.verify().holds
        assert len(connections(schema)) <= 10


def test_a_block_that_is_lost_lets_the_lock_go(schema: Schema) -> None:
    with schema.open() as store, schema.open(timeout=0.2) as other:
        block = store.transaction()
        block.__enter__()
        with pytest.raises(BusyError, match="write lock"):
            other.log("s", "w").append(b"x")
        del block
        gc.collect()
        other.log("s", "w").append(b"x")
        assert store.position() == 1


def test_closing_closes_the_connections(schema: Schema) -> None:
    store = schema.open()
    entries = store.entries()
    store.log("s", "w").append(b"x")
    assert connections(schema)
    store.close()
    store.close()
    for call in (store.position, lambda: next(entries), lambda: store.log("s", "w")):
        with pytest.raises(StoreClosed):
            call()
    end = time.monotonic() + 5
    while connections(schema) and time.monotonic() < end:
        time.sleep(0.02)
    assert not connections(schema)


def test_a_forgotten_store_is_told_of_once(schema: Schema) -> None:
    program = (
        "import agent_store, gc, sys\nstore = agent_store.open(sys.argv[1])\nstore.position()\ndel store\ngc.collect()"
    )
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", program, schema.url],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr.count("ResourceWarning") == 1
    assert "Store(" in done.stderr


def test_where_the_server_takes_no_writes(schema: Schema) -> None:
    """As a standby."""
    with schema.open() as store:
        store.log("s", "w").append_many([b"x"] * 20)
    standby = schema.url.replace("options=", "options=-cdefault_transaction_read_only%3Don%20", 1)
    with agent_store.open(standby, read_only=True) as store:
        reads(store)
    with agent_store.open(schema.url, read_only=True) as store:
        reads(store)


def reads(store: Store) -> None:
    assert store.verify().holds
    assert len(list(store.entries())) == store.position() == 20
    assert store.log("s", "w").verify() == store.heads()[0]
    assert store.info()["read_only"] is True
    for write in (
        lambda: store.log("s", "w").append(b"y"),
        store.generation("g").bump,
        lambda: store.execute("CREATE TABLE notes (x int)"),
        lambda: store.query("CREATE TABLE notes (x int)"),
        lambda: store.transaction().__enter__(),
    ):
        with pytest.raises(ReadOnlyStore):
            write()


def test_nothing_is_left_in_a_session(schema: Schema) -> None:
    """So that a pooler may give it to somebody else."""
    settings = "SELECT name, setting FROM pg_settings WHERE source = 'session'"
    with schema.open(durability="normal", timeout=0.5) as store:
        before = store.query(settings)
        store.log("s", "w").append(b"x")
        with store.transaction():
            store.log("s", "w").append_many([b"x"] * 100)
            assert store.query("SHOW enable_seqscan") == [("on",)]
            assert store.query("SHOW synchronous_commit") == [("off",)]
        store.verify()
        assert store.query(settings) == before
        assert store.query("SHOW synchronous_commit") == [("on",)]
        assert store.query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]


def test_full_is_on_where_the_server_says_off(schema: Schema) -> None:
    off = schema.url.replace("options=", "options=-csynchronous_commit%3Doff%20", 1)
    for durability, level in (("full", "on"), ("normal", "off")):
        options: Any = {"durability": durability}
        with agent_store.open(off, **options) as store, store.transaction():
            assert store.query("SHOW synchronous_commit") == [(level,)]


def test_a_reading_statement_notifies(schema: Schema) -> None:
    with psycopg.connect(schema.server, autocommit=True) as listening, agent_store.open(schema.url) as store:
        listening.execute("LISTEN spoken")
        assert store.query("SELECT pg_notify('spoken', 'word') IS NOT NULL") == [(True,)]
        assert [told.payload for told in listening.notifies(timeout=5, stop_after=1)] == ["word"]
