"""The program that test_crash.py kills: it says what it is about to do, does it, and says what it was told."""

import json
import os
import random
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import agent_store
from agent_store import Entry, Head, Store

LOGS = [("room", "ada"), ("room", "bob"), ("hall", "ada")]
Told = list[list[object]]


def say(**event: object) -> None:
    """One line, in one system call: it is out whole or not at all."""
    os.write(1, json.dumps(event).encode() + b"\n")


class Unit:
    """What is to be there whole or not at all; each payload says of which unit it is and how many there are."""

    def __init__(self, run: int, call: int, part: int, rows: int) -> None:
        self.rows = rows
        self._name = f"{run}/{call}/{part}"
        self._index = count()

    def payload(self) -> bytes:
        return f"{self._name}/{next(self._index)}/{self.rows}/".encode().ljust(100, b".")

    def payloads(self, rows: int) -> Iterator[bytes]:
        return (self.payload() for _ in range(rows))


def told(*heads: Entry | Head | None) -> Told:
    found = []
    for head in heads:
        assert head is not None
        position = head.position if isinstance(head, Entry) else None
        found.append([head.stream, head.writer, head.seq, head.content_hash.hex(), position])
    return found


class Calls:
    """Each writes the rows of call `n` and returns what the store said of them."""

    def __init__(self, store: Store, run: int, chance: random.Random) -> None:
        self.store, self.run, self.chance = store, run, chance

    def unit(self, n: int, rows: int, part: int = 0) -> Unit:
        return Unit(self.run, n, part, rows)

    def one(self, n: int) -> tuple[int, Told]:
        return 1, told(self.store.log(*self.chance.choice(LOGS)).append(self.unit(n, 1).payload()))

    def many(self, n: int) -> tuple[int, Told]:
        rows = self.chance.randint(1, 300)
        return rows, told(self.store.log(*self.chance.choice(LOGS)).append_many(self.unit(n, rows).payloads(rows)))

    def batches(self, n: int) -> tuple[int, Told]:
        rows, parts = self.chance.randint(1, 60), self.chance.randint(1, 5)
        payloads = (payload for part in range(parts) for payload in self.unit(n, rows, part).payloads(rows))
        return rows * parts, told(self.store.log(*self.chance.choice(LOGS)).append_many(payloads, batch=rows))

    def rows(self, n: int) -> tuple[int, Told]:
        rows = self.chance.randint(1, 300)
        self.store.append_many((*self.chance.choice(LOGS), payload) for payload in self.unit(n, rows).payloads(rows))
        return rows, told(*self.store.heads())

    def transaction(self, n: int) -> tuple[int, Told]:
        many = self.chance.randint(1, 100)
        unit = self.unit(n, many + 3)
        with self.store.transaction():
            self.store.generation("transactions").bump()
            first = self.store.log(*LOGS[0]).append(unit.payload())
            self.store.execute("INSERT INTO notes VALUES (?, ?)", [self.run, n])
            with self.store.transaction():
                self.store.log(*LOGS[1]).append_many(unit.payloads(many))
            self.store.append_many([(*LOGS[2], unit.payload()), (*LOGS[0], unit.payload())])
        return unit.rows, told(first, self.store.log(*LOGS[0]).head())

    def bump(self, n: int) -> tuple[int, Told]:
        say(bumped=self.store.generation("bumped").bump())
        return 0, []


def mixed(path: str, durability: str, run: int) -> None:
    chance = random.Random(run)
    with agent_store.open(path, durability=durability) as store:  # type: ignore[arg-type]
        store.execute("CREATE TABLE IF NOT EXISTS notes (run, call)")
        calls = Calls(store, run, chance)
        ways: list[Callable[[int], tuple[int, Told]]]
        ways = [calls.one, calls.many, calls.batches, calls.rows, calls.transaction, calls.bump]
        for n in count():
            say(begin=n)
            rows, heads = chance.choice(ways)(n)
            say(done=n, rows=rows, told=heads)


def bulk(path: str, durability: str, run: int) -> None:
    """Transactions that do not fit into the cache: most of each is in the WAL before its COMMIT."""
    with agent_store.open(path, durability=durability) as store:  # type: ignore[arg-type]
        for n in count():
            say(begin=n)
            rows = 700
            payloads = (payload.ljust(64 << 10, b".") for payload in Unit(run, n, 0, rows).payloads(rows))
            say(done=n, rows=rows, told=told(store.log(*LOGS[0]).append_many(payloads)))


def create(path: str, durability: str, run: int) -> None:
    for n in count():
        say(begin=n)
        agent_store.open(Path(path) / f"{run}-{n}.db", durability=durability).close()  # type: ignore[arg-type]
        say(done=n, rows=0, told=[])


if __name__ == "__main__":
    {"mixed": mixed, "bulk": bulk, "create": create}[sys.argv[1]](sys.argv[2], sys.argv[3], int(sys.argv[4]))
