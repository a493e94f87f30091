"""The steps of talking to a server, as generators that say when they have to wait: psycopg waits, and hears Ctrl-C."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import psycopg
from psycopg import generators, pq
from psycopg.waiting import Wait

from agent_store.backends.postgres.values import Ready

if TYPE_CHECKING:
    from psycopg.abc import PQGen
    from psycopg.pq.abc import PGconn, PGresult

OK = pq.ExecStatus.COMMAND_OK
TUPLES = pq.ExecStatus.TUPLES_OK
COPY_IN = pq.ExecStatus.COPY_IN
COPY_OUT = pq.ExecStatus.COPY_OUT
_SYNC = pq.ExecStatus.PIPELINE_SYNC
_MOST_NOTHING = 4  # times that there is no result, one after the other, before nothing more is to come

PIECE = 1 << 18  # bytes of a COPY that are handed over at once
GATHERED = 1 << 20  # bytes of a COPY that are taken at once


def queue(pgconn: "PGconn", calls: Ready, prepared: set[bytes] | None) -> list[bytes | None]:
    """Statements, by the names that they are prepared under, unless that is None. For each result that is to come: the
    name of what is prepared by it, or None for a statement's own.
    """
    coming: list[bytes | None] = []
    for statement, values in calls:
        data = [value for _, value in values]
        types = [of for of, _ in values]
        if prepared is None:
            pgconn.send_query_params(statement.text, data, types, [1] * len(data), 1)
        else:
            if statement.name not in prepared:
                pgconn.send_prepare(statement.name, statement.text, types)
                coming.append(statement.name)
            pgconn.send_query_prepared(statement.name, data, [1] * len(data), 1)
        coming.append(None)
    return coming


def send(pgconn: "PGconn") -> "PQGen[None]":
    """All that is queued."""
    yield from generators.send(pgconn)


def receive(pgconn: "PGconn", results: "list[PGresult]", *, pipelined: bool) -> "PQGen[None]":
    """The results, as they come: what is there when the connection breaks has been received."""
    nothing = 0
    while True:
        result = yield from generators.fetch(pgconn)
        if result is None:
            if not pipelined:
                return
            nothing += 1  # between the results of two statements there is one
            if nothing > 1:
                raise psycopg.OperationalError("the connection ended amid the answers")
            continue
        nothing = 0
        if result.status == _SYNC:
            return
        results.append(result)
        if result.status in (COPY_IN, COPY_OUT):
            return


def put(pgconn: "PGconn", blocks: Iterable[bytes]) -> "PQGen[None]":
    """Blocks to a COPY that the server waits for, and the end of it."""
    for block in blocks:
        view = memoryview(block)
        for start in range(0, len(block), PIECE):
            while pgconn.put_copy_data(view[start : start + PIECE]) == 0:
                yield Wait.W
            yield from _flush(pgconn)
    yield from end(pgconn, None)


def end(pgconn: "PGconn", error: bytes | None) -> "PQGen[None]":
    """Of a COPY to the server; with an error nothing of it is kept."""
    while pgconn.put_copy_end(error) == 0:
        yield Wait.W
    yield from _flush(pgconn)


def _flush(pgconn: "PGconn") -> "PQGen[None]":
    while pgconn.flush() != 0:
        # Who only writes would not see that the server has given up, and would write for ever.
        ready = yield Wait.RW
        if ready & 1:
            pgconn.consume_input()


def get(pgconn: "PGconn", pieces: list[bytes]) -> "PQGen[bool]":
    """Some pieces of a COPY; False at its end."""
    size = 0
    while size < GATHERED:
        count, data = pgconn.get_copy_data(1)
        if count > 0:
            pieces.append(bytes(data))
            size += count
        elif count < 0:
            return False
        elif pieces:
            break
        else:
            yield Wait.R
            pgconn.consume_input()
    return True


def clear(pgconn: "PGconn") -> "PQGen[None]":
    """After an interrupt between two lines: all that was sent is answered, and no COPY is left open."""
    yield from generators.send(pgconn)
    nothing = 0
    while pgconn.transaction_status == pq.TransactionStatus.ACTIVE and nothing < _MOST_NOTHING:
        result = yield from generators.fetch(pgconn)
        nothing = nothing + 1 if result is None else 0
        if result is not None and result.status == COPY_IN:
            yield from end(pgconn, b"given up")
        elif result is not None and result.status == COPY_OUT:
            while (yield from get(pgconn, [])):
                pass
