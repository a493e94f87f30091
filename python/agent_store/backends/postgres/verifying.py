"""Verification: what the server gives by COPY goes through the one checker, in one snapshot and flat memory."""

import contextlib
from dataclasses import dataclass

from agent_store._core import Checker, Findings, Head
from agent_store.backends.common.shape import is_hash
from agent_store.backends.common.verifying import NO_TILES, TILES, Place, check_in_place, check_range, give_up
from agent_store.backends.postgres import catalog
from agent_store.backends.postgres.reader import Reader
from agent_store.backends.postgres.statements import Statement, Statements
from agent_store.errors import BackendError, CorruptDatabase, StoreError, StoreReplaced
from agent_store.ticker import Progress, Ticker

LOWEST, HIGHEST = -(2**63), 2**63 - 1
MOST = 200_000  # rows of one COPY
LEAST = 512  # and of the first, as nothing is known of them yet
HELD = 16 << 20  # bytes of rows that wait for an answer, before it is asked for
ASKED = 4_096  # entries looked up by one statement
RECORDS = 4_096  # of erasures, read by one statement


def whole(reader: Reader, statements: Statements, progress: Progress | None, sealed: int = 0) -> Findings:
    """Of everything, as of the newest position when it begins; the first `sealed` are also compared with the tree."""
    with reader.snapshot():
        compared = sealed if sealed and reader.fetch("has_tiles")[0][0] else 0
        checker = Checker(1, sealed=compared)
        altered = catalog.compare(reader, checker)
        if compared < sealed:
            checker.report("seal", None, None, None, NO_TILES)
        try:
            last, logs, newest_log = reader.fetch("extent")[0]
            feed = _Feed(reader, statements, checker, Ticker(progress, last))
            feed.positions(LOWEST, last)
            checker.finish(last)
            feed.answer()
            _beside(reader, checker, newest_log)
        except (BackendError, CorruptDatabase, StoreReplaced) as error:
            if not altered or reader.wire.lost:
                raise
            checker.report("schema", None, None, None, f"the tables cannot be looked through as they are: {error}")
            logs = 0
            reader.begin_anew()
            give_up(checker)
        broken = checker.broken
        names = {} if not broken else reader.names(broken)
    return checker.findings(logs, names)


def leaves(
    reader: Reader, statements: Statements, first: int, last: int, progress: Progress | None
) -> tuple[Findings, bytes]:
    """The leaf hashes of these positions, and what is wrong with them."""
    check_range(first, last)
    checker = Checker(first, leaves=True)
    with reader.snapshot():
        feed = _Feed(reader, statements, checker, Ticker(progress, last - first + 1))
        feed.positions(first, last)
        checker.finish(last)
        feed.answer()
        broken = checker.broken
        names = {} if not broken else reader.names(broken)
    findings = checker.findings(0, names)
    return findings, checker.leaves()


def _beside(reader: Reader, checker: Checker, newest_log: int) -> None:
    """What the entries by themselves do not show."""
    after = LOWEST
    while empty := reader.fetch("empty_logs", after, newest_log):
        for (log,) in empty:
            checker.report_empty(log)
        after = empty[-1][0]
    after = LOWEST
    while orphans := reader.fetch("orphans", after):
        for orphan in orphans:
            checker.report_orphans(*orphan)
        after = orphans[-1][0]
    after = LOWEST
    while records := reader.fetch("audit_erasures", after, RECORDS):
        checker.erasures(records)
        after = records[-1][0]
    for (log,) in reader.fetch("odd_logs"):
        detail = f"the id of a log is {log}, below 1" if log < 1 else f"stream or writer of log {log} is not text"
        checker.report("malformed", log, None, None, detail)
    for key, value in reader.fetch("odd_counters"):
        held = "nothing" if value is None else value
        detail = f"generation {key!r} holds {held}, not an integer from 0 to 2^63 - 1"
        checker.report("malformed", None, None, None, detail)


def log(
    reader: Reader,
    statements: Statements,
    name: tuple[str, str],
    since: Head | None,
    contains: Head | None,
    progress: Progress | None,
) -> Findings:
    """Of one log, up to its present head; nothing up to `since` but its own hash."""
    checker = Checker(None)
    with reader.snapshot():
        rows = reader.fetch("heads_of_log", *name)
        log_id, _, _, seq, content_hash, _ = rows[0] if rows else (None,) * 6
        for head, role in ((since, "since"), (contains, "contains")):
            if head is not None:
                there = [] if log_id is None else reader.fetch("pages_of_log", log_id, head.seq, head.seq)
                check_in_place(there[0][3] if there else None, head, role)
        if log_id is None:
            return checker.findings(0, {})
        if seq is None:
            checker.report_empty(log_id)
            return checker.findings(0, {log_id: name})
        first = LOWEST if since is None else since.seq + 1
        if first <= seq:
            _Feed(reader, statements, checker, Ticker(progress, seq - max(first, 1) + 1)).seqs(log_id, first, seq)
    head_now = (seq, content_hash) if is_hash(content_hash) else None
    return checker.findings(1, {log_id: name}, head_now)


@dataclass
class _Feed:
    reader: Reader
    statements: Statements
    checker: Checker
    ticker: Ticker

    def positions(self, first: int, last: int) -> None:
        """By position."""
        self._run("positions", (), first, last)

    def seqs(self, log_id: int, first: int, last: int) -> None:
        """Of one log."""
        self._run("log", (log_id,), first, last)

    def _run(self, what: str, params: tuple[int, ...], first: int, last: int) -> None:
        """From `first` to `last`, both included, by ranges of numbers: a COPY does not say how far it came."""
        rows, skip = LEAST, LEAST
        upto = min(max(first, 1) + rows, last)
        while True:
            fed = self.checker.entries
            try:
                if self.reader.wire.in_pipeline:
                    self._pages(what, params, first, upto)
                else:
                    rows = min(4 * rows, MOST) if self._copy(what, params, first, upto) else max(rows // 4, LEAST)
            except CorruptDatabase as error:
                if what != "positions":
                    raise
                # As positions follow on, so far it came; what comes next cannot be read, and the rest is looked at.
                reached = max(first, 1) + self.checker.entries - fed
                skip = skip * 2 if reached == max(first, 1) else LEAST
                upto = min(reached + skip - 1, last)
                self.checker.unreadable(reached, upto, str(error))
                self.reader.begin_anew()
            self.answer()
            self.ticker.tell(self.checker.entries)
            if upto >= last:
                break
            first = upto + 1
            if self.checker.entries == fed:
                first = max(first, self._next(what, params, first) or last)
            upto = min(first + rows - 1, last)
        self.ticker.end()

    def _next(self, what: str, params: tuple[int, ...], first: int) -> int | None:
        """Over a gap, which may be as wide as a number is large."""
        statement = "next_position" if what == "positions" else "next_seq"
        found: int | None = self.reader.fetch(statement, *params, first)[0][0]
        return found

    def _copy(self, what: str, params: tuple[int, ...], first: int, last: int) -> bool:
        """True where so little had to wait for an answer that the next may be larger."""
        log = {"log": params[0]} if params else {}
        statement = Statement(self.statements.script(f"copy_{what}", first=first, last=last, **log))
        try:
            for pieces in self.reader.copy(statement):
                self.checker.copy(pieces)
                if not self.reader.shared:
                    self.ticker.tell(self.checker.entries)
            small = self.checker.held < HELD // 4
        except BaseException:
            with contextlib.suppress(StoreError):
                self.checker.end_copy()
            raise
        self.checker.end_copy()
        return small

    def answer(self) -> None:
        """Look up all that the rows so far wait for."""
        while waiting := self.checker.waiting:
            found = []
            for start in range(0, len(waiting), ASKED):
                found += self.reader.before(waiting[start : start + ASKED])
            self.checker.answer(found)
        while nameless := self.checker.nameless:
            names = self.reader.names(nameless)
            self.checker.name({log: names.get(log) for log in nameless})
        while tiles := self.checker.tiles:
            some = [(level, number) for level, number, _ in tiles[:TILES]]
            stored: dict[Place, bytes | None] = dict.fromkeys(some)
            for level, number, hashes in self.reader.fetch("tiles", *map(list, zip(*some, strict=True))):
                stored[level, number] = hashes
            self.checker.compare(stored)

    def _pages(self, what: str, params: tuple[int, ...], first: int, last: int) -> None:
        """In the caller's pipeline, where no COPY can be."""
        while first <= last and (rows := self.reader.fetch(f"pages_of_{what}", *params, first, last)):
            self.checker.rows(rows)
            first = rows[-1][0 if what == "positions" else 2] + 1
            self.answer()
