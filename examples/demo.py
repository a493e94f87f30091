"""Writers in processes of their own append real text to one store at once; it is verified, tampered with, and caught.

    python examples/demo.py [FILE…]        (make demo, make demo FILE=path)

Without FILE it reads text files that this machine has: the package manager's log, and the largest of Python's own.
"""

import json
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

WRITERS = ("ada", "bob", "cat", "dan")
BATCH = 500  # lines a commit
FEWEST = 40_000  # lines to read, if the machine has them
LOGS = ("dpkg.log", "dnf.log", "dnf.rpm.log", "pacman.log", "zypper.log", "apt/term.log", "install.log", "syslog")
FORGED = b"nothing happened here"


def main() -> None:
    # Not at the top: the process that alters the file must not have a second SQLite on it.
    import agent_store

    if sqlite3.sqlite_version_info < (3, 37):
        sys.exit(f"demo: to alter the file from outside takes SQLite 3.37, and Python has {sqlite3.sqlite_version}")
    files = [Path(name).absolute() for name in sys.argv[1:]] or list(enough(real_files()))
    try:
        counts = {file: len(lines(file)) for file in files}
    except OSError as error:
        sys.exit(f"demo: {error.filename} cannot be read: {error.strerror}")
    if not any(counts.values()):
        sys.exit("demo: there are no lines to read")
    folder = Path(tempfile.mkdtemp(prefix="agent-store-demo-"))
    db = folder / "demo.db"
    try:
        title(f"1. {len(WRITERS)} processes, each a writer, append the lines of these files to one store at once")
        for file, count in counts.items():
            print(f"{count:>8,} lines  {file}")
        agent_store.open(db).close()
        append_all(db, files)

        title("2. The heads: each writer's log of each file")
        command(folder, "heads", db.name)

        title("3. Every hash recomputed")
        command(folder, "verify", db.name)
        with agent_store.open(db, read_only=True) as store:
            began = time.perf_counter()
            verdict = store.verify()
            seconds = time.perf_counter() - began
            assert verdict.holds
            assert verdict.entries == sum(counts.values())
            print(f"{verdict.entries:,} entries in {seconds:.3f} s: {verdict.entries / seconds:,.0f} entries/s")
            head = max(store.heads(), key=lambda head: head.seq)
            victim = store.log(head.stream, head.writer).entry(head.seq // 2 + 1)
            assert victim is not None

        title(f"4. Another process alters entry {victim.seq} of {victim.writer} in {victim.stream}")
        subprocess.run([sys.executable, __file__, "--alter", db, str(victim.position)], check=True)

        title("5. Verified again")
        status = command(folder, "verify", db.name)
        if status != 1:
            sys.exit(f"demo: exit status 1 was due, and it was {status}")
        command(folder, "show", "--start", victim.seq, "-n", 1, db.name, victim.stream, victim.writer)
    finally:
        shutil.rmtree(folder)
        print(f"\n{folder} is removed again.")


def append_all(db: Path, files: list[Path]) -> None:
    """Start the writers, let them go at the same moment, and add up what they say."""
    command = [sys.executable, __file__, "--write", str(db)]
    writers = [
        subprocess.Popen([*command, writer, *map(str, files)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for writer in WRITERS
    ]
    for process in writers:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    began = time.perf_counter()
    for process in writers:
        assert process.stdin is not None
        process.stdin.close()
    total = 0
    print()
    for writer, process in zip(WRITERS, writers, strict=True):
        assert process.stdout is not None
        count, seconds = json.loads(process.stdout.read())
        assert process.wait() == 0
        print(f"{writer}, process {process.pid}: {count:,} lines in {seconds:.2f} s")
        total += count
    seconds = time.perf_counter() - began
    print(
        f"together {total:,} lines in {seconds:.2f} s: {total / seconds:,.0f} lines/s, {BATCH} a commit, each on disk"
    )


def write(db: str, writer: str, *files: str) -> None:
    """One writer: of each file every fourth line is its own."""
    import agent_store

    with agent_store.open(db, timeout=60) as store:
        print("ready", flush=True)
        sys.stdin.read()
        began, count = time.perf_counter(), 0
        for file in files:
            own = lines(Path(file))[WRITERS.index(writer) :: len(WRITERS)]
            store.log(stream(Path(file)), writer).append_many(own, batch=BATCH)
            count += len(own)
    print(json.dumps([count, time.perf_counter() - began]))


def alter(path: str, position: str) -> None:
    """What somebody does who has the file, and Python's own SQLite."""
    update = "UPDATE _agent_store_entries SET payload = ? WHERE position = ?"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        try:
            db.execute(update, (FORGED, position))
            sys.exit("demo: the guard let it pass")
        except sqlite3.IntegrityError as refused:
            print(f"At first it is refused ({refused}).")
        (guard,) = db.execute("SELECT sql FROM sqlite_schema WHERE name = '_agent_store_entries_update'").fetchone()
        db.execute("DROP TRIGGER _agent_store_entries_update")
        db.execute(update, (FORGED, position))
        db.execute(guard)
    print(f"Then it takes the guard off, writes {FORGED.decode()!r}, and puts the guard back.")


def real_files() -> Iterator[Path]:
    """Text of this machine: a package manager's or system's log first, then Python's own, the largest first."""
    for log in (Path("/var/log", name) for name in LOGS):
        if os.access(log, os.R_OK) and log.stat().st_size:
            yield log
            break
    library = Path(os.__file__).parent
    sources = [*library.glob("*.py"), *library.glob("*/*.py")]
    yield from sorted(sources, key=lambda file: (-file.stat().st_size, file))


def enough(files: Iterable[Path]) -> Iterator[Path]:
    """As many as it takes."""
    found = 0
    for file in files:
        if found >= FEWEST:
            return
        found += len(lines(file))
        yield file


def stream(file: Path) -> str:
    return "/".join(file.parts[-2:])


def lines(file: Path) -> list[bytes]:
    return file.read_bytes().removesuffix(b"\n").split(b"\n") if file.stat().st_size else []


def title(text: str) -> None:
    print(f"\n{text}\n", flush=True)


def command(folder: Path, *arguments: object) -> int:
    """Show a command, and run it: what it prints goes where ours goes."""
    words = [*map(str, arguments)]
    print("$ agent-store", shlex.join(words), flush=True)
    return subprocess.run([sys.executable, "-m", "agent_store", *words], cwd=folder, check=False).returncode


if __name__ == "__main__":
    roles: dict[str, Callable[..., None]] = {"--write": write, "--alter": alter}
    try:
        if len(sys.argv) > 1 and sys.argv[1] in roles:
            roles[sys.argv[1]](*sys.argv[2:])
        else:
            main()
    except KeyboardInterrupt:
        sys.exit(130)
