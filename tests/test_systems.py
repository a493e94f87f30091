"""That tests which need more than every system has are known as such."""

import ast
import re
from pathlib import Path

from systems import LINUX, UNIX, why_not

HERE = Path(__file__).parent
ONLY_LINUX = re.compile(r"/proc/|LD_PRELOAD|sched_setaffinity|\bunshare\b|\"mount\"|F_OFD_|inotify|O_PATH|prctl")
ONLY_UNIX = re.compile(
    r"os\.(fork|mkfifo|umask|set[ug]id|chown|openpty|waitpid|pipe)\(|SIG(KILL|STOP|CONT|ALRM|XFSZ)|pass_fds|send_signal"
    r"|^import (fcntl|pty|resource|termios|pwd)|\"sh\""
)
KNOWN_BETTER = {
    "test_systems": "names them to look for them",
    "test_cli_append": "skips the one test of /proc by itself",
    "postgres_server": "starts and stops its server in the way of each system",
}


def imports(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    plain = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    return plain | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def all_of(file: Path, seen: set[Path]) -> set[Path]:
    """The file, and the helpers that it imports."""
    for name in imports(file):
        helper = HERE / f"{name}.py"
        if helper.exists() and helper not in seen:
            all_of(helper, seen | {file})
            seen |= all_of(helper, seen | {helper})
    return seen | {file}


def test_each_file_that_needs_a_system_is_known() -> None:
    unknown = {}
    for file in HERE.glob("test_*.py"):
        found = None
        for helper in all_of(file, set()):
            text = "" if helper.stem in KNOWN_BETTER else helper.read_text()
            if file.stem not in LINUX:
                found = found or ONLY_LINUX.search(text) or (file.stem not in UNIX and ONLY_UNIX.search(text))
        if found:
            unknown[file.stem] = found[0]
    assert unknown == {}, "to be listed in systems.py, with what they need"


def test_each_file_that_is_known_is_there() -> None:
    for name in LINUX | UNIX:
        assert (HERE / f"{name}.py").exists(), name
    assert not LINUX.keys() & UNIX.keys()


def test_it_says_why() -> None:
    assert why_not("test_locks", "linux") is None
    assert why_not("test_crash", "darwin") is None
    assert why_not("test_locks", "darwin") == "needs Linux: locks of an open file description"
    assert why_not("test_crash", "win32") == "needs Unix: signals"
