"""What rings and what does not, by name, for the test's own process and for another, which does what it is told."""

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

import agent_store
from agent_store import Store
from agent_store.errors import HeadMoved, NonMonotonicGeneration


class Left(Exception):
    """Of the tests' own."""


def in_transaction(store: Store) -> None:
    with store.transaction():
        store.execute("CREATE TABLE IF NOT EXISTS notes (text)")
        store.execute("INSERT INTO notes VALUES ('x')")
        store.log("s", "w").append(b"x")


def in_inner_block(store: Store) -> None:
    with store.transaction(), store.transaction():
        store.log("s", "w").append(b"x")


def only_a_bump(store: Store) -> None:
    with store.transaction():
        store.generation("g").bump()


def only_own_sql(store: Store) -> None:
    store.execute("CREATE TABLE IF NOT EXISTS notes (text)")
    store.execute("INSERT INTO notes VALUES ('x')")


def rolled_back(store: Store) -> None:
    with suppress(Left), store.transaction():
        store.log("s", "w").append(b"x")
        store.generation("g").bump()
        raise Left


def empty_transaction(store: Store) -> None:
    with store.transaction():
        store.position()


def failing_iterable(store: Store) -> None:
    def payloads() -> Iterator[bytes]:
        yield from [b"x"] * 5_000
        raise Left

    with suppress(Left):
        store.log("s", "w").append_many(payloads())


def refused(store: Store) -> None:
    with suppress(NonMonotonicGeneration):
        store.generation("refused").set(0)
    with suppress(HeadMoved):
        store.log("refused", "w").append(b"x", expected=None)


def prepare(store: Store) -> None:
    """What `refused` needs."""
    store.generation("refused").set(3)
    store.log("refused", "w").append(b"x")


RINGS: dict[str, Callable[[Store], object]] = {
    "append": lambda store: store.log("s", "w").append(b"x"),
    "append_many": lambda store: store.log("s", "w").append_many([b"x"] * 20),
    "append_many of the store": lambda store: store.append_many([("s", f"w{i}", b"x") for i in range(5)]),
    "append_many with batch": lambda store: store.log("s", "w").append_many([b"x"] * 7, batch=3),
    "bump": lambda store: store.generation("g").bump(),
    "set": lambda store: store.generation("g").set(store.generation("g").current() + 1),
    "advance_to": lambda store: store.generation("g").advance_to(store.generation("g").current() + 1),
    "reserve": lambda store: store.generation("g").reserve(5),
    "transaction": in_transaction,
    "transaction of a bump": only_a_bump,
    "inner block": in_inner_block,
    "own SQL": only_own_sql,
    "ring": lambda store: store.doorbell.ring(),
}
SILENT: dict[str, Callable[[Store], object]] = {
    "rollback": rolled_back,
    "an iterable that fails": failing_iterable,
    "refused": refused,
    "empty transaction": empty_transaction,
    "reading": lambda store: (list(store.entries()), store.heads(), store.position(), store.info()),
    "verify": lambda store: store.verify().holds,
    "query": lambda store: store.query("SELECT 1"),
    "append_many of nothing": lambda store: store.append_many([]),
}


def main(path: str) -> None:
    with agent_store.open(path) as store:
        print("open", flush=True)
        for line in sys.stdin:
            {**RINGS, **SILENT}[line.strip()](store)
            print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
