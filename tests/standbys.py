"""A hot standby of a server of the tests' own."""

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


def is_behind(url: str) -> object:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT pg_is_in_recovery()").fetchall()[0][0]
