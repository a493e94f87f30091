"""What verify cannot see, as docs/safety.md says, and which of it a head that was kept shows."""

from collections.abc import Callable
from pathlib import Path

import pytest

import agent_store
from agent_store.errors import ChainBroken
from tampering import build, damage, forged_hash


def forged() -> str:
    payload = b"nothing happened here"
    return (
        f"UPDATE _agent_store_entries SET payload = x'{payload.hex()}', "
        f"content_hash = x'{forged_hash(1, 20, payload).hex()}' WHERE log = 1 AND seq = 20"
    )


UNSEEN: dict[str, str | Callable[[], str]] = {
    "rewritten to its end": forged,
    "newest entries of the store removed": "DELETE FROM _agent_store_entries WHERE position > 57",
    "names of two logs exchanged": """UPDATE _agent_store_logs SET writer = 'x' WHERE id = 1;
        UPDATE _agent_store_logs SET writer = 'ada' WHERE id = 2;
        UPDATE _agent_store_logs SET writer = 'bob' WHERE id = 1;""",
    "positions exchanged between logs": """UPDATE _agent_store_entries SET position = 1000 WHERE position = 20;
        UPDATE _agent_store_entries SET position = 20 WHERE position = 21;
        UPDATE _agent_store_entries SET position = 21 WHERE position = 1000;""",
    "a generation set back": "UPDATE _agent_store_meta SET ival = 1 WHERE key = 'report'",
}
SHOWN_BY_A_HEAD = list(UNSEEN)[:3]


@pytest.mark.parametrize("what", UNSEEN)
def test_what_verify_cannot_see(path: Path, what: str) -> None:
    """And which of it a head that was kept shows."""
    build(path)
    with agent_store.open(path) as store:
        kept = store.log("room", "ada").verify()
    sql = UNSEEN[what]
    damage(path, sql if isinstance(sql, str) else sql())
    with agent_store.open(path) as store:
        assert store.verify().holds
        log = store.log("room", "ada")
        if what in SHOWN_BY_A_HEAD:
            with pytest.raises(ChainBroken, match="given as contains is not in the log"):
                log.verify(contains=kept)
        else:
            assert log.verify(contains=kept) == kept
