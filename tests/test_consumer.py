"""The consumer of the examples, killed again and again while others append: it counts each entry exactly once."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import agent_store
from cli import until
from stores import Schema, a_schema

EXAMPLE = Path(__file__).parent.parent / "examples" / "consumer.py"
KILLS = int(os.environ.get("FAULT_KILLS", "12"))
EACH = 100  # payments of each account before each kill
ACCOUNTS = ("ada", "bob")
PAY = """
import random, sys, agent_store
target, account = sys.argv[1:]
chance = random.Random(account)
with agent_store.open(target, durability="normal", timeout=60) as store:
    payments, others = store.log("payments", account), store.log("letters", account)
    print("ready", flush=True)
    # Until nobody is there any more who wants more of them.
    for line in sys.stdin:
        for _ in range(int(line)):
            payments.append(b"%d" % chance.randrange(1, 10**9))
            if chance.random() < 0.2:
                others.append(b"not a payment")
"""


def consumer(target: str, *arguments: object) -> "subprocess.Popen[str]":
    words = [sys.executable, "-W", "error", str(EXAMPLE), target, *map(str, arguments)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@contextmanager
def writers(target: str) -> "Iterator[list[subprocess.Popen[str]]]":
    """They append as many as each is told to, and end at the end of their input."""
    words = [sys.executable, "-c", PAY, target]
    started = [
        subprocess.Popen([*words, account], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for account in ACCOUNTS
    ]
    try:
        for writer in started:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        yield started
        for writer in started:
            writer.communicate(timeout=60)
            assert writer.returncode == 0
    finally:
        for writer in started:
            writer.kill()
            writer.communicate()


def killed_again_and_again(target: str) -> None:
    chance = random.Random(1)
    agent_store.open(target).close()
    with writers(target) as paying, agent_store.open(target) as store:
        done = store.generation("balances")
        for _ in range(KILLS):
            for writer in paying:
                assert writer.stdin is not None
                writer.stdin.write(f"{EACH}\n")
                writer.stdin.flush()
            before = done.current()
            with consumer(target) as process:
                until(lambda: done.current() > before or process.poll() is not None)  # noqa: B023 - before the next
                time.sleep(chance.uniform(0, 0.05))
                process.send_signal(signal.SIGKILL)
                _, errors = process.communicate(timeout=60)
            assert (process.returncode, errors) == (-9, "")
    with consumer(target, 1) as process:
        shown, errors = process.communicate(timeout=100)
    assert (process.returncode, errors) == (0, "")
    with agent_store.open(target) as store:
        wanted = {
            account: [int(entry.payload) for entry in store.log("payments", account).entries()] for account in ACCOUNTS
        }
        found = {account: rest for account, *rest in store.query("SELECT * FROM balance")}
        newest = max(entry.position for entry in store.entries(stream="payments", reverse=True))
        assert store.generation("balances").current() == newest
    assert all(len(payments) == KILLS * EACH for payments in wanted.values())
    assert found == {account: [sum(payments), len(payments)] for account, payments in wanted.items()}
    assert shown == "".join(
        f"{account}: {sum(payments):,} in {len(payments):,} payments\n" for account, payments in wanted.items()
    )


def test_exactly_once_on_a_file(path: Path) -> None:
    killed_again_and_again(str(path))


@pytest.fixture
def server(postgres: str) -> Iterator[Schema]:
    with a_schema("postgres", postgres) as place:
        yield place


def test_exactly_once_on_a_server(server: Schema) -> None:
    killed_again_and_again(server.url)


def test_two_at_once_share_the_work(path: Path) -> None:
    """Each entry is counted by one of them."""
    with agent_store.open(path, durability="normal") as store:
        consumers = [consumer(str(path), 1) for _ in range(3)]
        store.log("payments", "ada").append_many([b"1"] * 500, batch=7)
        for process in consumers:
            with process:
                assert process.communicate(timeout=60)[1] == ""
                assert process.returncode == 0
        assert store.query("SELECT * FROM balance") == [("ada", 500, 500)]
