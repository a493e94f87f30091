"""No byte of what was erased is left: not in the file, its free pages, the rest of its pages, nor in the WAL."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path

import pytest

import agent_store
import crate
from agent_store import Store
from processes import script
from raw_bytes import found, payload
from sealing import KEY, VECTORS

SMALL, LARGE = range(400), range(400, 408)


def written(number: int) -> bytes:
    """Long enough to be found: small ones, many on a page; large ones, each on many pages."""
    return payload(number, 30 + number % 90 if number in SMALL else 20_000 + number)


def fill(store: Store) -> None:
    for number in range(5):  # The table begins as one page.
        store.log("s", "w").append(written(number))
    store.append_many([("s", f"w{number % 3}", written(number)) for number in chain(SMALL[5:], LARGE)])


def check(store: Store, erased: list[int]) -> None:
    """The rest is as it was. Numbers begin at 0, and positions at 1."""
    for number, entry in enumerate(store.entries()):
        assert entry.erased == (number in erased)
        assert entry.erased or entry.payload == written(number)
    assert store.query("PRAGMA integrity_check") == [("ok",)]
    verdict = store.verify(keys=KEY)
    assert verdict.holds, verdict
    assert verdict.erased == len(erased)


ERASED = {
    "the first": [0],
    "those of the first page": [0, 1, 2, 3, 4, 20],
    "one": [200],
    "a large one": [403],
    "a page and more": list(range(100, 190)),
    "every other": list(range(0, 408, 2)),
    "all": list(range(408)),
}


@pytest.mark.parametrize("which", ERASED)
def test_no_byte_is_left(path: Path, which: str) -> None:
    erased = ERASED[which]
    with agent_store.open(path) as store:
        fill(store)
        store.checkpoint(KEY)
        assert found(path, [written(number) for number in erased])
        assert store.erase([number + 1 for number in erased], KEY).gone is True
        assert found(path, [written(number) for number in erased]) == {}
        check(store, erased)
    assert found(path, [written(number) for number in erased]) == {}
    with agent_store.open(path) as store:
        check(store, erased)


def test_no_byte_is_left_of_what_moved_when_others_were_erased(path: Path) -> None:
    """Pages that are nearly empty are joined: their other cells stand elsewhere then, and where they stood before."""
    erased: list[int] = []
    with agent_store.open(path) as store:
        fill(store)
        store.checkpoint(KEY)
        for some in (range(100, 200, 3), range(101, 200, 3), range(102, 200, 3), [*LARGE][:4], range(90, 100)):
            store.erase([number + 1 for number in some], KEY)
            erased += some
            assert found(path, [written(number) for number in erased]) == {}
        check(store, erased)


@pytest.mark.parametrize(
    "pragmas",
    [
        ["page_size = 512"],
        ["page_size = 65536"],
        ["auto_vacuum = 1", "page_size = 1024"],
        ["auto_vacuum = 2", "page_size = 4096"],
        ["encoding = 'UTF-16le'"],
    ],
    ids=" ".join,
)
def test_whatever_the_pages_are_like(path: Path, pragmas: list[str]) -> None:
    crate.sql(path, *(f"PRAGMA {pragma}" for pragma in pragmas), "CREATE TABLE host (x)", "INSERT INTO host VALUES (7)")
    erased = [*range(0, 200, 3), *LARGE]
    with agent_store.open(path) as store:
        fill(store)
        store.checkpoint(KEY)
        assert store.erase([number + 1 for number in erased], KEY).gone is True
        assert found(path, [written(number) for number in erased]) == {}
        check(store, erased)
        assert store.query("SELECT x FROM host") == [(7,)]


def test_no_byte_is_left_in_a_file_of_the_crate(path: Path) -> None:
    """Its table is among the free pages then."""
    payloads = [payload(1_000 + number, 3_000) for number in range(40)]
    crate.append(path, "s", "w", payloads)
    with agent_store.open(path) as store:
        store.checkpoint(KEY)
        assert store.query("PRAGMA freelist_count") > [(30,)]
        assert store.erase(range(1, 40), KEY).gone is True
        assert found(path, payloads[:-1]) == {}
        assert store.query("PRAGMA freelist_count") > [(30,)]
        assert store.verify(keys=KEY).holds
    assert [entry.payload for entry in crate.entries(path, "s", "w")] == [b""] * 39 + payloads[-1:]
    [told] = crate.run("verify", path, "s", "w")
    assert "error" in told


@pytest.mark.parametrize("size", [5_000, 3_000, 12_000])
def test_no_byte_is_left_in_pages_that_were_free_and_are_used_again(path: Path, size: int) -> None:
    """Where few were free, the page that listed them keeps most of what it had, wherever that is used."""
    for number in range(6):
        crate.append(path, "s", "w", [written(number)])
    crate.append(path, "s", "w", [payload(1_000 + number, 3_000) for number in range(6)])
    with agent_store.open(path) as store:
        store.checkpoint(KEY)
        store.execute("CREATE TABLE host (x BLOB)")
        while store.query("PRAGMA freelist_count") != [(0,)]:
            store.execute("INSERT INTO host VALUES (zeroblob(?))", [size])
        old = [payload(1_000 + number, 3_000) for number in range(6)]
        assert found(path, old)
        assert store.erase(range(1, 13), KEY).gone is True
        assert found(path, [*old, *map(written, range(6))]) == {}
        assert store.query("SELECT DISTINCT x = zeroblob(?) FROM host", [size]) == [(1,)]


def dropped(path: Path, rows: int) -> bytes:
    """The bytes of a table of the host's whose pages are free now; with one row there is one such page."""
    old = payload(2_000, 900)
    crate.sql(
        path,
        "PRAGMA secure_delete = OFF",
        "CREATE TABLE host (x BLOB)",
        *[f"INSERT INTO host VALUES (x'{old.hex()}')" for _ in range(rows)],
        "DROP TABLE host",
    )
    return old


@pytest.mark.parametrize("rows", [1, 40])
def test_what_was_removed_from_other_tables_goes_too(path: Path, rows: int) -> None:
    """The page that lists the free ones is one of them."""
    with agent_store.open(path) as store:
        store.log("s", "w").append(b"first")
        store.checkpoint(KEY)
    old = dropped(path, rows)
    with agent_store.open(path) as store:
        assert found(path, [old])
        assert store.erase([], KEY).gone is True
        assert found(path, [old]) == {}
        assert store.query("PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize("length", [3_990, 4_010, 4_030, 4_050])
def test_the_rest_of_a_large_payloads_last_page_is_cleaned(path: Path, length: int) -> None:
    with agent_store.open(path) as store:
        store.log("s", "w").append(b"first")
        store.checkpoint(KEY)
    old = dropped(path, 1)
    with agent_store.open(path) as store:
        entry = store.log("s", "w").append(payload(3_000, length))
        store.checkpoint(KEY)
        assert store.erase([], KEY).gone is True
        assert found(path, [old]) == {}
        assert store.log("s", "w").entry(2) == entry
        assert store.verify(keys=KEY).holds


READER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT count(*) FROM _agent_store_entries").fetchone()
print("reading", flush=True)
sys.stdin.read()
connection.close()
"""


@contextmanager
def a_reader(path: Path) -> Iterator[Callable[[], object]]:
    """Another process, in the middle of a transaction that reads; it ends with the block, or when it is told to."""
    with script(READER, path) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            assert process.stdout.readline() == "reading\n"
            yield process.stdin.close
        finally:
            process.stdin.close()
            process.wait(60)


def test_a_reader_holds_it_up_and_the_next_call_tries_again(path: Path) -> None:
    with agent_store.open(path, timeout=0.3) as store:
        fill(store)
        store.checkpoint(KEY)
        with a_reader(path):
            began = time.monotonic()
            assert store.erase([1, 404], KEY).gone is False
            assert time.monotonic() - began >= 0.3
            entry = store.log("s", "w").entry(1)
            assert entry is not None
            assert entry.erased
            assert set(found(path, [written(0)])) <= {"app.db", "app.db-wal"}
            store.log("s", "w").append(b"writers go on")
            assert store.erase([], KEY).gone is False
        answer = store.erase([1], KEY)
        assert (len(answer.notes), answer.gone) == (1, True)
        assert found(path, [written(0), written(403)]) == {}
        assert store.erase([], KEY).gone is True


def test_who_reads_for_a_short_time_is_waited_for(path: Path) -> None:
    with agent_store.open(path, timeout=60.0) as store:
        fill(store)
        store.checkpoint(KEY)
        with a_reader(path) as end:
            timer = threading.Timer(0.3, end)
            timer.start()
            assert store.erase([1], KEY).gone is True
            timer.join()
        assert found(path, [written(0)]) == {}


def test_no_byte_is_left_where_a_caller_writes(path: Path) -> None:
    """Python's own SQLite, whose pages are cleaned natively."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = wal").close()
        connection.execute("PRAGMA secure_delete = OFF").close()
        store = agent_store.open(connection)
        fill(store)
        store.checkpoint(KEY)
        assert found(path, [written(0), written(404)])
        answer = store.erase([1, 405], KEY)
        if answer.gone is None:
            pytest.skip("closing a file there drops the locks of others")
        assert answer.gone is True
        assert found(path, [written(0), written(404)]) == {}
        check(store, [0, 404])
        assert connection.execute("PRAGMA secure_delete").fetchone() == (0,)
        store.close()


def test_in_another_journal_mode_only_its_owner_can_say(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        store = agent_store.open(connection)
        fill(store)
        store.checkpoint(KEY)
        assert store.erase([1], KEY).gone is None
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        store.close()
    with agent_store.open(path) as store:
        assert store.erase([], KEY).gone is True
    assert found(path, [written(0)]) == {}


def test_a_backup_made_afterwards_has_none_of_it(path: Path, tmp_path: Path) -> None:
    with agent_store.open(path) as store:
        fill(store)
        store.checkpoint(KEY)
        store.erase([1, 405], KEY)
        copy = tmp_path / "copy.db"
        verdict = store.backup(copy)
        assert verdict.holds
        assert verdict.erased == 2
    assert found(copy, [written(0), written(404)]) == {}
    with agent_store.open(copy) as store:
        check(store, [0, 404])


DIES = """
import os, sys
import agent_store
from agent_store import SigningKey

key = SigningKey.from_seed(sys.argv[2], bytes.fromhex(sys.argv[3]))

class Dying:
    def __init__(self, backend): self._backend = backend
    def __getattr__(self, name): return getattr(self._backend, name)
    def scrub(self): os.kill(os.getpid(), 9)

store = agent_store.open(sys.argv[1])
store._binding.backend = Dying(store._binding.backend)
store.erase([1, 405], key)
"""


def test_killed_before_the_bytes_are_gone_the_next_call_removes_them(path: Path) -> None:
    with agent_store.open(path) as store:
        fill(store)
        store.checkpoint(KEY)
    with script(DIES, path, KEY.name, VECTORS["log_seed"]) as process:
        assert process.wait(60) == -9
    assert found(path, [written(0), written(404)])
    with agent_store.open(path) as store:
        check(store, [0, 404])
        assert store.erase([], KEY).gone is True
        assert found(path, [written(0), written(404)]) == {}
        check(store, [0, 404])
