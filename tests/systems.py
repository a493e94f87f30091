"""Which tests need what only some systems have. On others their files are not even imported, and say so as skipped."""

import ast
import re
import sys
from pathlib import Path

import pytest

LINUX = {
    "test_backup_faults": "a file system of its own, and a library put before the system's",
    "test_bell_file": "processes ring by a file only there",
    "test_bell_harm": "processes ring by a file only there",
    "test_bell_rights": "processes ring by a file only there",
    "test_connection": "a library put before the system's",
    "test_connection_sqlite3_disk": "a library put before the system's",
    "test_connection_sqlite3_processes": "/proc tells which files a process has open",
    "test_containers": "namespaces",
    "test_failing_disk": "file systems of its own",
    "test_fairness": "processes take turns only there",
    "test_fork": "a child may open its parent's file only there",
    "test_fork_amid_calls": "a child may open its parent's file only there",
    "test_full_disk": "a file system of its own",
    "test_locks": "locks of an open file description",
    "test_memory": "/proc tells how much memory is in use",
    "test_move_memory": "/proc tells how much memory is in use",
    "test_processes": "processes take turns only there",
    "test_queue_file": "processes take turns only there",
    "test_second_library": "locks of an open file description",
    "test_unreadable_stretch": "a process can be put on one core",
    "test_verify_beside_others": "a process can be put on one core",
    "test_verify_ranges": "a process can be put on one core",
    "test_waking_fork": "a child may open its parent's file only there",
    "test_waking_permissions": "processes ring each other only there",
    "test_waking_rings": "processes ring each other only there",
    "test_waking_second_library": "locks of an open file description",
    "test_waking_sidecar": "processes ring each other only there",
}
UNIX = {
    "test_backup": "names of files with any byte in them",
    "test_backup_target": "umask, links and permissions",
    "test_cli_append": "a terminal, pipes and signals",
    "test_cli_backup": "a terminal, pipes and signals",
    "test_cli_errors": "a terminal, pipes and signals",
    "test_cli_exec": "a terminal, pipes and signals",
    "test_cli_key": "permissions",
    "test_cli_move": "a terminal, pipes and signals",
    "test_cli_pipes": "a terminal, pipes and signals",
    "test_cli_read": "a terminal, pipes and signals",
    "test_cli_server": "pipes and permissions",
    "test_cli_tail": "a terminal, pipes and signals",
    "test_cli_terminal": "a terminal",
    "test_closing": "signals",
    "test_connection_sqlite3_setup": "forks",
    "test_consumer": "signals",
    "test_crash": "signals",
    "test_crate_files": "an open file can be removed",
    "test_crate_peer": "the crate's program is looked for by its name there",
    "test_demo": "a shell",
    "test_docs": "a shell",
    "test_export": "pipes that have names",
    "test_files": "forks, pipes and permissions",
    "test_interrupt": "Ctrl-C for one process alone",
    "test_many_writers": "signals",
    "test_move_killed": "signals",
    "test_openings": "descriptors that are inherited",
    "test_permissions": "users",
    "test_postgres_backend_own": "forks",
    "test_postgres_restart": "signals",
    "test_postgres_server": "signals",
    "test_replaced": "an open file can be removed",
    "test_upgrade": "the crate's program is looked for by its name there",
    "test_upgrade_turns": "the crate's program is looked for by its name there",
    "test_view": "the crate's program is looked for by its name there",
    "test_view_own_sql": "the crate's program is looked for by its name there",
    "test_waiting": "signals",
    "test_waking_database": "an open file can be removed",
    "test_waking_foreign": "the crate's program is looked for by its name there",
    "test_waking_order": "an open file can be removed",
}


# What tells that of files which are not listed.
ONLY_LINUX = re.compile(r"/proc/|LD_PRELOAD|sched_setaffinity|\bunshare\b|\"mount\"|F_OFD_|inotify|O_PATH|prctl")
ONLY_UNIX = re.compile(
    r"os\.(?:fork|mkfifo|umask|set[ug]id|chown|openpty|waitpid|pipe)\(|SIG(?:KILL|STOP|CONT|ALRM|XFSZ)|pass_fds|send_signal"
    r"|^import (?:fcntl|pty|resource|termios|pwd)|\"sh\"",
    re.MULTILINE,
)
ON_ALL = {"cli_append", "postgres_keeper", "postgres_server", "systems"}
"""Names what some systems lack, and does without it there."""


def why_not(file: Path, system: str = sys.platform) -> str | None:
    """Why the file cannot be tested on the system."""
    if system == "linux":
        return None
    if file.stem in LINUX:
        return f"needs Linux: {LINUX[file.stem]}"
    if system == "win32" and file.stem in UNIX:
        return f"needs Unix: {UNIX[file.stem]}"
    for part in sorted(with_helpers(file)):
        text = "" if part.stem.removeprefix("test_") in ON_ALL else part.read_text()
        if found := ONLY_LINUX.search(text):
            return f"needs Linux: {found[0]}"
        if system == "win32" and (found := ONLY_UNIX.search(text)):
            return f"needs Unix: {found[0]}"
    return None


def with_helpers(file: Path) -> set[Path]:
    """The file, and what it imports of this directory."""
    found, wanted = {file}, [file]
    while wanted:
        for node in ast.walk(ast.parse(wanted.pop().read_text())):
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                names = [node.module]
            new = {helper for name in names if (helper := file.parent / f"{name}.py").exists()} - found
            found |= new
            wanted += new
    return found


class Skipped(pytest.Module):
    def collect(self) -> list[pytest.Item | pytest.Collector]:
        pytest.skip(why_not(self.path) or "", allow_module_level=True)


def skipped(file: Path, parent: pytest.Collector) -> pytest.Module | None:
    """In its place, a file of tests that says why it is skipped; None for one that can be tested here."""
    if why_not(file) is None:
        return None
    module: pytest.Module = Skipped.from_parent(parent, path=file)
    return module
