"""Appending: one entry in one round trip where the log is where it was, and any number of rows by COPY."""

from agent_store._core import Appended, copy_block, extend, extend_rows
from agent_store.backends.postgres.ledger import Hints, Ledger, Name, Place
from agent_store.backends.postgres.turn import Turn
from agent_store.backends.postgres.wire import Call, Trouble
from agent_store.errors import HeadMoved

FEW = 8  # rows that go as parameters of one statement; more go by COPY, which takes two round trips

Row = tuple[int, int, int, bytes, bytes]
Expected = tuple[int, bytes] | None


def append_next(turn: Turn, hint: Place, name: Name, payload: bytes, oid: int, *, prepared: bool) -> Appended | None:
    """One entry after the head that the log had the last time, all in one round trip; None where that is not it."""
    log, seq, content_hash = hint
    row = extend(0, log, seq, content_hash, [payload])[0]
    turn.ledger.wrote(name, log, seq + 1, row[3])
    call = turn.call("append_after", seq + 1, row[3], payload, *name, log, oid, seq, content_hash)
    (rows,) = turn.run(call, last=True, prepared=prepared)
    if not rows:
        return None
    return Appended(1, seq + 1, content_hash, row[3], rows[0][0])


def append(
    turn: Turn, name: Name, payloads: list[bytes], expected: Expected, hints: Hints, *, prepared: bool
) -> Appended:
    """To one log, whatever its head is."""
    ledger = turn.ledger
    _read(turn, [name], prepared=prepared)
    head = ledger.heads.get(name)
    log, seq, content_hash = head if head is not None else (ledger.last_log + 1, 0, None)
    if expected is not None and expected != (seq, content_hash or b""):
        there = expected if expected[0] else None
        raise HeadMoved(*name, there, None if content_hash is None else (seq, content_hash))
    position = ledger.position or 0
    rows = extend(position + 1, log, seq, content_hash, payloads)
    new = {} if head is not None else {name: log}
    place = (log, rows[-1][2], rows[-1][3])
    ledger.wrote(name, *place)
    _write(turn, rows, new)
    ledger.position = rows[-1][0]
    ledger.heads[name] = place
    hints.put(name, place)
    return Appended(len(rows), place[1], content_hash if len(rows) == 1 else rows[-2][3], place[2], rows[-1][0])


def append_rows(turn: Turn, rows: list[tuple[str, str, bytes]], hints: Hints, *, prepared: bool) -> int:
    """To many logs, in this order; the last position."""
    ledger = turn.ledger
    names = list(dict.fromkeys((stream, writer) for stream, writer, _ in rows))
    _read(turn, names, prepared=prepared)
    new: dict[Name, int] = {}
    for name in names:
        if name not in ledger.heads:
            new[name] = ledger.last_log + len(new) + 1
    heads: dict[Name, Place] = {name: ledger.heads.get(name) or (new[name], 0, None) for name in names}
    extended = extend_rows((ledger.position or 0) + 1, rows, heads)
    for name, (log, seq, content_hash) in heads.items():
        ledger.wrote(name, log, seq, content_hash or b"")
    _write(turn, extended, new)
    ledger.position = extended[-1][0]
    ledger.heads.update(heads)
    ledger.trim()
    for name in names[-LATEST:]:
        hints.put(name, heads[name])
    return ledger.position


LATEST = 256  # logs of a bulk write that are remembered


def _read(turn: Turn, names: list[Name], *, prepared: bool) -> None:
    """What the ledger does not know of the store and these logs, in one round trip."""
    ledger = turn.ledger
    unknown = [name for name in names if name not in ledger.heads]
    calls: list[Call] = []
    if ledger.position is None or unknown:
        calls.append(turn.call("place"))
    if unknown:
        streams, writers = [stream for stream, _ in unknown], [writer for _, writer in unknown]
        calls.append(turn.call("heads_of", streams, writers))
    found = turn.run(*calls, prepared=prepared)
    if calls:
        ledger.position, ledger.last_log = found[0][0]
    for number, log, seq, content_hash in found[1] if unknown else []:
        ledger.heads[unknown[number - 1]] = log, seq or 0, content_hash


def _write(turn: Turn, rows: list[Row], new: dict[Name, int]) -> None:
    calls: list[Call] = []
    if new:
        streams, writers = [stream for stream, _ in new], [writer for _, writer in new]
        calls.append(turn.call("add_logs", list(new.values()), streams, writers))
    if len(rows) <= FEW or turn.wire.in_pipeline:
        columns = [list(column) for column in zip(*rows, strict=True)]
        turn.run(*calls, turn.call("add_entries", *columns), last=True)
    else:
        turn.run(*calls)
        turn.copy(turn.statements["copy_entries"], copy_block(rows), last=True)
    turn.ledger.last_log += len(new)
