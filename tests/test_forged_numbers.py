"""Numbers at the ends of what 64 bits hold, forged into rows: every call ends in an answer or an error of ours."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

import agent_store
from agent_store import Store
from agent_store.errors import StoreError
from tampering import BOB_SEVENTH, build, damage

pytestmark = pytest.mark.timeout(20)

MAX = 2**63 - 1
MIN = -(2**63)


def set_seventh(column: str, value: int) -> str:
    return f"UPDATE _agent_store_entries SET {column} = {value} {BOB_SEVENTH}"


TWO_LAST = f"""UPDATE _agent_store_entries SET seq = {MAX - 1} WHERE log = 2 AND seq = 19;
    UPDATE _agent_store_entries SET seq = {MAX} WHERE log = 2 AND seq = 20"""


@pytest.mark.parametrize(
    "sql",
    [*(set_seventh(column, value) for column in ("seq", "position") for value in (MIN, 0, MAX - 1, MAX)), TWO_LAST],
)
def test_forged_numbers_are_never_a_panic(tmp_path: Path, sql: str) -> None:
    path = tmp_path / "app.db"
    build(path)
    damage(path, sql)
    with agent_store.open(path) as store:
        assert not store.verify()
        for call in calls(store):
            with suppress(StoreError, ValueError, OverflowError):
                call()


def read(store: Store, after: int, stream: str | None, writer: str | None, reverse: bool) -> None:
    list(store.entries(after=after, stream=stream, writer=writer, reverse=reverse))


def calls(store: Store) -> list[Callable[[], object]]:
    log = store.log("room", "bob")
    heads = [head for head in store.heads() if head.writer == "bob"]
    readings: list[Callable[[], object]] = [
        partial(read, store, after, stream, writer, reverse)
        for after in (0, 19, 20, 25, 55, 56, 58, 59, MAX)
        for reverse in (False, True)
        for stream, writer in ((None, None), ("room", None), (None, "bob"), ("room", "bob"))
    ]
    return [
        *readings,
        *(partial(log.verify, since=head) for head in heads),
        *(partial(log.verify, contains=head) for head in heads),
        *(partial(log.entry, seq) for seq in (MIN, 0, 7, 8, 21, MAX - 1, MAX)),
        *(lambda start=start: list(log.entries(start)) for start in (1, 8, MAX - 1, MAX)),
        *(lambda start=start: list(log.entries(start, reverse=True)) for start in (1, 8, MAX - 1, MAX)),
        *(lambda stop=stop: list(log.entries(8, stop)) for stop in (MAX - 1, MAX)),
        log.head,
        log.verify,
        lambda: log.append(b"x"),
    ]


def test_nothing_follows_the_greatest_seq(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    build(path)
    damage(path, TWO_LAST)
    with agent_store.open(path, read_only=True) as store:
        head = next(head for head in store.heads() if head.writer == "bob")
        assert head.seq == MAX
        assert store.log("room", "bob").verify(since=head) == head
