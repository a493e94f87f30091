"""Appending: one entry in one round trip where the log is where it was, and any number of rows by COPY."""

from collections.abc import Iterator
from itertools import chain

from agent_store._core import Appended, copy_block, extend, extend_rows
from agent_store.backends.common.shape import left_out
from agent_store.backends.postgres.ledger import Hints, Name, Place
from agent_store.backends.postgres.turn import Turn
from agent_store.backends.postgres.values import Call
from agent_store.errors import HeadMoved

LATEST = 256  # logs of a bulk write that are remembered
PART = 256  # rows that are hashed at once; while the server takes them in, the next are
HEAD, END = 19, 2  # bytes before the rows of a binary COPY, and after them
FEW = 8  # rows that go as parameters of one statement; more go by COPY, which takes two round trips

Row = tuple[int, int, int, bytes, bytes]
Expected = tuple[int, bytes] | None


def append_next(turn: Turn, hint: Place, name: Name, payload: bytes, oid: int) -> Appended | None:
    """One entry after the head that the log had the last time, all in one round trip; None where that is not it."""
    log, seq, content_hash = hint
    row = extend(0, log, seq, content_hash, [payload])[0]
    turn.ledger.wrote(name, log, seq + 1, row[3])
    call = turn.call("append_after", seq + 1, row[3], payload, *name, log, oid, seq, content_hash)
    (rows,) = turn.run(call, last=True, alone=True, later=turn.rung_along(log, seq + 1, row[3]))
    if not rows:
        return None
    return Appended(1, seq + 1, content_hash, row[3], rows[0][0])


def append(turn: Turn, name: Name, payloads: list[bytes], expected: Expected, hints: Hints) -> Appended:
    """To one log, whatever its head is."""
    ledger = turn.ledger
    _read(turn, [name])
    head = ledger.heads.get(name)
    log, seq, content_hash = head if head is not None else (ledger.last_log + 1, 0, None)
    if expected is not None and expected != (seq, content_hash or b""):
        there = expected if expected[0] else None
        raise HeadMoved(*name, there, None if content_hash is None else (seq, content_hash))
    position = ledger.position or 0
    before = content_hash

    def extended() -> Iterator[list[Row]]:
        nonlocal before, content_hash
        for start in range(0, len(payloads), PART):
            rows = extend(position + start + 1, log, seq + start, content_hash, payloads[start : start + PART])
            before, content_hash = (rows[-2][3] if len(rows) > 1 else content_hash), rows[-1][3]
            if start + PART >= len(payloads):
                ledger.wrote(name, log, seq + len(payloads), content_hash)
            yield rows

    _write(turn, extended(), len(payloads), {} if head is not None else {name: log})
    place = (log, seq + len(payloads), content_hash)
    ledger.position = position + len(payloads)
    ledger.heads[name] = place
    hints.put(name, place)
    return Appended(len(payloads), place[1], before, content_hash or b"", ledger.position)


def append_rows(turn: Turn, rows: list[tuple[str, str, bytes]], hints: Hints) -> int:
    """To many logs, in this order; the last position."""
    ledger = turn.ledger
    names = list(dict.fromkeys((stream, writer) for stream, writer, _ in rows))
    _read(turn, names)
    new: dict[Name, int] = {}
    for name in names:
        if name not in ledger.heads:
            new[name] = ledger.last_log + len(new) + 1
    heads: dict[Name, Place] = {name: ledger.heads.get(name) or (new[name], 0, None) for name in names}
    position = ledger.position or 0

    def extended() -> Iterator[list[Row]]:
        for start in range(0, len(rows), PART):
            part = extend_rows(position + start + 1, rows[start : start + PART], heads)
            if start + PART >= len(rows):
                for name, (log, seq, content_hash) in heads.items():
                    ledger.wrote(name, log, seq, content_hash or b"")
            yield part

    _write(turn, extended(), len(rows), new)
    ledger.position = position + len(rows)
    ledger.heads.update(heads)
    ledger.trim()
    for name in names[-LATEST:]:
        hints.put(name, heads[name])
    return ledger.position


def _read(turn: Turn, names: list[Name]) -> None:
    """What the ledger does not know of the store and these logs, in one round trip."""
    ledger = turn.ledger
    unknown = [name for name in names if name not in ledger.heads]
    if len(unknown) == 1:
        (((ledger.position, ledger.last_log, log, seq, content_hash),),) = turn.run(turn.call("head_of", *unknown[0]))
        if log is not None:
            ledger.heads[unknown[0]] = log, seq or 0, content_hash
        return
    calls: list[Call] = []
    if ledger.position is None or unknown:
        calls.append(turn.call("place"))
    if unknown:
        streams, writers = [stream for stream, _ in unknown], [writer for _, writer in unknown]
        calls.append(turn.call("heads_of", streams, writers))
    found = turn.run(*calls)
    if calls:
        ledger.position, ledger.last_log = found[0][0]
    for number, log, seq, content_hash in found[1] if unknown else []:
        ledger.heads[unknown[number - 1]] = log, seq or 0, content_hash


def _write(turn: Turn, parts: Iterator[list[Row]], count: int, new: dict[Name, int]) -> None:
    calls: list[Call] = []
    if new:
        streams, writers = [stream for stream, _ in new], [writer for _, writer in new]
        calls.append(turn.call("add_logs", list(new.values()), streams, writers))
    if count <= FEW or turn.wire.in_pipeline:
        columns = [list(column) for column in zip(*chain.from_iterable(parts), strict=True)]
        written = len(turn.run(*calls, turn.call("add_entries", *columns), last=True)[-1])
    else:
        turn.run(*calls)
        written = turn.copy(turn.statements["copy_entries"], _blocks(parts), last=True)
    if written != count:
        raise left_out(count, written)
    turn.ledger.last_log += len(new)


def _blocks(parts: Iterator[list[Row]]) -> Iterator[bytes]:
    """One COPY: the head of the first block, the end of the last."""
    block = b""
    for rows in parts:
        if block:
            yield block[:-END]
        block = copy_block(rows)[HEAD if block else 0 :]
    yield block
