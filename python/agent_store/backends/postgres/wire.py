"""Statements on a connection: several in one round trip, each with its own snapshot, and COPY.

This is below psycopg's cursors, at its libpq: parameters and rows are binary, so that no adapter, row factory or cursor
of the caller's has a part in it; and of what went wrong it is known how far the server had come.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import pq

from agent_store.backends.postgres import exchange
from agent_store.backends.postgres.exchange import OK, TUPLES
from agent_store.backends.postgres.statements import Statement
from agent_store.backends.postgres.trouble import Trouble
from agent_store.backends.postgres.values import Call, Ready, Rows, decode, encoded
from agent_store.errors import BackendError

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult


_BAD = pq.ConnStatus.BAD
_OFF = pq.PipelineStatus.OFF
_ENDS = {"57P01", "57P02", "57P05", "25P03", "25P04"}
_PIPELINES = psycopg.Pipeline.is_supported()


class Wire:
    """One connection. A call holds psycopg's own lock of it, so that threads of the caller's may use it too."""

    def __init__(self, connection: "psycopg.Connection[Any]", *, prepares: bool) -> None:
        self.connection = connection
        self.prepares = prepares
        self.round_trips = 0
        self.lost = False
        self._prepared: set[bytes] = set()
        self._owed: list[bytes | None] | None = None
        self._pid = os.getpid()

    @property
    def status(self) -> pq.TransactionStatus:
        """IDLE, INTRANS, INERROR, or UNKNOWN for a connection that is gone."""
        return pq.TransactionStatus(self.connection.pgconn.transaction_status)

    @property
    def pipelines(self) -> bool:
        """True where several statements of one `run` go in a pipeline of their own."""
        return _PIPELINES and not self.in_pipeline

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

    @property
    def owes(self) -> bool:
        """True while what went along later is not answered: `collect` comes before all else."""
        return self._owed is not None

    def run(self, *calls: Call, prepared: bool = False, later: Sequence[Call] = ()) -> list[Rows]:
        """Run statements, one after the other, in one round trip; the rows of each. The first failure ends it.

        `later` goes along with several, in a transaction of its own after theirs, which is not waited for.
        """
        codec = self.codec
        try:
            ready, following = encoded(calls, codec), encoded(later, codec)
        except UnicodeEncodeError as error:
            raise BackendError(
                f"the client_encoding of the connection, {self.connection.info.encoding}, has not all characters of a "
                f"name: SET client_encoding TO 'UTF8' ({error})"
            ) from None
        with self.connection.lock:
            if len(ready) > 1 and not _PIPELINES:
                answers: list[PGresult] = []
                for one in ready:
                    answers += self._round([one], codec, answers, prepared=False)
            else:
                answers = self._round(ready, codec, [], following, prepared=prepared and self.prepares)
        return [decode(answer, codec) for answer in answers]

    def settle(self) -> None:
        """In the caller's pipeline, what he has sent is answered first; an error of that is raised here, as it is."""
        if self.in_pipeline:
            with self.connection.pipeline():
                pass

    def _round(
        self,
        ready: Ready,
        codec: str,
        before: "list[PGresult]",
        later: Ready | None = None,
        *,
        prepared: bool,
    ) -> "list[PGresult]":
        pgconn = self.connection.pgconn
        self.round_trips += 1
        results: list[PGresult] = []
        preparing: list[bytes | None] = []
        owed: list[bytes | None] = []
        begun = synced = sent = False
        enter = len(ready) > 1 and not self.in_pipeline
        try:
            if enter:
                pgconn.enter_pipeline_mode()
            begun = True
            preparing = exchange.queue(pgconn, ready, self._prepared if prepared else None)
            if enter or self.in_pipeline:
                pgconn.pipeline_sync()
            if later:
                owed = exchange.queue(pgconn, later, self._prepared if prepared else None)
                pgconn.pipeline_sync()
            synced = True
            if pgconn.flush() != 0:
                self.connection.wait(exchange.send(pgconn))
            sent = True
            self.connection.wait(exchange.receive(pgconn, results, pipelined=self.in_pipeline))
            if later:
                self._owed = owed
                if any(result.status not in (OK, TUPLES) for result in results):
                    self._collect()  # What comes next is to go back.
        except psycopg.Error as error:
            if all(result.status in (OK, TUPLES) for result in results):
                rows = self._rows(before, results, preparing, codec)
                raise self._lost(error, rows, sent=sent) from None
        except BaseException:
            if begun:
                self._clear(synced=synced)
                self.prepares = False  # Which of them are prepared is not known.
            raise
        finally:
            if enter and self._owed is None:
                # Left as it is where it cannot be left: then the connection is broken, and is not used again.
                with contextlib.suppress(psycopg.Error):
                    pgconn.exit_pipeline_mode()
        for number, result in enumerate(results):
            if result.status in (OK, TUPLES):
                if (name := preparing[number]) is not None:
                    self._prepared.add(name)  # Also where the transaction fails: it is of the session.
            else:
                rows = self._rows(before, results[:number], preparing, codec)
                raise self._refused(result, rows)
        if not any(preparing):
            return results
        return [result for result, name in zip(results, preparing, strict=True) if name is None]

    def collect(self) -> bool:
        """What is owed. False where the connection is gone."""
        with self.connection.lock:
            try:
                self._collect()
            except psycopg.Error:
                return False
        return True

    def _collect(self) -> None:
        results: list[PGresult] = []
        pgconn, owed = self.connection.pgconn, self._owed or []
        self.connection.wait(exchange.receive(pgconn, results, pipelined=True))
        self._owed = None
        pgconn.exit_pipeline_mode()
        for result, name in zip(results, owed, strict=False):
            if name is not None and result.status == OK:
                self._prepared.add(name)

    def _rows(
        self, before: "list[PGresult]", results: "list[PGresult]", preparing: list[bytes | None], codec: str
    ) -> list[Rows]:
        done = [result for result, name in zip(results, preparing, strict=False) if name is None]
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
        # What psycopg does not even send, as the connection is amid something else, is no end of the connection.
        self.lost = self.connection.pgconn.status == _BAD
        return Trouble(_words(error), error.sqlstate, rows, lost=self.lost or sent, answered=False, sent=sent)

    def _clear(self, *, synced: bool = True) -> None:
        """An interrupt came between two lines: the connection is to go on as if nothing had been begun on it."""
        pgconn = self.connection.pgconn
        if os.getpid() != self._pid or pgconn.transaction_status != pq.TransactionStatus.ACTIVE:
            return
        with contextlib.suppress(psycopg.Error):
            if self.in_pipeline and not synced:
                pgconn.pipeline_sync()
            self.connection.wait(exchange.clear(pgconn))

    def script(self, text: str) -> None:
        """Run statements without parameters, all at once; what they give is not looked at. Not in pipeline mode."""
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
            except BaseException:
                self._clear()
                raise
        for result in results:
            if result.status not in (OK, TUPLES):
                raise self._refused(result, [])

    def copy_in(self, statement: Statement, blocks: Iterable[bytes], *, commit: bool) -> int:
        """Put blocks where `COPY … FROM STDIN` puts it; with `commit` the transaction ends in the same message. How
        many rows the server has taken.

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
                    self.connection.wait(exchange.put(pgconn, blocks))
                    sent = True
                    self.connection.wait(exchange.receive(pgconn, results, pipelined=False))
            except psycopg.Error as error:
                if all(result.status == OK for result in results):
                    done: list[Rows] = [[] for _ in results]
                    raise self._lost(error, done, sent=sent) from None
            except BaseException:
                self._clear()
                raise
        for number, result in enumerate(results):
            if result.status != OK:
                raise self._refused(result, [[] for _ in results[:number]])
        return results[0].command_tuples or 0

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
            except BaseException:  # Whoever leaves early leaves the connection at the end of the COPY.
                self._clear()
                raise
        if results and results[0].status != OK:
            raise self._refused(results[0], [])

    def _pieces(self, results: "list[PGresult]") -> "Iterator[list[bytes]]":
        pgconn = self.connection.pgconn
        more = True
        while more:
            pieces: list[bytes] = []
            more = self.connection.wait(exchange.get(pgconn, pieces))
            if pieces:
                yield pieces
        self.connection.wait(exchange.receive(pgconn, results, pipelined=False))


def _words(error: psycopg.Error) -> str:
    return str(error).strip() or type(error).__name__
