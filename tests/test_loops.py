"""A loop over entries ends where it began, whatever is appended or undone meanwhile, over every backend."""

import pytest

from agent_store import Entry, Store
from agent_store.errors import ChainBroken, StoreError, TransactionConflict


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_appending_inside_the_loop_is_safe_and_it_ends_where_it_began(store: Store, whole: bool, reverse: bool) -> None:
    log = store.log("s", "w")
    log.append_many(b"%d" % number for number in range(99))
    for stream, writer in ((None, None), ("s", None), ("s", "w")):
        before = list(store.entries() if whole else log.entries())
        entries = (
            store.entries(stream=stream, writer=writer, reverse=reverse) if whole else log.entries(reverse=reverse)
        )
        before.append(log.append(b"it begins with the first next()"))
        found: list[Entry] = []
        for entry in entries:
            assert len(found) < len(before), "the loop does not end"
            found.append(entry)
            log.append(b"more")
        assert found == (before[::-1] if reverse else before)
    assert store.verify().holds


def test_loops_over_a_stream_with_many_logs_end_where_they_began(store: Store) -> None:
    store.append_many(("s", f"w{number % 7}", b"x") for number in range(100))
    for reverse in (False, True):
        before = list(store.entries(stream="s", reverse=reverse))
        found: list[Entry] = []
        for entry in store.entries(stream="s", reverse=reverse):
            found.append(entry)
            store.append_many([("s", f"w{len(found) % 7}", b"old log"), ("s", f"new{reverse}{len(found)}", b"new log")])
        assert found == before


def test_a_loop_begun_in_a_transaction_that_was_undone_tells_no_damage(store: Store) -> None:
    log = store.log("s", "w")
    first = log.append(b"kept")
    entries = log.entries(reverse=True)

    def undone() -> None:
        with store.transaction():
            log.append_many([b"lost"] * 200)
            next(entries)
            raise ValueError("undone")

    with pytest.raises(ValueError, match="undone"):
        undone()
    try:
        rest = list(entries)
    except ChainBroken as error:
        pytest.fail(f"the log holds, and reading it says: {error}")
    except StoreError:  # that the loop cannot go on may be said
        return
    assert rest[-1] == first


@pytest.mark.parametrize("whole", [False, True])
def test_a_loop_begun_in_a_transaction_that_was_undone_gives_nothing_else(store: Store, whole: bool) -> None:
    log = store.log("s", "w")
    entries = store.entries() if whole else log.entries()

    def undone() -> None:
        with store.transaction():
            log.append_many([b"lost"] * 200)
            next(entries)
            raise ValueError("undone")

    with pytest.raises(ValueError, match="undone"):
        undone()
    log.append_many([b"another"] * 300)
    with pytest.raises(TransactionConflict):
        list(entries)
