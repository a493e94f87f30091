"""Statements on a connection: several in one round trip, each with its own snapshot, and COPY.

This is below psycopg's cursors, at its libpq: parameters and rows are binary, so that no adapter, row factory or cursor
of the caller's has a part in it; and of what went wrong it is known how far the server had come.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import pq

from agent_store.backends.postgres import exchange
from agent_store.backends.postgres.exchange import OK, TUPLES
from agent_store.backends.postgres.statements import Statement
from agent_store.backends.postgres.values import Encoded, decode, encode

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

Call = tuple[Statement, Sequence[object]]
Rows = list[tuple[Any, ...]]

_BAD = pq.ConnStatus.BAD
_OFF = pq.PipelineStatus.OFF
_ENDS = {"57P01", "57P02", "57P05", "25P03", "25P04"}
_PIPELINES = psycopg.Pipeline.is_supported()


class Trouble(Exception):
    """What the server, or the way to it, answered instead of the results.

    `done` is how many of the statements have certainly succeeded, and `rows` theirs. `lost`: the connection is gone.
    `answered`: what follows those was refused, by an answer that came. `sent`: the server may have got everything.
    """

    def __init__(
        self, words: str, state: str | None, rows: "list[Rows]", *, lost: bool, answered: bool, sent: bool
    ) -> None:
        super().__init__(words)
        self.words, self.state, self.rows = words, state, rows
        self.lost, self.answered, self.sent = lost, answered, sent

    @property
    def done(self) -> int:
        """How many statements have succeeded."""
        return len(self.rows)

    def may_have_done(self, statement: int) -> bool:
        """True where nobody can say whether the statement with this number, from 0, was carried out."""
        if not self.lost or self.done > statement:
            return False
        # A connection that ends with an error ended there; only at the statement itself it may be after the deed.
        return self.done == statement if self.answered else self.sent


class Wire:
    """One connection. A call holds psycopg's own lock of it, so that threads of the caller's may use it too."""

    def __init__(self, connection: "psycopg.Connection[Any]", *, prepares: bool) -> None:
        self.connection = connection
        self.prepares = prepares
        self.round_trips = 0
        self.lost = False
        self._prepared: set[bytes] = set()

    @property
    def status(self) -> pq.TransactionStatus:
        """IDLE, INTRANS, INERROR, or UNKNOWN for a connection that is gone."""
        return pq.TransactionStatus(self.connection.pgconn.transaction_status)

    @property
    def in_pipeline(self) -> bool:
        """True where the caller has the connection in pipeline mode."""
        return self.connection.pgconn.pipeline_status != _OFF

    @property
    def codec(self) -> str:
        """In which texts travel."""
        try:
            if self.connection.pgconn.parameter_status(b"client_encoding") == b"UTF8":
                return "utf-8"
            codec = self.connection.info.encoding
        except psycopg.Error:  # it is closed, which what comes next will say
            return "utf-8"
        return "utf-8" if codec == "ascii" else codec

    def run(self, *calls: Call, prepared: bool = False) -> list[Rows]:
        """Run statements, one after the other, in one round trip; the rows of each. The first failure ends it."""
        codec = self.codec
        encoded = [
            (statement, values if type(values) is Encoded else [encode(value, codec) for value in values])
            for statement, values in calls
        ]
        with self.connection.lock:
            if len(encoded) > 1 and not _PIPELINES:
                answers: list[PGresult] = []
                for one in encoded:
                    answers += self._round([one], codec, answers, prepared=False)
            else:
                answers = self._round(encoded, codec, [], prepared=prepared and self.prepares)
        return [decode(answer, codec) for answer in answers]

    def settle(self) -> None:
        """In the caller's pipeline, what he has sent is answered first; an error of that is raised here, as it is."""
        if self.in_pipeline:
            with self.connection.pipeline():
                pass

    def _round(
        self,
        encoded: list[tuple[Statement, list[tuple[int, bytes | None]]]],
        codec: str,
        before: "list[PGresult]",
        *,
        prepared: bool,
    ) -> "list[PGresult]":
        pgconn = self.connection.pgconn
        self.round_trips += 1
        results: list[PGresult] = []
        preparing: list[bool] = []  # for each result to come, whether it is that of a preparation
        sent = False
        enter = len(encoded) > 1 and not self.in_pipeline
        try:
            if enter:
                pgconn.enter_pipeline_mode()
            for statement, values in encoded:
                data = [value for _, value in values]
                types = [of for of, _ in values]
                if not prepared:
                    pgconn.send_query_params(statement.text, data, types, [1] * len(data), 1)
                else:
                    if statement.name not in self._prepared:
                        pgconn.send_prepare(statement.name, statement.text, types)
                        preparing.append(True)
                    pgconn.send_query_prepared(statement.name, data, [1] * len(data), 1)
                preparing.append(False)
            if enter or self.in_pipeline:
                pgconn.pipeline_sync()
            if pgconn.flush() != 0:
                self.connection.wait(exchange.send(pgconn))
            sent = True
            self.connection.wait(exchange.receive(pgconn, results, pipelined=self.in_pipeline))
        except psycopg.Error as error:
            if all(result.status in (OK, TUPLES) for result in results):
                rows = self._rows(before, results, preparing, codec)
                raise self._lost(error, rows, sent=sent) from None
        finally:
            if enter:
                # Left as it is where it cannot be left: then the connection is broken, and is not used again.
                with contextlib.suppress(psycopg.Error):
                    pgconn.exit_pipeline_mode()
        for number, result in enumerate(results):
            if result.status not in (OK, TUPLES):
                rows = self._rows(before, results[:number], preparing, codec)
                raise self._refused(result, rows)
        if True not in preparing:
            return results
        self._prepared.update(statement.name for statement, _ in encoded)
        return [result for result, only_prepares in zip(results, preparing, strict=True) if not only_prepares]

    def _rows(
        self, before: "list[PGresult]", results: "list[PGresult]", preparing: list[bool], codec: str
    ) -> list[Rows]:
        done = [result for result, prepares in zip(results, preparing, strict=False) if not prepares]
        return [decode(result, codec) for result in before + done]

    def _refused(self, result: "PGresult", rows: list[Rows]) -> Trouble:
        state = result.error_field(pq.DiagnosticField.SQLSTATE)
        words = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or result.error_message
        text = words.decode(self.codec, "replace").strip()
        self.lost = self.connection.pgconn.status == _BAD
        return Trouble(text, state.decode() if state else None, rows, lost=self.lost, answered=True, sent=True)

    def note(self, error: psycopg.Error) -> None:
        """What a cursor on this connection met."""
        self.lost = self.lost or self.connection.pgconn.status == _BAD or error.sqlstate in _ENDS

    def _lost(self, error: psycopg.Error, rows: list[Rows], *, sent: bool) -> Trouble:
        self.lost = True
        return Trouble(_words(error), error.sqlstate, rows, lost=True, answered=False, sent=sent)

    def script(self, text: str) -> None:
        """Run statements without parameters, all at once; what they give is not looked at."""
        if self.in_pipeline:
            raise NotImplementedError
        pgconn = self.connection.pgconn
        self.round_trips += 1
        results: list[PGresult] = []
        with self.connection.lock:
            try:
                pgconn.send_query(text.encode(self.codec))
                self.connection.wait(exchange.send(pgconn))
                self.connection.wait(exchange.receive(pgconn, results, pipelined=False))
            except psycopg.Error as error:
                if all(result.status in (OK, TUPLES) for result in results):
                    raise self._lost(error, [], sent=True) from None
        for result in results:
            if result.status not in (OK, TUPLES):
                raise self._refused(result, [])

    def copy_in(self, statement: Statement, blocks: Iterable[bytes], *, commit: bool) -> None:
        """Put blocks where `COPY … FROM STDIN` puts it; with `commit` the transaction ends in the same message.

        The statements of a Trouble are then two: the COPY and the COMMIT. Not in pipeline mode.
        """
        pgconn = self.connection.pgconn
        self.round_trips += 2
        results: list[PGresult] = []
        sent = False
        with self.connection.lock:
            try:
                pgconn.send_query(statement.text + (b"; COMMIT" if commit else b""))
                self.connection.wait(exchange.send(pgconn))
                self.connection.wait(exchange.receive(pgconn, results, pipelined=False))
                if results[-1].status == exchange.COPY_IN:
                    results.pop()
                    try:
                        self.connection.wait(exchange.put(pgconn, blocks))
                    except BaseException:
                        self._give_up()
                        raise
                    sent = True
                    self.connection.wait(exchange.receive(pgconn, results, pipelined=False))
            except psycopg.Error as error:
                if all(result.status == OK for result in results):
                    done: list[Rows] = [[] for _ in results]
                    raise self._lost(error, done, sent=sent) from None
        for number, result in enumerate(results):
            if result.status != OK:
                raise self._refused(result, [[] for _ in results[:number]])

    def _give_up(self) -> None:
        """Amid a COPY to the server, which waits for the end of it."""
        pgconn = self.connection.pgconn
        try:
            if pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
                self.connection.wait(exchange.end(pgconn, b"given up"))
                self.connection.wait(exchange.receive(pgconn, [], pipelined=False))
        except psycopg.Error:
            self.lost = True

    def copy_out(self, statement: Statement) -> "Iterator[list[bytes]]":
        """What `COPY … TO STDOUT` gives, some pieces at a time. Not in pipeline mode; read to its end, or closed."""
        pgconn = self.connection.pgconn
        self.round_trips += 1
        results: list[PGresult] = []
        with self.connection.lock:
            try:
                pgconn.send_query(statement.text)
                self.connection.wait(exchange.send(pgconn))
                self.connection.wait(exchange.receive(pgconn, results, pipelined=False))
                if results[-1].status == exchange.COPY_OUT:
                    results.pop()
                    yield from self._pieces(results)
            except psycopg.Error as error:
                if all(result.status == OK for result in results):
                    raise self._lost(error, [], sent=True) from None
        if results and results[0].status != OK:
            raise self._refused(results[0], [])

    def _pieces(self, results: "list[PGresult]") -> "Iterator[list[bytes]]":
        pgconn = self.connection.pgconn
        more = True
        try:
            while more:
                pieces: list[bytes] = []
                more = self.connection.wait(exchange.get(pgconn, pieces))
                if pieces:
                    yield pieces
        finally:
            # Whoever leaves early leaves the connection at the end of the COPY.
            while more and not self.lost:
                more = self.connection.wait(exchange.get(pgconn, []))
            if not self.lost:
                self.connection.wait(exchange.receive(pgconn, results, pipelined=False))


def _words(error: psycopg.Error) -> str:
    return str(error).strip() or type(error).__name__
