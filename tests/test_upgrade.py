"""A file of the crate's is brought to our layout: large, killed on the way, and while the crate goes on writing."""

import os
import shutil
import time
from pathlib import Path

import pytest

import agent_store
import crate
from blake3_rule import chain
from upgrading import Opener

MANY = int(os.environ.get("UPGRADE_ROWS", "1000000"))
"""Rows of the large upgrade, which UPGRADE_ROWS scales. A million takes about 25 s on two cores, most of it to make."""
SOME = 60_000
KILLS = 20
LOGS = 8


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the crate's, to be copied."""
    path = tmp_path_factory.mktemp("made") / "crate.db"
    crate.run("make", path, SOME, LOGS, 100)
    return path


@pytest.mark.timeout(600)
def test_a_million_rows(path: Path) -> None:
    [made] = crate.run("make", path, MANY, LOGS, 100, patience=500)
    before = crate.head(path, made["stream"], made["first_writer"])
    told: list[tuple[int, int]] = []
    with agent_store.open(path, progress=lambda done, total: told.append((done, total))) as store:
        verdict = store.verify()
        assert verdict.holds, verdict.breaks
        assert (verdict.entries, verdict.logs, store.position()) == (MANY, LOGS, MANY)
        assert [head.seq for head in store.heads()] == [MANY // LOGS] * LOGS
        log = store.log(made["stream"], made["first_writer"])
        head = log.head()
        assert head is not None
        assert before == crate.Row(head.seq, head.prev_hash, head.content_hash, head.payload)
    assert told == sorted(told)
    assert {total for _, total in told} == {2 * MANY}
    assert told[-1] == (2 * MANY, 2 * MANY)
    assert len(told) > MANY // 20_000
    crate.verify(path, made["stream"], made["first_writer"])


def after(path: Path, loop: crate.Loop, layout: str | None = None) -> None:
    """Both sides find every row that the crate was told is there, and every chain whole."""
    crate.verify(path, *loop.name)
    assert [(r.seq, r.content_hash, r.payload) for r in crate.entries(path, *loop.name)] == loop.written
    with agent_store.open(path, read_only=True) as store:
        assert layout in {None, store.info()["layout"]}
        verdict = store.verify()
        assert verdict.holds, verdict.breaks
        assert (verdict.entries, verdict.logs) == (SOME + len(loop.written), LOGS + 1)
        first = store.heads()[0]
        assert first.seq == SOME // LOGS
    crate.verify(path, first.stream, first.writer)


@pytest.mark.timeout(600)
def test_killed_at_any_moment_the_file_is_whole(made: Path, path: Path) -> None:
    def upgrade(kill_after: float | None) -> tuple[float, bool]:
        """The seconds that it had, and whether it came to its end."""
        shutil.copy(made, path)
        with crate.Loop(path, "loop", "crate") as loop, Opener(path, held=True) as opener:
            loop.wait_for(1)
            opener.next("ready")
            opener.go_on()
            began = time.monotonic()
            if kill_after is not None:
                time.sleep(kill_after)
                opener.kill()
            ended = "opened" in opener.next("opened", "error")
            taken = time.monotonic() - began
            loop.wait_for(3)  # Whatever lock there was is gone.
        assert loop.refused == []
        after(path, loop)
        agent_store.open(path).close()
        after(path, loop, "compact")
        assert [found.name for found in path.parent.iterdir()] == [path.name]
        path.unlink()
        return taken, ended

    measured, ended = upgrade(None)
    assert ended
    ends = [upgrade(measured * (number + 0.5) / KILLS)[1] for number in range(KILLS)]
    assert not any(ends[: KILLS // 4])
    assert ends.count(False) >= KILLS // 2


def test_the_crate_writes_all_the_time(made: Path, path: Path) -> None:
    shutil.copy(made, path)
    with crate.Loop(path, "loop", "one") as one, crate.Loop(path, "loop", "two") as two:
        for loop in (one, two):
            loop.wait_for(10)
        with agent_store.open(path) as store:
            for loop in (one, two):
                loop.wait_for(10)
                store.log(*loop.name).verify()
            store.log("ours", "w").append_many([b"1", b"2"])
    assert one.refused == two.refused == []
    logs = crate.same(path)
    for loop in (one, two):
        assert [(row.seq, row.content_hash, row.payload) for row in logs[loop.name]] == loop.written
    assert len(logs) == LOGS + 3
    assert sum(map(len, logs.values())) == SOME + len(one.written) + len(two.written) + 2


@pytest.mark.parametrize("library", ["crate", "python"])
def test_connections_from_before_go_on(path: Path, library: str) -> None:
    payloads = [b"%d" % n for n in range(4)]
    hashes = chain(payloads)
    crate.append(path, "s", "w", payloads[:1])
    # Python's sqlite3 keeps a statement prepared for as long as its text is the same.
    insert = "INSERT INTO _agent_store_log VALUES ('s', 'w', ?, ?, ?, ?)"
    head, count = "SELECT max(seq) FROM _agent_store_log", "SELECT count(*) FROM _agent_store_log WHERE stream = ?"
    with crate.Session(library, path) as writer, crate.Session(library, path) as reader:
        assert "error" not in writer.ask(insert, [2, hashes[0], hashes[1], payloads[1]])
        assert writer.ask(head) == {"rows": [[2]]}
        reader.ask("BEGIN")
        assert reader.ask(count, ["s"]) == {"rows": [[2]]}
        with agent_store.open(path) as store:
            assert store.info()["layout"] == "compact"
            assert "error" not in writer.ask(insert, [3, hashes[1], hashes[2], payloads[2]])
            assert writer.ask(head) == {"rows": [[3]]}
            assert "seq must be" in writer.ask(insert, [3, hashes[1], hashes[2], payloads[2]])["error"]
            assert store.log("s", "w").append(payloads[3]).content_hash == hashes[3]
            assert reader.ask(count, ["s"]) == {"rows": [[2]]}, "a transaction sees what was there when it began"
            reader.ask("COMMIT")
            assert reader.ask(count, ["s"]) == {"rows": [[4]]}
            assert store.verify().entries_hold == 4
