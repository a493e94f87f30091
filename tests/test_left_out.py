"""A trigger of somebody else's that lets no entry in: no append is acknowledged that is not there."""

from pathlib import Path

import pytest

import agent_store
from agent_store.errors import BackendError


@pytest.mark.parametrize("count", [1, 20, 3_000])
def test_a_trigger_that_leaves_entries_out_is_told_of(path: Path, count: int) -> None:
    with agent_store.open(path) as store:
        log = store.log("s", "w")
        first = log.append(b"0")
        store.execute("CREATE TRIGGER no BEFORE INSERT ON _agent_store_entries BEGIN SELECT RAISE(IGNORE); END")
        with pytest.raises(BackendError, match="leaves entries out"):
            log.append_many([b"x"] * count)
        with pytest.raises(BackendError, match="leaves entries out"):
            store.append_many([("s", "w", b"x"), ("s", "new", b"x")] * count)
        assert [found.kind for found in store.verify().breaks] == ["schema"]
        store.execute("DROP TRIGGER no")
        assert (log.head(), len(store.heads())) == (first, 1)
        assert log.append(b"1", expected=first).position == 2
        assert store.verify().holds
