"""Several openers of one file of the crate's: one upgrades it, the others wait, whoever is stopped leaves it be."""

import hashlib
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

import agent_store
import crate
from agent_store import Head
from agent_store.errors import BusyError, ChainBroken, CorruptDatabase
from crate import sql
from upgrading import Opener

ROWS = 40_000
CHECKING, COPYING = 1, ROWS + 1
"""Progress from which on an upgrade checks, without the write lock, and copies, with it."""
LONG_ENOUGH = 1.0
"""Seconds in which nothing is to happen: several times the timeout of who waits."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the crate's, to be copied."""
    path = tmp_path_factory.mktemp("made") / "crate.db"
    crate.run("make", path, ROWS, 8, 10)
    crate.run("set", path, "report", 7)
    return path


@pytest.fixture
def file(made: Path, path: Path) -> Path:
    shutil.copy(made, path)
    return path


def digests(path: Path) -> dict[str, str]:
    """Of the file and all beside it, while nobody has it open."""
    return {found.name: hashlib.sha256(found.read_bytes()).hexdigest() for found in path.parent.iterdir()}


def check(path: Path, layout: str = "compact") -> None:
    with agent_store.open(path, read_only=True) as store:
        assert store.info()["layout"] == layout
        verdict = store.verify()
        assert verdict.holds, verdict.breaks
        assert (verdict.entries, verdict.logs) == (ROWS, 8)
        assert store.generation("report").current() == 7


def test_eight_openers_and_one_upgrade(file: Path) -> None:
    with ExitStack() as stack:
        openers = [stack.enter_context(Opener(file, held=True)) for _ in range(8)]
        for opener in openers:
            opener.next("ready")
        for opener in openers:
            opener.go_on()
        ids = [opener.next("opened", "error").get("opened") for opener in openers]
    assert None not in ids
    assert len(set(ids)) == 1
    assert [bool(opener.progress) for opener in openers].count(True) == 1
    # Who close at the same moment may leave the WAL to whoever opens next.
    assert not list(file.parent.glob("*-upgrade"))
    check(file)


@pytest.mark.parametrize("at", [CHECKING, COPYING])
def test_who_waits_for_an_upgrade_is_not_bound_by_the_timeout(file: Path, at: int) -> None:
    with Opener(file, pause=at) as first, Opener(file, timeout=0.2, held=True) as second:
        first.next("paused")
        second.go_on()
        with pytest.raises(TimeoutError):
            second.next("opened", "error", within=LONG_ENOUGH)
        check(file, "crate")  # Who only reads does not wait.
        first.go_on()
        assert first.next("opened", "error") == second.next("opened", "error")
        assert second.progress == []
    check(file)


@pytest.mark.parametrize("at", [CHECKING, COPYING])
def test_who_waits_takes_over_from_the_killed(file: Path, at: int) -> None:
    with Opener(file, pause=at) as first, Opener(file, timeout=0.2, held=True) as second:
        first.next("paused")
        second.go_on()
        with pytest.raises(TimeoutError):
            second.next("opened", "error", within=0.1)
        first.kill()
        assert "opened" in second.next("opened", "error")
        assert second.progress[-1] == (2 * ROWS, 2 * ROWS)
    assert list(digests(file)) == [file.name]
    check(file)


def test_after_a_killed_upgrade_the_timeout_binds_again(file: Path) -> None:
    with Opener(file, pause=CHECKING) as first, crate.Session("python", file) as session:
        first.next("paused")
        assert "error" not in session.ask("BEGIN IMMEDIATE")
        first.kill()
        with pytest.raises(BusyError):
            agent_store.open(file, timeout=0.2)
        session.ask("COMMIT")
        agent_store.open(file, timeout=0.2).close()
    check(file)


def test_the_check_of_the_chains_takes_nothing_from_the_timeout(file: Path) -> None:
    with Opener(file, timeout=2.0, pause=CHECKING) as opener, crate.Session("python", file) as session:
        opener.next("paused")
        session.ask("BEGIN IMMEDIATE")
        with pytest.raises(TimeoutError):
            opener.next("opened", "error", within=2.1)
        opener.go_on()
        with pytest.raises(TimeoutError):
            opener.next("opened", "error", within=0.2)
        session.ask("COMMIT")
        assert "opened" in opener.next("opened", "error")
    check(file)


@pytest.mark.parametrize("at", [CHECKING, COPYING, 2 * ROWS])
def test_an_interrupted_upgrade_leaves_the_file_as_it_was(file: Path, at: int) -> None:
    before = digests(file)
    with Opener(file, pause=at) as opener:
        opener.next("paused")
        opener.interrupt()
        assert opener.next("error", "opened")["error"] == "KeyboardInterrupt"
    assert digests(file) == before

    def refuse(done: int, total: int) -> None:
        if done >= at:
            raise LookupError(done)

    with pytest.raises(LookupError):
        agent_store.open(file, progress=refuse)
    assert digests(file) == before
    agent_store.open(file).close()
    check(file)


def test_who_waits_can_be_interrupted(file: Path) -> None:
    with Opener(file, pause=CHECKING) as first, Opener(file, held=True) as second:
        first.next("paused")
        second.go_on()
        with pytest.raises(TimeoutError):
            second.next("opened", "error", within=0.1)
        second.interrupt()
        assert second.next("opened", "error")["error"] == "KeyboardInterrupt"
        first.go_on()
        assert "opened" in first.next("opened", "error")
    check(file)


def during(at: int, work: Callable[[], None]) -> Callable[[int, int], None]:
    """A progress that does this work once, as soon as the upgrade has come so far."""
    pending = [work]

    def progress(done: int, total: int) -> None:
        if pending and done >= at:
            pending.pop()()

    return progress


def test_rows_that_come_while_the_chains_are_checked_come_along(file: Path) -> None:
    told: list[tuple[int, bytes]] = []

    def more() -> None:
        told.extend(crate.append(file, "new", "w", [b"1", b"2"]))

    with agent_store.open(file, progress=during(CHECKING, more)) as store:
        assert [(entry.seq, entry.content_hash) for entry in store.log("new", "w").entries()] == told
        assert store.position() == ROWS + 2
        assert store.verify().holds


def test_rows_that_come_while_the_chains_are_checked_are_checked_too(file: Path) -> None:
    forged = "INSERT INTO _agent_store_log VALUES ('new', 'w', 1, NULL, zeroblob(32), x'00')"
    with pytest.raises(ChainBroken) as broken:
        agent_store.open(file, progress=during(CHECKING, lambda: sql(file, forged)))
    assert (broken.value.stream, broken.value.writer, broken.value.seq) == ("new", "w", 1)
    with agent_store.open(file, read_only=True) as store:
        assert store.info()["layout"] == "crate"


REWRITE = (
    "CREATE TABLE kept AS SELECT * FROM _agent_store_log ORDER BY rowid",
    "DELETE FROM _agent_store_log",
    "INSERT INTO _agent_store_log SELECT * FROM kept ORDER BY rowid",
    "DROP TABLE kept",
    "VACUUM",
)
"""What a host may do to its file: the rows stay the same, and their rowids do not where some went before."""


def by_name(heads: list[Head]) -> dict[tuple[str, str], Head]:
    return {(head.stream, head.writer): head for head in heads}


def test_an_upgrade_follows_rows_that_were_written_anew_meanwhile(file: Path) -> None:
    with agent_store.open(file, read_only=True) as store:
        gone, *rest = store.heads()
    sql(file, f"DELETE FROM _agent_store_log WHERE writer = '{gone.writer}'")
    with agent_store.open(file, progress=during(CHECKING, lambda: sql(file, *REWRITE))) as store:
        assert by_name(store.heads()) == by_name(rest)
        assert store.verify().entries_hold == store.position() == ROWS - gone.seq


def test_a_reader_follows_rows_that_were_written_anew(file: Path) -> None:
    with agent_store.open(file, read_only=True) as store:
        gone, *rest = store.heads()
        sql(file, f"DELETE FROM _agent_store_log WHERE writer = '{gone.writer}'", *REWRITE)
        assert by_name(store.heads()) == by_name(rest)
        assert store.verify().entries_hold == store.position() == ROWS - gone.seq


def test_rows_that_go_while_the_chains_are_checked_stop_the_upgrade(file: Path) -> None:
    remove = during(CHECKING, lambda: sql(file, "DELETE FROM _agent_store_log WHERE seq = 3"))
    with pytest.raises(CorruptDatabase, match="39992 rows"):
        agent_store.open(file, progress=remove)
    with agent_store.open(file, read_only=True) as store:
        assert [(found.kind, found.seq) for found in store.verify().breaks] == [("gap", 3)] * 8


@pytest.mark.parametrize("read_only", [False, True])
def test_who_opens_waits_for_a_lock_that_shuts_out_readers_too(file: Path, read_only: bool) -> None:
    # So it is for a moment whenever a process opens a file first, closes it last or recovers it.
    with crate.Session("python", file) as session, Opener(file, read_only=read_only, held=True) as opener:
        session.ask("PRAGMA journal_mode = DELETE")
        session.ask("BEGIN EXCLUSIVE")
        opener.next("ready")
        opener.go_on()
        with pytest.raises(TimeoutError):
            opener.next("opened", "error", within=0.3)
        with pytest.raises(BusyError, match=r"gave up after 0\.[1-9]"):
            agent_store.open(file, read_only=read_only, timeout=0.1)
        session.ask("COMMIT")
        assert "opened" in opener.next("opened", "error")


def test_a_file_that_bears_the_name_of_the_turn_is_left_alone(file: Path) -> None:
    """A copy that somebody made before an upgrade, say."""
    other = file.with_name(file.name + "-upgrade")
    shutil.copy(file, other)
    content = other.read_bytes()
    for _ in "upgraded", "opened again":
        agent_store.open(file).close()
        assert other.read_bytes() == content
    check(file)
