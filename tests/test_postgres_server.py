"""The server and the proxy of the tests themselves do what tests rely on."""

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest

from postgres_keeper import PATIENCE
from postgres_server import Server, url_of
from proxy import PLAIN, Proxy

HOLDER = """
import sys
from postgres_server import Server
with Server() as server:
    print(server.url(), flush=True)
    sys.stdin.readline()
"""


def test_what_was_committed_is_there_after_a_stop_and_a_kill(server: Server) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE t (a integer)")
        for end in (server.stop, server.kill):
            with psycopg.connect(server.url(), autocommit=True) as writer:
                writer.execute("INSERT INTO t VALUES (1)")
                end()
                with pytest.raises(psycopg.OperationalError):
                    writer.execute("SELECT 1")
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(server.url())
            server.start()
    with psycopg.connect(server.url()) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (2,)


def test_a_wrong_password_is_refused(server: Server) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.url(password="wrong"))


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is of POSIX")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_server_is_gone_when_its_process_is(number: signal.Signals) -> None:
    command = [sys.executable, "-c", HOLDER]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=Path(__file__).parent) as holder:
        assert holder.stdout is not None
        url = holder.stdout.readline().strip()
        psycopg.connect(url).close()
        processes = psutil.Process(holder.pid).children(recursive=True)
        assert len(processes) > 3
        holder.send_signal(number)
        holder.wait(PATIENCE)
    end = time.monotonic() + PATIENCE
    while any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes):
        assert time.monotonic() < end
        time.sleep(0.02)


def connect(server: Server, proxy: Proxy) -> psycopg.Connection:
    return psycopg.connect(url_of(server.url(port=proxy.port), **PLAIN), autocommit=True)


def test_a_proxy_passes_and_cuts(server: Server, proxy: Proxy) -> None:
    with connect(server, proxy) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        proxy.cut()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    with connect(server, proxy) as connection:
        proxy.cut_after(50_000)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT repeat('x', 100000)")
        assert proxy.lost.wait(PATIENCE)
    proxy.refuse()
    with pytest.raises(psycopg.OperationalError):
        connect(server, proxy)
    proxy.accept()
    connect(server, proxy).close()
    assert proxy.opened == 3


@pytest.mark.parametrize("lost", ["answer", "request"])
def test_a_proxy_loses_a_commit_or_its_answer(server: Server, proxy: Proxy, lost: str) -> None:
    with psycopg.connect(server.url(), autocommit=True) as admin, connect(server, proxy) as connection:
        admin.execute("DROP TABLE IF EXISTS t")
        admin.execute("CREATE TABLE t (a integer)")
        connection.execute("BEGIN")
        connection.execute("INSERT INTO t VALUES (1)")
        if lost == "answer":
            proxy.lose_answer(b"COMMIT")
        else:
            proxy.lose_request(b"COMMIT")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("COMMIT")
        assert proxy.lost.wait(PATIENCE)
        assert admin.execute("SELECT count(*) FROM t").fetchone() == ((1,) if lost == "answer" else (0,))


def test_a_proxy_holds_answers(server: Server, proxy: Proxy) -> None:
    with connect(server, proxy) as connection, ThreadPoolExecutor(1) as pool:
        with proxy.holding():
            waiting = pool.submit(connection.execute, "SELECT 1")
            time.sleep(0.2)
            assert not waiting.done()
        assert waiting.result(PATIENCE).fetchone() == (1,)
