"""Named counters: every change reads and writes under one write lock, and only ever upwards."""

from agent_store.backends.common.session import Session, WritingSession
from agent_store.errors import MalformedRow, NonMonotonicGeneration

LARGEST = 2**63 - 1


def current(session: Session, key: str) -> int:
    """0 for a counter that nobody has moved yet."""
    rows = session.fetch("generation", key)
    if not rows:
        return 0
    value = rows[0][0]
    if not isinstance(value, int) or value < 0:
        held = "no integer" if value is None else value
        raise MalformedRow(None, None, None, f"generation {key!r} holds {held}, not an integer from 0 to 2^63 - 1")
    return value


def change(session: WritingSession, key: str, how: str, n: int) -> int:
    """The value after it; the caller has the write lock."""
    value = current(session, key)
    after = following(key, value, how, n)
    if after != value:
        session.change("set_generation", key, after)
    return after


def following(key: str, value: int, how: str, n: int) -> int:
    """What a change makes of `value`."""
    if how == "bump":
        after = value + 1
    elif how == "set":
        if n < value:
            raise NonMonotonicGeneration(key, value, n)
        after = n
    elif how == "advance":
        after = max(value, n)
    elif how == "reserve":
        after = value + n
    else:
        raise ValueError(f"a generation has no way {how!r}")
    if after > LARGEST:
        raise OverflowError(f"generation {key!r} stands at {value} and cannot rise past 2^63 - 1")
    return after


def every(session: Session) -> list[tuple[str, int]]:
    """Every counter and its value, by key."""
    rows = session.fetch("generations")
    for key, value in rows:
        if not isinstance(key, str) or not isinstance(value, int):
            raise MalformedRow(None, None, None, f"generation {key!r} holds {value!r}, not an integer")
    return rows
