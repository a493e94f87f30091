"""What is measured: each cell with its floor, and the ratio that it must reach.

Payloads of 100 bytes, a stream of 37 characters and writers of 64, as in real use.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import agent_store
from agent_store import Store, _core
from agent_store.store import Durability
from by_hand import ByHand, Row, ready
from pairs import Pair, Work

STREAM = "conv:0190f3c27b1a7c3e9d550242ac120002"
BATCH = 1_000
WRITERS = 1_000

Rows = list[tuple[str, str, bytes]]  # stream, writer, payload


@dataclass(frozen=True)
class Cell:
    """`at_least`: the floor's time over ours. `rows` is what `make bench` measures, `cores` on how many.

    What is `durable` waits for the disk, and means nothing where a sync is free. Cells of the same `files` share them;
    `crate` is the same in the words of the peer.
    """

    name: str
    at_least: float
    pair: Callable[[Path, int], AbstractContextManager[Pair]]
    rows: int = 1_000_000
    rounds: int = 5
    cores: int | None = None
    files: str = "new"
    crate: tuple[str, Durability] | None = None
    durable: bool = False
    few: int = 20_000  # rows that the tests measure, at most; 0: `make bench` alone does
    handled: int | None = None  # rows of one round, where not all are


def writer(number: int) -> str:
    return f"{number:064x}"


def payload(number: int) -> bytes:
    return number.to_bytes(8, "little").ljust(100, b".")


def of_one(rows: int) -> Rows:
    return [(STREAM, writer(0), payload(number)) for number in range(rows)]


def in_turn(rows: int) -> Rows:
    names = [writer(number) for number in range(WRITERS)]
    return [(STREAM, names[number % WRITERS], payload(number)) for number in range(rows)]


def of_streams(rows: int) -> Rows:
    """A thousand streams, four writers each."""
    streams = [f"conv:{number:032x}" for number in range(1_000)]
    names = [writer(number) for number in range(4)]
    return [(streams[n % 1_000], names[n // 1_000 % 4], payload(n)) for n in range(rows)]


def exhaust(items: Iterable[Any]) -> None:
    deque(items, maxlen=0)


def remove(path: Path) -> None:
    for end in ("", "-wal", "-shm"):
        Path(f"{path}{end}").unlink(missing_ok=True)


@contextmanager
def new_store(path: Path, durability: Durability, timeout: float | None = None) -> Iterator[Store]:
    with agent_store.open(path, durability=durability, timeout=timeout) as store:
        yield store
    remove(path)


@contextmanager
def new_by_hand(path: Path, synchronous: str) -> Iterator[ByHand]:
    by_hand = ByHand(path, synchronous)
    yield by_hand
    by_hand.close()
    remove(path)


def fill(folder: Path, rows: Rows) -> None:
    """Both files, once for all rounds."""
    with agent_store.open(folder / "ours.db", durability="normal") as store:
        store.append_many(rows, batch=BATCH)
    by_hand = ByHand(folder / "floor.db")
    by_hand.db.execute("PRAGMA cache_size = -400000")
    by_hand.insert_many(ready(rows), BATCH)
    by_hand.close()


@contextmanager
def filled(folder: Path, rows: Rows) -> Iterator[tuple[Store, ByHand]]:
    if not (folder / "ours.db").exists():
        fill(folder, rows)
    by_hand = ByHand(folder / "floor.db")
    with agent_store.open(folder / "ours.db", read_only=True) as store:
        yield store, by_hand
    by_hand.close()


def again(work: Work) -> Callable[[], AbstractContextManager[Work]]:
    """A side that needs nothing made ready."""

    @contextmanager
    def side() -> Iterator[Work]:
        yield work

    return side


def appending(
    durability: Durability,
    of: Callable[[int], Rows],
    ours: Callable[[Store, Rows], Work],
    by_hand: Callable[[ByHand, list[Row]], Work],
) -> Callable[[Path, int], AbstractContextManager[Pair]]:
    """Into a new file in each round; what is handed over is made ready before."""

    @contextmanager
    def pair(folder: Path, rows: int) -> Iterator[Pair]:
        plain = of(rows)
        made = ready(plain)

        @contextmanager
        def our_side() -> Iterator[Work]:
            with new_store(folder / "ours.db", durability) as store:
                yield ours(store, plain)

        @contextmanager
        def floor() -> Iterator[Work]:
            with new_by_hand(folder / "floor.db", durability) as hand:
                yield by_hand(hand, made)

        yield Pair(our_side, floor)

    return pair


def many_to_one(store: Store, plain: Rows) -> Work:
    log, payloads = store.log(STREAM, writer(0)), [payload for _, _, payload in plain]
    return lambda: log.append_many(payloads, batch=BATCH)


def many_to_all(store: Store, plain: Rows) -> Work:
    return lambda: store.append_many(plain, batch=BATCH)


def one_by_one(store: Store, plain: Rows) -> Work:
    append, payloads = store.log(STREAM, writer(0)).append, [payload for _, _, payload in plain]
    return lambda: exhaust(map(append, payloads))


def many_by_hand(hand: ByHand, made: list[Row]) -> Work:
    return lambda: hand.insert_many(made, BATCH)


def one_by_hand(hand: ByHand, made: list[Row]) -> Work:
    return lambda: exhaust(map(hand.insert, made))


append_many = appending("normal", of_one, many_to_one, many_by_hand)
append_in_turn = appending("normal", in_turn, many_to_all, many_by_hand)
append_one_normal = appending("normal", of_one, one_by_one, one_by_hand)
append_one_full = appending("full", of_one, one_by_one, one_by_hand)


@contextmanager
def append_hooked(folder: Path, rows: int) -> Iterator[Pair]:
    """Against ourselves with the locks that SQLite takes by itself. Which they are is a matter of each open file."""
    plain = of_one(rows)

    @contextmanager
    def side(name: str, hooks: bool) -> Iterator[Work]:
        before = _core._options(hooks=hooks)
        try:
            with new_store(folder / name, "normal") as store:
                yield one_by_one(store, plain)
        finally:
            _core._options(**before)

    yield Pair(lambda: side("ours.db", hooks=True), lambda: side("floor.db", hooks=False))


@contextmanager
def verify_log(folder: Path, rows: int) -> Iterator[Pair]:
    with filled(folder, of_one(rows)) as (store, by_hand):
        log = store.log(STREAM, writer(0))
        yield Pair(again(log.verify), again(lambda: exhaust(by_hand.log(STREAM, writer(0)))))


@contextmanager
def verify_store(folder: Path, rows: int) -> Iterator[Pair]:
    with filled(folder, in_turn(rows)) as (store, by_hand):
        yield Pair(again(lambda: store.verify().raise_if_broken()), again(lambda: exhaust(by_hand.all())))


@contextmanager
def replay(folder: Path, rows: int) -> Iterator[Pair]:
    with filled(folder, of_one(rows)) as (store, by_hand):
        log = store.log(STREAM, writer(0))
        yield Pair(again(lambda: exhaust(log.entries())), again(lambda: exhaust(by_hand.log(STREAM, writer(0)))))


@contextmanager
def last_of_stream(folder: Path, rows: int) -> Iterator[Pair]:
    """The last twenty of a stream, for a hundred streams."""
    plain = of_streams(rows)
    streams = [stream for stream, _, _ in plain[:100]]
    each = rows // 1_000 // 4
    with filled(folder, plain) as (store, by_hand):

        def ours() -> None:
            for stream in streams:
                assert len(list(islice(store.entries(stream=stream, reverse=True), 20))) == 20

        def floor() -> None:
            for stream in streams:
                for number in range(20):
                    assert by_hand.entry(stream, writer(number % 4), each - number // 4) is not None

        yield Pair(again(ours), again(floor))


CELLS = (
    Cell("append_many, 1,000 a commit, normal", 2.7, append_many, crate=("append_bulk", "normal")),
    Cell("append_many to 1,000 writers in turn, normal", 2.2, append_in_turn, rows=200_000),
    Cell("append one by one, normal", 1.1, append_one_normal, rows=20_000, crate=("append_one", "normal")),
    Cell(
        "append one by one, full",
        0.97,
        append_one_full,
        rows=8_000,
        few=1_000,
        crate=("append_one", "full"),
        durable=True,
    ),
    Cell("append one by one, normal, locks that others cannot drop", 0.97, append_hooked, rows=20_000, rounds=9),
    Cell("verify one chain, one core", 2.5, verify_log, cores=1, files="chain", crate=("verify", "normal")),
    Cell("verify one chain, two cores", 4.2, verify_log, cores=2, files="chain"),
    Cell("verify a store of 1,000 writers, one core", 2.3, verify_store, cores=1, files="turns"),
    Cell("verify a store of 1,000 writers, two cores", 3.6, verify_store, cores=2, files="turns"),
    Cell("replay as Entry objects", 2.3, replay, files="chain", crate=("entries", "normal")),
    Cell("last 20 entries of one of 1,000 streams", 1.0, last_of_stream, rounds=15, files="streams", handled=2_000),
)

BYTES_AT_MOST = 0.42


def bytes_on_disk(folder: Path, rows: int) -> tuple[int, int]:
    """Ours, and the floor's, of one log."""
    with filled(folder, of_one(rows)):
        pass
    return (folder / "ours.db").stat().st_size, (folder / "floor.db").stat().st_size
