"""The published crate (tests/crate_peer) and other SQLite libraries than ours, each in a process of its own."""

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import pytest

import agent_store

PEER = Path(__file__).parent.parent / "target" / "crate_peer" / "release" / "crate-peer"
PATIENCE = 60.0
"""Seconds that a test waits for a process to say something: far more than it takes."""
PYTHON = """
import json, sqlite3, sys
value = lambda p: bytes.fromhex(p["hex"]) if isinstance(p, dict) else p
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for line in sys.stdin:
    request = json.loads(line)
    try:
        rows = connection.execute(request["sql"], [value(p) for p in request["params"]]).fetchall()
        print(json.dumps({"rows": rows}), flush=True)
    except sqlite3.Error as error:
        print(json.dumps({"error": str(error)}), flush=True)
"""
"""Answers as the peer's `raw` does."""


class Row(NamedTuple):
    """An entry as both sides know it."""

    seq: int
    prev_hash: bytes | None
    content_hash: bytes
    payload: bytes


def start(*args: object) -> "subprocess.Popen[str]":
    if not PEER.exists():
        pytest.fail(f"{PEER} is missing: `make test` builds it")
    return subprocess.Popen([PEER, *map(str, args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def run(*args: object, lines: Sequence[str] = (), patience: float = PATIENCE) -> list[Any]:
    """What a command printed, line by line; an error of the crate's is among it."""
    with start(*args) as process:
        out, _ = process.communicate("".join(f"{line}\n" for line in lines), timeout=patience)
    return [json.loads(line) for line in out.splitlines()]


def append(path: Path, stream: str, writer: str, payloads: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """Seq and hash of each entry."""
    told = run("append", path, stream, writer, lines=[payload.hex() for payload in payloads])
    return [(entry["seq"], bytes.fromhex(entry["hash"])) for entry in told]


def _row(told: Any) -> Row:
    prev = told["prev_hash"]
    hashes = None if prev is None else bytes.fromhex(prev), bytes.fromhex(told["content_hash"])
    return Row(told["seq"], *hashes, bytes.fromhex(told["payload"]))


def entries(path: Path, stream: str, writer: str) -> list[Row]:
    return [_row(told) for told in run("entries", path, stream, writer)]


def head(path: Path, stream: str, writer: str) -> Row | None:
    [told] = run("head", path, stream, writer)
    return None if told is None else _row(told)


def verify(path: Path, stream: str, writer: str) -> None:
    assert run("verify", path, stream, writer) == [{"ok": True}]


def sql(path: Path, *statements: str) -> None:
    """Run statements with Python's SQLite, in a process of its own."""
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "[c.execute(s) for s in sys.argv[2:]]; c.close()"
    )
    subprocess.run([sys.executable, "-c", code, path, *statements], check=True)


class Session:
    """SQL in another library, statement by statement."""

    def __init__(self, library: str, path: Path) -> None:
        command = [str(PEER), "raw", str(path)] if library == "crate" else [sys.executable, "-c", PYTHON, str(path)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=PATIENCE)

    def ask(self, sql: str, params: Sequence[object] = ()) -> Any:
        """`{"error": …}`, or `{"rows": …}` where the statement reads."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        bound = [{"hex": p.hex()} if isinstance(p, bytes) else p for p in params]
        self._process.stdin.write(json.dumps({"sql": sql, "params": bound}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


class Loop:
    """The crate appending to one log, one entry a transaction, until it is stopped or killed."""

    def __init__(self, path: Path, stream: str, writer: str) -> None:
        self.name = (stream, writer)
        self.process = start("loop", path, stream, writer, 10 * PATIENCE)
        self.written: list[tuple[int, bytes, bytes]] = []
        """Seq, hash and payload of each entry that it was told is there."""
        self.refused: list[tuple[bytes, str]] = []
        """Payload and error of each that it was told is not."""
        self._over = False
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told = json.loads(line)
            with self._news:
                if "seq" in told:
                    self.written.append((told["seq"], bytes.fromhex(told["hash"]), b"payload-%d" % told["n"]))
                elif "n" in told:
                    self.refused.append((b"payload-%d" % told["n"], told["error"]))
                elif "done" not in told:
                    self.refused.append((b"", told["error"]))
                self._news.notify_all()
        with self._news:
            self._over = True
            self._news.notify_all()

    def wait_for(self, more: int) -> None:
        """Until it has written so many entries more than now."""
        with self._news:
            enough = len(self.written) + more
            assert self._news.wait_for(lambda: self._over or len(self.written) >= enough, PATIENCE)
            assert len(self.written) >= enough, self.refused[:3]

    def stop(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        self.process.stdout.close()


def same(path: Path) -> dict[tuple[str, str], list[Row]]:
    """Every log of a file, once both sides have verified it and agree on each byte of it, generations too."""
    logs: dict[tuple[str, str], list[Row]] = {}
    with agent_store.open(path, read_only=True) as store:
        verdict = store.verify()
        assert verdict.holds, verdict.breaks
        for stream, writer, *_ in ((h.stream, h.writer) for h in store.heads()):
            ours = [Row(e.seq, e.prev_hash, e.content_hash, e.payload) for e in store.log(stream, writer).entries()]
            verify(path, stream, writer)
            assert entries(path, stream, writer) == ours
            assert head(path, stream, writer) == ours[-1]
            logs[stream, writer] = ours
        assert verdict.entries == sum(map(len, logs.values()))
        with Session("crate", path) as session:
            named = session.ask("SELECT DISTINCT stream, writer FROM _agent_store_log")["rows"]
            kept = session.ask("SELECT key, ival FROM _agent_store_meta WHERE key NOT GLOB '_agent_store.*'")["rows"]
        assert sorted(map(tuple, named)) == sorted(logs)
        for key, value in kept:
            assert store.generation(key).current() == value
            assert run("current", path, key) == [{"value": value}]
    return logs
