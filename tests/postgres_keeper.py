"""The keeper of a PostgreSQL server: started by postgres_server.py, told on its input what to do, gone at its end."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
PATIENCE = 60.0
SUPERUSER = "postgres"
NOBODY = "nobody"
"""Who runs it where the tests are run by root, which PostgreSQL refuses to be run by."""


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
            "listen_addresses": HOST,
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


if __name__ == "__main__":
    main()
