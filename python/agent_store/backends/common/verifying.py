"""Verifying: the rows of a database go into the one checker, in Rust, and what only the database can tell beside them.

A source gives control back between its reads, so that Ctrl-C is heard and progress told: then nothing of its own is
open on the connection, and `progress` may call the store.
"""

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Protocol

from agent_store._core import Checker, Findings, Head
from agent_store.backends.common.session import Before, Listed
from agent_store.backends.common.shape import is_hash
from agent_store.errors import BackendError, ChainBroken, CorruptDatabase, MalformedRow
from agent_store.ticker import Progress, Ticker

Feeding = Generator[tuple[int, bool], None, None]
"""Yields how many rows are done (of a whole store: the position reached), and whether `before` can be asked now."""

HELD = 4 << 20  # bytes of rows that wait for an answer before it is asked for
ASKED = 2_048  # look-ups between two of these
TILES = 256  # of the tree, looked up at once: 2 MB at most

NO_TILES = "the tiles of the tree are missing, all of them"

Place = tuple[int, int]  # level and number of a tile


class Source(Protocol):
    """What one verification reads from."""

    def bounds(self, checker: Checker) -> int:
        """The newest position: what comes after it is not looked at."""

    def check_schema(self, checker: Checker) -> bool:
        """Report tables, indexes and guards that are not as we made them; True where there are any."""

    def audit(self, checker: Checker) -> Generator[None, None, int]:
        """Report what the rows do not show: indexes, logs without entries, orphans, counters. The number of logs."""

    def positions(self, checker: Checker, first: int, last: int) -> Feeding:
        """Feed what is there of positions `first` to `last`, in order."""

    def below_one(self, checker: Checker) -> Feeding:
        """Feed what is there of positions that no store gives."""

    def of_log(self, checker: Checker, log: int, first: int, last: int) -> Feeding:
        """Feed what is there of a log's seqs from `first` to `last`, in order."""

    def head(self, stream: str, writer: str) -> Listed | None:
        """A log and its newest entry, of whatever shape."""

    def hash_at(self, log: int, seq: int) -> bytes | None:
        """The hash of an entry, `b""` for what is none, None where the entry is not there."""

    def before(self, places: Sequence[tuple[int, int]]) -> list[Before]:
        """As Session.before."""

    def names(self, logs: Sequence[int]) -> dict[int, tuple[str, str]]:
        """As Session.names."""

    def has_tiles(self) -> bool:
        """False where there is no such table, or one that nothing can be read from."""

    def tiles(self, places: Sequence[Place], checker: Checker) -> tuple[dict[Place, bytes | None], list[Place]]:
        """The hashes stored there, None for what is not there; and what cannot be read, which it has reported."""


def whole(source: Source, progress: Progress | None, sealed: int = 0) -> Findings:
    """The whole store, as of its newest position now; its first `sealed` positions are also compared with the tree."""
    compared = sealed if sealed and source.has_tiles() else 0
    checker = Checker(1, sealed=compared)
    altered = source.check_schema(checker)
    if compared < sealed:
        checker.report("seal", None, None, None, NO_TILES)
    logs = 0
    try:
        logs = _tables(source, checker, progress)
    except (BackendError, MalformedRow) as error:
        if not altered:
            raise
        detail = f"the tables cannot be looked through as they are: {error.detail}"
        checker.report("schema", None, None, None, detail)
        give_up(checker)
    return checker.findings(logs, source.names(checker.broken))


def give_up(checker: Checker) -> None:
    """Nothing more can be looked up: what waits for that is not judged."""
    checker.answer([], checker.waiting)
    checker.name(dict.fromkeys(checker.nameless))
    while tiles := checker.tiles:
        checker.compare({}, [(level, number) for level, number, _ in tiles])


def leaves(source: Source, first: int, last: int, progress: Progress | None) -> tuple[Findings, bytes]:
    """The leaf hashes of these positions, and what is wrong with them."""
    check_range(first, last)
    checker = Checker(first, leaves=True)
    ticker = Ticker(progress, last - first + 1)
    _feed(source, checker, source.positions(checker, first, last), ticker, before=first - 1)
    checker.finish(last)
    _answer(source, checker, lambda: None)
    ticker.end()
    findings = checker.findings(0, source.names(checker.broken))
    return findings, checker.leaves()


def check_range(first: int, last: int) -> None:
    """ValueError for what is no range of positions."""
    if first < 1 or last < first:
        raise ValueError(f"positions {first} to {last} are not those of any leaves")


def _tables(source: Source, checker: Checker, progress: Progress | None) -> int:
    upto = source.bounds(checker)
    ticker = Ticker(progress, upto)
    _feed(source, checker, source.positions(checker, 1, upto), ticker)
    checker.finish(upto)
    _feed(source, checker, source.below_one(checker), ticker, done=upto)
    audit = source.audit(checker)
    logs = _run(audit, lambda: ticker.tell(upto))
    ticker.end()
    return logs


def _run(steps: Generator[None, None, int], between: Callable[[], None]) -> int:
    """Run to the end, `between` the steps too; what it returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: int = end.value
            return value
        between()


def _feed(
    source: Source, checker: Checker, feeding: Feeding, ticker: Ticker, *, done: int = 0, before: int = 0
) -> None:
    for reached, may_ask in feeding:
        done = max(done, reached - before)
        if may_ask and checker.held > HELD:
            _answer(source, checker, partial(ticker.tell, done))
        ticker.tell(done)
    _answer(source, checker, partial(ticker.tell, done))


def _answer(source: Source, checker: Checker, between: Callable[[], None]) -> None:
    """Look up what the rows that wait must be judged against, so many at a time."""
    waiting = checker.waiting
    found: list[Before] = []
    unread: list[tuple[int, int]] = []
    for start in range(0, len(waiting), ASKED):
        some = waiting[start : start + ASKED]
        try:
            found += source.before(some)
        except CorruptDatabase:
            if not checker.by_position:  # Nobody would report it.
                raise
            _one_by_one(source, some, found, unread)
        between()
    if waiting:
        checker.answer(found, unread)
    while nameless := checker.nameless:
        names = source.names(nameless)
        checker.name({log: names.get(log) for log in nameless})
        between()
    while tiles := checker.tiles:
        checker.compare(*source.tiles([(level, number) for level, number, _ in tiles[:TILES]], checker))
        between()


def _one_by_one(
    source: Source, places: list[tuple[int, int]], found: list[Before], unread: list[tuple[int, int]]
) -> None:
    """What can be read, and the places of what cannot: that is reported where it stands."""
    for place in places:
        try:
            found += source.before([place])
        except CorruptDatabase:
            unread.append(place)


def one_log(
    source: Source,
    stream: str,
    writer: str,
    since: Head | None,
    contains: Head | None,
    progress: Progress | None,
) -> Findings:
    """One log, of which nothing up to `since` is looked at but its own hash."""
    checker = Checker(None)
    found = source.head(stream, writer)
    for head, role in ((since, "since"), (contains, "contains")):
        if head is not None:
            check_in_place(found and source.hash_at(found[0], head.seq), head, role)
    if found is None:
        return checker.findings(0, {})
    log, _, _, last, content_hash, position = found
    if position is None or last is None:
        checker.report_empty(log)
        return checker.findings(0, {log: (stream, writer)})
    first = 1 if since is None else since.seq + 1
    rows = max(last - first + 1, 0)
    ticker = Ticker(progress, rows)
    if since is None:
        _feed(source, checker, source.of_log(checker, log, -(2**63), 0), ticker)
    strangers = checker.entries
    if rows:
        _feed(source, checker, source.of_log(checker, log, first, last), ticker)
    there = checker.entries - strangers
    if there != rows and not checker.broken:
        detail = f"its index gives {there} entries where there must be {rows}"
        checker.report("index", log, None, None, detail)
    ticker.end()
    newest = (last, content_hash) if content_hash is not None and is_hash(content_hash) else None
    return checker.findings(1, {log: (stream, writer)}, newest)


def check_in_place(found: bytes | None, head: Head, role: str) -> None:
    """ChainBroken unless the hash of entry `head.seq`, None where there is none, is that of `head`."""
    if found == head.content_hash:
        return
    why = "the log has no such entry" if found is None else "another entry stands there"
    detail = f"the head given as {role} is not in the log: {why}"
    raise ChainBroken(head.stream, head.writer, head.seq, detail)
