"""Where in a log the entries after a position begin."""

from collections.abc import Iterable

from agent_store.backends.common.session import Listed, Session


def first_after(session: Session, heads: Iterable[tuple[int, int, int]], position: int) -> dict[int, int]:
    """The first seq above `position` of each of these (log, seq of its head, position of its head); logs that have
    none are left out.

    Within a log seq and position rise together, so this is a binary search, from the head backwards in steps that
    double: who asks for what is new pays for what is new. All logs take each step in one statement.
    """
    if position <= 0:
        return {log: 1 for log, _, _ in heads}
    # What is looked for lies from `low` to `high`, which is above `position`.
    spans = {log: (1, seq) for log, seq, place in heads if place > position}
    found: dict[int, int] = {}
    step = 1
    doubling = dict.fromkeys(spans, True)
    while spans:
        asked = {
            log: max(low, high - step) if doubling[log] else low + (high - low) // 2
            for log, (low, high) in spans.items()
        }
        step *= 2
        answers = {log: (seq, place) for log, seq, place in session.from_seq(list(asked.items()))}
        for log, probe in asked.items():
            low, high = spans[log]
            seq, place = answers.get(log, (high, position + 1))
            if place <= position:
                low, doubling[log] = seq + 1, False
            else:
                high = probe
            if low >= high:
                found[log] = high
                del spans[log]
            else:
                spans[log] = (low, high)
    return found


def cut(session: Session, logs: Iterable[Listed], upto: int) -> list[Listed]:
    """These logs with the newest entries that they had at position `upto`, without those that had none."""
    begun = [row for row in logs if row[3] is not None]
    later = {log: (seq or 0, place) for log, _, _, seq, _, place in begun if place is not None and place > upto}
    if not later:
        return begun
    first = first_after(session, ((log, seq, place) for log, (seq, place) in later.items()), upto)
    found = {row[0]: row[2:] for row in session.before(list(first.items()))}
    return [
        row if row[0] not in later else (*row[:3], *found[row[0]])
        for row in begun
        if row[0] not in later or row[0] in found
    ]
