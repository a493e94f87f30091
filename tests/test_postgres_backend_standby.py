"""A hot standby: read from while it follows, and it takes no writes."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

import agent_store
from agent_store import Store
from agent_store.errors import ReadOnlyStore
from postgres_keeper import NOBODY, PATIENCE
from postgres_server import Server, free_port, programs

KEEPER = """
import json, signal, subprocess, sys
server = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, **json.loads(sys.argv[1]))
print("started", flush=True)
sys.stdin.read()
server.send_signal(signal.SIGQUIT)
server.wait()
"""


def as_nobody() -> dict[str, Any]:
    """A server is not run by root."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return {}
    import pwd

    return {"user": NOBODY, "group": pwd.getpwnam(NOBODY).pw_gid, "extra_groups": []}


@contextmanager
def standby_of(server: Server) -> Iterator[int]:
    """The port of one; it goes at the end, and with this process."""
    where = programs()
    assert where is not None
    if subprocess.run([where / "postgres", "--version"], check=False, capture_output=True, **as_nobody()).returncode:
        pytest.skip("the user that runs servers may not run these programs")
    with tempfile.TemporaryDirectory(prefix="agent-store-standby-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o777)
        data, port = Path(made) / "data", free_port()
        backup: list[str | Path] = [
            where / "pg_basebackup",
            "-d",
            server.url(),
            "-D",
            data,
            "-R",
            "-X",
            "stream",
            "--checkpoint=fast",
        ]
        subprocess.run(backup, check=True, cwd=made, capture_output=True, timeout=PATIENCE, **as_nobody())
        settings = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"]
        settings.append("max_connections=200")  # as many as its primary has, or more
        command = [where / "postgres", "-D", data, *(part for one in settings for part in ("-c", one))]
        keeper = subprocess.Popen(
            [sys.executable, "-c", KEEPER, json.dumps(as_nobody()), *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=made,
        )
        try:
            yield port
        finally:
            keeper.communicate(timeout=PATIENCE)


def soon(call: Any, wanted: object, *, ignored: tuple[type[Exception], ...] = ()) -> None:
    end = time.monotonic() + PATIENCE
    found: object = None
    while time.monotonic() < end:
        try:
            found = call()
        except ignored as error:
            found = error
        if found == wanted:
            return
        time.sleep(0.05)
    pytest.fail(f"{found} is still not {wanted}")


def test_a_hot_standby() -> None:
    with Server() as server, agent_store.open(server.url()) as store:
        log = store.log("s", "w")
        log.append_many([b"x"] * 2_000)
        store.generation("g").bump()
        with standby_of(server) as port:
            url = server.url(port=port)
            soon(lambda: is_behind(url), True, ignored=(psycopg.Error,))
            with agent_store.open(url, read_only=True) as behind:
                soon(behind.position, 2_000)
                entry = log.append(b"later")
                soon(behind.log("s", "w").head, entry)
                assert behind.verify().holds
                assert behind.log("s", "w").verify() == behind.heads()[0]
                assert len(list(behind.entries(after=1_990))) == 11
                assert behind.generation("g").current() == 1
                assert behind.query("SELECT pg_is_in_recovery()") == [(True,)]
                takes_no_writes(behind)
            with agent_store.open(url) as behind:
                assert behind.position() == 2_001
                takes_no_writes(behind)


def is_behind(url: str) -> object:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT pg_is_in_recovery()").fetchall()[0][0]


def takes_no_writes(store: Store) -> None:
    for write in (
        lambda: store.log("s", "w").append(b"y"),
        lambda: store.log("s", "w").append_many([b"y"] * 2_000),
        store.generation("g").bump,
        lambda: store.execute("CREATE TABLE notes (x int)"),
    ):
        with pytest.raises(ReadOnlyStore):
            write()
