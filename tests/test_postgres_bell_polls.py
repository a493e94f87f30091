"""Where nobody can be heard it looks, and says so: behind a pooler in transaction mode, and on a standby."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

import agent_store
from postgres_bells import DEADLINE, listeners, settled, sleeping, until, waiting
from postgres_server import Server, free_port, url_of
from standbys import as_nobody, is_behind, soon, standby_of
from stores import Schema
from threads import check

pytestmark = pytest.mark.timeout(90)
POOLER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
SETTINGS = """
[databases]
postgres = host={host} port={port} dbname=postgres user=postgres password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = 3
ignore_startup_parameters = options
"""


@contextmanager
def pooler(server: Server, mode: str) -> Iterator[int]:
    """The port of one; each transaction has one of three connections to the server."""
    if POOLER is None:
        pytest.skip("no pgbouncer")
    own = free_port()
    with tempfile.TemporaryDirectory(prefix="agent-store-pooler-") as made:
        Path(made).chmod(0o755)
        settings = Path(made) / "pgbouncer.ini"
        settings.write_text(
            SETTINGS.format(host=server.host, port=server.port, password=server.password, own=own, mode=mode)
        )
        settings.chmod(0o644)
        quiet = subprocess.DEVNULL
        with subprocess.Popen([POOLER, settings], stdin=quiet, stdout=quiet, stderr=quiet, **as_nobody()) as process:
            try:
                until(lambda: answers(server.url(port=own)))
                yield own
            finally:
                process.terminate()


def answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_behind_a_pooler(schema: Schema, server: Server, mode: str) -> None:
    """It would listen in whichever session it has at the moment, and leave the lock there."""
    schema.open().close()
    with pooler(server, mode) as port:
        url = url_of(server.url(port=port), schema=schema.name)
        with agent_store.open(url) as store, schema.open() as direct, schema.open() as hearing:
            assert store.info()["doorbell"] == "poll"
            assert direct.info()["doorbell"] == "notify"
            with store.watch(after=0, timeout=DEADLINE) as watch:
                for writer in (direct, store, direct, store):
                    thread, found = sleeping(lambda: next(watch))
                    time.sleep(0.2)
                    entry = writer.log("s", "w").append(b"x")
                    thread.join(DEADLINE)
                    assert found == [entry]
                assert not listeners(schema)
            # Writers behind it know of those who listen, and ring.
            with waiting(hearing, schema) as waiter:
                seen = waiter.look()
                store.generation("g").bump()
                assert waiter.wait(seen, DEADLINE)
                for number in range(5):
                    seen = settled(waiter)
                    store.log("s", "v").append(b"%d" % number)
                    assert waiter.wait(seen, DEADLINE)
            check(store, 9)
        until(lambda: not listeners(schema))


def test_on_a_standby() -> None:
    """And from when it is one no more, it listens."""
    with Server() as server, agent_store.open(server.url()) as store, standby_of(server) as port:
        store.log("s", "w").append(b"first")
        url = server.url(port=port)
        soon(lambda: is_behind(url), True, ignored=(psycopg.Error,))
        with agent_store.open(url, read_only=True) as behind:
            soon(behind.position, 1)
            assert behind.info()["doorbell"] == "poll"
            with behind.watch(timeout=DEADLINE) as watch:
                for _ in range(3):
                    entry = store.log("s", "w").append(b"x")
                    assert next(watch) == entry
                with psycopg.connect(url, autocommit=True) as connection:
                    connection.execute("SELECT pg_promote()")
                soon(lambda: is_behind(url), False)
                thread, found = sleeping(lambda: next(watch))
                with agent_store.open(url) as promoted:
                    entry = promoted.log("s", "w").append(b"of its own")
                    assert promoted.info()["doorbell"] == "notify"
                thread.join(DEADLINE)
                assert found == [entry]
