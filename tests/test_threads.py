"""Sixteen threads on one store, and four processes on one file: nothing is lost, doubled or out of order."""

import subprocess
import sys
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import agent_store
from agent_store import Entry, Store
from agent_store.errors import HeadMoved, StoreClosed, TransactionConflict
from threads import THREADS, check, together

EACH = 60
pytestmark = pytest.mark.differs("one connection")


def test_threads_append_to_one_log(store: Store) -> None:
    def work(number: int) -> list[Entry]:
        log = store.log("s", "w")
        return [log.append(b"%d/%d" % (number, n)) for n in range(EACH)]

    told = together(work)
    for number, own in enumerate(told):
        assert [entry.payload for entry in own] == [b"%d/%d" % (number, n) for n in range(EACH)]
        assert [entry.seq for entry in own] == sorted(entry.seq for entry in own)
    entries = check(store, THREADS * EACH)
    assert entries == sorted((entry for own in told for entry in own), key=lambda entry: entry.position)


def test_threads_append_in_every_way_to_logs_of_their_own_and_a_common_one(store: Store) -> None:
    def work(number: int) -> list[bytes]:
        own, common = store.log("own", str(number)), store.log("common", "all")
        written: list[bytes] = []
        for n in range(10):
            payloads = [b"%d/%d/%d" % (number, n, k) for k in range(6)]
            written += payloads
            if n % 3 == 0:
                for payload in payloads:
                    own.append(payload)
                    common.append(payload)
            elif n % 3 == 1:
                own.append_many(payloads)
                common.append_many(iter(payloads))
            else:
                store.append_many(row for p in payloads for row in (("own", str(number), p), ("common", "all", p)))
        return written

    told = together(work)
    check(store, 2 * sum(map(len, told)))
    common: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for entry in store.log("common", "all").entries():
        common[entry.payload.split(b"/")[0]].append(entry.payload)
    for number, written in enumerate(told):
        assert [entry.payload for entry in store.log("own", str(number)).entries()] == written
        assert common[b"%d" % number] == written


def test_threads_that_expect_a_head_never_write_after_another(store: Store) -> None:
    log = store.log("s", "w")
    have_looked = threading.Barrier(THREADS)

    def work(number: int) -> tuple[list[Entry], int]:
        written: list[Entry] = []
        refused = 0
        while len(written) < 20:
            head = log.head()
            if head is None:
                have_looked.wait(30)  # So that all but one are refused.
            try:
                entry = log.append(b"%d/%d" % (number, len(written)), expected=head)
            except HeadMoved:
                refused += 1
            else:
                assert entry.prev_hash == (head and head.content_hash)
                written.append(entry)
        return written, refused

    told = together(work)
    entries = check(store, THREADS * 20)
    assert sorted(entries, key=str) == sorted((entry for written, _ in told for entry in written), key=str)
    assert sum(refused for _, refused in told) >= THREADS - 1


def test_generations_give_each_value_once(store: Store) -> None:
    def work(number: int) -> tuple[list[int], list[int]]:
        bumped: list[int] = []
        reserved: list[int] = []
        for n in range(EACH):
            bumped.append(store.generation("bumped").bump())
            reserved += store.generation("reserved").reserve(1 + n % 5)
            raised = store.generation("raised").advance_to(number * n)
            assert raised >= number * n
        return bumped, reserved

    told = together(work)
    for which in (0, 1):
        for own in told:
            assert own[which] == sorted(own[which])
        values = sorted(value for own in told for value in own[which])
        assert values == list(range(1, len(values) + 1))
    assert store.generation("bumped").current() == THREADS * EACH
    assert store.generation("raised").current() == (THREADS - 1) * (EACH - 1)


def test_readers_see_whole_transactions_only(store: Store) -> None:
    last, done = threading.Barrier(THREADS // 2), threading.Event()

    def write(number: int) -> int:
        try:
            for n in range(12):
                with store.transaction():
                    for k in range(5):
                        store.log("s", str(number % 3)).append(b"%d/%d/%d" % (number, n, k))
                    store.append_many([("t", str(number), b"x")] * 5)
        finally:
            last.wait(timeout=60)
            done.set()
        return 12 * 10

    def read(number: int) -> int:
        seen = 0
        while not done.is_set():
            before = store.position()
            positions = [entry.position for entry in store.entries(after=seen)]
            assert positions == list(range(seen + 1, seen + len(positions) + 1))
            seen += len(positions)
            assert seen % 10 == before % 10 == 0
            assert before <= seen
            if number % 4 == 0:
                verdict = store.verify()
                assert verdict.holds, verdict.breaks
                assert verdict.entries % 10 == 0
            assert sum(head.seq for head in store.heads()) % 10 == 0
        return 0

    counts = together(lambda number: read(number) if number % 2 else write(number))
    check(store, sum(counts))


def test_a_transaction_is_its_threads_alone(store: Store) -> None:
    log = store.log("s", "w")

    def work(number: int) -> bytes | None:
        last = None
        for n in range(8):
            mine = b"%d/%d" % (number, n)
            try:
                with store.transaction():
                    log.append(mine)
                    head = log.append(mine)
                    assert log.head() == head
                    assert [entry.payload for entry in log.entries(reverse=True)][:2] == [mine, mine]
                    store.generation("g").bump()
                    if n % 2:
                        raise ValueError("undone")
            except ValueError:
                continue
            last = mine
        return last

    assert together(work) == [b"%d/6" % number for number in range(THREADS)]
    entries = check(store, THREADS * 4 * 2)
    payloads = [entry.payload for entry in entries]
    assert payloads[::2] == payloads[1::2]
    assert len(set(payloads)) == THREADS * 4
    assert store.generation("g").current() == THREADS * 4


def test_a_write_of_another_thread_waits_for_the_transaction_and_is_no_part_of_it(store: Store) -> None:
    log = store.log("s", "w")
    other: list[Entry] = []
    thread = threading.Thread(target=lambda: other.append(log.append(b"other")))

    def undone() -> None:
        with store.transaction():
            log.append(b"lost")
            thread.start()
            thread.join(timeout=0.2)
            assert thread.is_alive()
            raise ValueError("undone")

    with pytest.raises(ValueError, match="undone"):
        undone()
    thread.join(timeout=30)
    assert [entry.payload for entry in check(store, 1)] == [b"other"]
    assert other == [log.head()]


def test_a_transaction_cannot_be_left_in_another_thread(store: Store) -> None:
    block = store.transaction()
    with ThreadPoolExecutor(1) as pool:
        with block:
            store.log("s", "w").append(b"kept")
            with pytest.raises(TransactionConflict):
                pool.submit(block.__exit__, None, None, None).result(timeout=30)
            store.log("s", "w").append(b"too")
        assert pool.submit(store.position).result(timeout=30) == 2


def test_closing_under_threads_loses_nothing_that_returned(path: Path) -> None:
    store = agent_store.open(path)
    begun = threading.Barrier(THREADS + 1)

    def work(number: int) -> list[Entry]:
        written: list[Entry] = []
        log = store.log("s", str(number))
        begun.wait(timeout=30)
        try:
            while True:
                written.append(log.append(b"%d" % len(written)))
        except StoreClosed:
            return written

    with ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(work, number) for number in range(THREADS)]
        begun.wait(timeout=30)
        threading.Event().wait(0.2)
        store.close()
        told = [entry for future in futures for entry in future.result(timeout=30)]
    with agent_store.open(path) as again:
        assert check(again, len(told)) == sorted(told, key=lambda entry: entry.position)


PROCESS = """
import sys, threading
import agent_store
number, threads, each = map(int, sys.argv[2:])
with agent_store.open(sys.argv[1], timeout=60.0) as store:
    print("open", flush=True)
    sys.stdin.readline()
    values = []
    def work(thread):
        for n in range(each):
            store.log("common", "all").append(b"%d/%d/%d" % (number, thread, n))
            store.append_many([("own", f"{number}/{thread}", b"%d" % n), ("own", f"{number}/{thread}", b"")])
            values.append(store.generation("g").bump())
    all = [threading.Thread(target=work, args=[thread]) for thread in range(threads)]
    [thread.start() for thread in all]
    [thread.join() for thread in all]
    print(*values)
"""


def test_four_processes_of_four_threads_on_one_file(path: Path) -> None:
    each = 15
    command = [sys.executable, "-c", PROCESS, str(path)]
    processes = [
        subprocess.Popen([*command, str(n), "4", str(each)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for n in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
    # In turn: communicate() would begin the second when the first is done.
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    values = [int(word) for process in processes for word in process.communicate(timeout=60)[0].split()]
    assert [process.returncode for process in processes] == [0] * 4
    assert sorted(values) == list(range(1, 16 * each + 1))
    with agent_store.open(path) as store:
        check(store, 16 * each * 3)
        common: defaultdict[bytes, list[bytes]] = defaultdict(list)
        for entry in store.log("common", "all").entries():
            thread, _, n = entry.payload.rpartition(b"/")
            common[thread].append(n)
        assert list(common.values()) == [[b"%d" % n for n in range(each)]] * 16
        assert [head.seq for head in store.heads("own")] == [2 * each] * 16
