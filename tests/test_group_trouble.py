"""What goes wrong in the middle of a shared commit: a write that fails half way, a timeout, Ctrl-C."""

import time
from _thread import interrupt_main
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import repeat
from pathlib import Path

import pytest

import agent_store
from agent_store import Entry, Store
from agent_store.errors import BackendError, BusyError
from threads import A_MOMENT, PATIENCE, THREADS, Call, Threads, at_once, check, locked, together

FAIL = """CREATE TRIGGER trouble AFTER INSERT ON _agent_store_entries WHEN NEW.payload = CAST('trouble' AS BLOB)
    BEGIN SELECT RAISE({how}, 'trouble'); END"""
LAST = """CREATE TRIGGER trouble AFTER INSERT ON _agent_store_entries WHEN NEW.payload = CAST('trouble' AS BLOB)
    BEGIN SELECT count(*) FROM (
        WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT 4000000) SELECT i FROM n
    ); END"""
"""A trigger of the caller's, which makes one entry's INSERT take long."""
TIMEOUT = 0.5


def append(writer: str, payload: bytes) -> Call:
    return lambda store: store.log("s", writer).append(payload)


def append_many(writer: str, payloads: list[bytes]) -> Call:
    return lambda store: store.log("s", writer).append_many(payloads)


@pytest.mark.parametrize("how", ["FAIL", "ABORT", "ROLLBACK"])
def test_a_write_that_fails_half_way_leaves_nothing_and_harms_no_other(path: Path, how: str) -> None:
    """Its log was made before its entry was refused, or an entry before the one that was."""
    with agent_store.open(path, timeout=PATIENCE) as store:
        store.execute(FAIL.format(how=how))
        calls = [append("common", b"%d" % number) for number in range(THREADS)]
        calls[3:3] = [append("new", b"trouble"), append_many("common", [b"lost", b"trouble"])]
        calls.insert(9, append("newer", b"trouble"))
        calls += [lambda store: store.generation("g").bump()] * 4
        told = at_once(store, lambda _: locked(path), calls)
        store.execute("DROP TRIGGER trouble")

        refused = [error for error in told if isinstance(error, BaseException)]
        assert [(type(error), str(error)) for error in refused] == [(BackendError, "trouble")] * 3
        written = [entry for entry in told if isinstance(entry, Entry)]
        assert Counter(entry.payload for entry in written) == Counter(b"%d" % number for number in range(THREADS))
        assert check(store, THREADS) == sorted(written, key=lambda entry: entry.position)
        assert sorted(found for found in told if isinstance(found, int)) == [1, 2, 3, 4]
        assert store.generation("g").current() == 4
        assert {head.writer for head in store.heads()} == {"common"}


@pytest.mark.parametrize("how", ["FAIL", "ABORT", "ROLLBACK"])
def test_an_entry_that_is_refused_takes_no_position(path: Path, how: str) -> None:
    """Nothing had changed when it was refused, but for the count."""
    with agent_store.open(path) as store:
        log = store.log("s", "w")
        log.append(b"first")
        store.execute(FAIL.format(how=how).replace("AFTER", "BEFORE"))
        for _ in range(3):
            with pytest.raises(BackendError, match="trouble"):
                log.append(b"trouble")
        assert log.append(b"second").position == 2
        store.execute("DROP TRIGGER trouble")
        check(store, 2)


def test_each_is_told_its_own_though_others_come_while_a_commit_is_undone(path: Path) -> None:
    """Again and again a shared commit is undone, and done over while the next threads stand in the line."""
    with agent_store.open(path, timeout=PATIENCE) as store:
        store.execute(FAIL.format(how="FAIL"))

        def work(number: int) -> list[Entry]:
            log = store.log("s", str(number))
            told = []
            for n in range(60):
                if number < 2 and n % 3 == 2:
                    with pytest.raises(BackendError, match="trouble"):
                        log.append(b"trouble")
                else:
                    told.append(log.append(b"%d" % n))
            assert list(log.entries()) == told
            return told

        told = together(work)
        store.execute("DROP TRIGGER trouble")
        assert check(store, sum(map(len, told))) == sorted((e for each in told for e in each), key=lambda e: e.position)


def one_takes_long(store: Store, others: int) -> "Threads[Entry]":
    """Threads that append, the last in the line what takes long: it is written after all who are in the line then."""

    def work(number: int) -> Entry:
        log = store.log("s", str(number))
        if number < others:
            return log.append(b"%d" % number)
        time.sleep(A_MOMENT / 2)
        return log.append(b"trouble")

    return Threads(work, others + 1)


def test_a_timeout_in_the_middle_of_a_commit_says_what_came_of_it(path: Path) -> None:
    with agent_store.open(path, timeout=TIMEOUT) as store:
        store.execute(LAST)
        with locked(path):
            threads = one_takes_long(store, 8)
            time.sleep(A_MOMENT)
        with threads:
            told = threads.outcomes()
        store.execute("DROP TRIGGER trouble")
        assert {type(found) for found in told} <= {Entry, BusyError}
        written = [entry for entry in told if isinstance(entry, Entry)]
        assert check(store, len(written)) == sorted(written, key=lambda entry: entry.position)


def test_ctrl_c_in_the_middle_of_a_commit_waits_for_it(path: Path) -> None:
    with agent_store.open(path, timeout=PATIENCE) as store, ExitStack() as lock, ThreadPoolExecutor(1) as pool:
        store.execute(LAST)
        log = store.log("s", "main")

        def go_on_and_interrupt() -> None:
            time.sleep(A_MOMENT)
            lock.close()
            time.sleep(A_MOMENT)
            interrupt_main()

        lock.enter_context(locked(path))
        with one_takes_long(store, 4) as threads:
            time.sleep(A_MOMENT / 4)
            interrupting = pool.submit(go_on_and_interrupt)
            with pytest.raises(KeyboardInterrupt):
                list(map(log.append, repeat(b"main")))
            there = log.head()
            assert len(threads.results()) == 5
            interrupting.result(PATIENCE)
        assert log.head() == there
        store.execute("DROP TRIGGER trouble")
        check(store, 5 + (there.seq if there else 0))
