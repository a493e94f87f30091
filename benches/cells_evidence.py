"""Cells of evidence: sealing, and verifying beside the tree, against verifying; receipts against single SELECTs."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import agent_store
from agent_store import SigningKey, Store
from by_hand import ByHand, ready
from cells import BATCH, STREAM, Cell, Rows, again, in_turn, of_one, remove, writer
from pairs import Pair, Work

KEY = SigningKey.from_seed("bench.example/db", bytes(range(32)))
RECEIPTS = 200
SELECTS = 50
"""By hand, in the time of one receipt."""

Of = Callable[[int], Rows]


@contextmanager
def a_store(path: Path, rows: Rows, *, sealed: bool) -> Iterator[Store]:
    with agent_store.open(path, durability="normal") as store:
        store.append_many(rows, batch=BATCH)
        if sealed:
            store.checkpoint(KEY)
    with agent_store.open(path, durability="normal") as store:
        yield store
    remove(path)


def sealing(of: Of) -> Callable[[Path, int], AbstractContextManager[Pair]]:
    """All of it for the first time, from a copy in each round."""

    @contextmanager
    def pair(folder: Path, rows: int) -> Iterator[Pair]:
        path, copied = folder / "source.db", folder / "copied.db"
        with a_store(path, of(rows), sealed=False) as store:
            store.backup(folder / "whole.db")

            @contextmanager
            def ours() -> Iterator[Work]:
                shutil.copyfile(folder / "whole.db", copied)
                with agent_store.open(copied, durability="normal") as copy:
                    copy.position()
                    yield lambda: copy.checkpoint(KEY)
                remove(copied)

            @contextmanager
            def floor() -> Iterator[Work]:
                shutil.copyfile(folder / "whole.db", copied)
                with agent_store.open(copied, durability="normal") as copy:
                    copy.position()
                    yield lambda: copy.verify().raise_if_broken()
                remove(copied)

            yield Pair(ours, floor)
        remove(folder / "whole.db")

    return pair


def verifying(of: Of) -> Callable[[Path, int], AbstractContextManager[Pair]]:
    @contextmanager
    def pair(folder: Path, rows: int) -> Iterator[Pair]:
        with a_store(folder / "sealed.db", of(rows), sealed=True) as store:

            def ours() -> None:
                assert store.verify(keys=KEY)

            yield Pair(again(ours), again(lambda: store.verify().raise_if_broken()))

    return pair


@contextmanager
def receipts(folder: Path, rows: int) -> Iterator[Pair]:
    plain = of_one(rows)
    by_hand = ByHand(folder / "floor.db")
    by_hand.insert_many(ready(plain), BATCH)
    with a_store(folder / "sealed.db", plain, sealed=True) as store:
        step = max(1, rows // RECEIPTS)
        log = store.log(STREAM, writer(0))
        entries = [entry for seq in range(1, rows + 1, step) if (entry := log.entry(seq))]

        def ours() -> None:
            for entry in entries:
                store.receipt(entry)

        def floor() -> None:
            for entry in entries:
                for number in range(SELECTS):
                    by_hand.entry(STREAM, writer(0), (entry.seq + number * 7_919) % rows + 1)

        yield Pair(again(ours), again(floor))
    by_hand.close()
    remove(folder / "floor.db")


@contextmanager
def appending(folder: Path, rows: int) -> Iterator[Pair]:
    """To a store that was sealed, and to one that never was: a tree costs nothing until the next checkpoint."""
    plain = of_one(10 * BATCH)

    def side(*, sealed: bool) -> Callable[[], AbstractContextManager[Work]]:
        @contextmanager
        def ready() -> Iterator[Work]:
            with a_store(folder / f"{sealed}.db", plain, sealed=sealed) as store:
                log = store.log(STREAM, writer(0))
                payloads = [payload for _, _, payload in plain]

                def append() -> None:
                    for number in range(rows):
                        log.append(payloads[number % len(payloads)])

                yield append

        return ready

    yield Pair(side(sealed=True), side(sealed=False))


CELLS = (
    Cell("seal a chain, against verifying it, two cores", 0.4, sealing(of_one), cores=2),
    Cell("seal 1,000 writers, against verifying them, two cores", 0.4, sealing(in_turn), cores=2),
    Cell("verify a chain beside the tree, against without, one core", 0.45, verifying(of_one), cores=1),
    Cell("verify 1,000 writers beside the tree, against without, two cores", 0.45, verifying(in_turn), cores=2,
         few=80_000),  # Each range looks up each writer once: that is for many rows.
    Cell(f"a receipt, against {SELECTS} single SELECTs", 1.0, receipts, handled=RECEIPTS, rounds=9),
    Cell("append one by one to a sealed store, against one without, normal", 0.97, appending, rows=20_000, rounds=9,
         few=5_000),
)  # fmt: skip
