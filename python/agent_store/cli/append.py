"""agent-store append."""

import argparse
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from agent_store.cli.command import Command, Parser, add_durability, add_log, count, open_to_write
from agent_store.cli.errors import UNUSABLE, Problem
from agent_store.cli.lines import batches
from agent_store.cli.output import Output, remark
from agent_store.cli.terminal import bar

if TYPE_CHECKING:
    from agent_store import Entry, Head, Store, WriterLog

ABOUT = """
Each line of the files, or of standard input, becomes one entry: its bytes as they are, without the line feed at the
end. A carriage return before it stays. The last line may lack its line feed. Prints the log's new head.

Lines are committed many at a time, and as soon as no more are waiting to be read: of `tail -f` each is there at once.
What was committed stays when something fails later, or at Ctrl-C, and each line is there whole or not at all.
A file is made where there is none; one of the agent-store crate for Rust is brought to the present layout.
"""
EXAMPLES = """
  agent-store append app.db conv:demo alice -p "hello"
  agent-store append app.db logs/dpkg "$(hostname)" /var/log/dpkg.log
  tail -f service.log | agent-store append app.db service "$(hostname)"
  agent-store append --json app.db import batch-7 -- -odd-name.txt
"""


def arguments(parser: Parser) -> None:
    """What comes after DB."""
    add_log(parser)
    parser.add_argument(
        "files", metavar="FILE", nargs="*", default=[], help="files to read; none, or -: standard input"
    )
    parser.add_argument("-p", "--payload", metavar="TEXT", help="append this one payload (-p=TEXT if it begins with -)")
    parser.add_argument(
        "--batch", type=count, default=1_000, metavar="N", help="commit after so many lines at most (default: 1000)"
    )
    add_durability(parser)


def run(options: argparse.Namespace, out: Output) -> int:
    """Append, and print the head."""
    if options.payload is not None and options.files:
        raise Problem("either -p TEXT or files, not both", "see agent-store append --help", status=UNUSABLE)
    names = options.files or ["-"]
    if options.payload is None:
        _look(names)
    with open_to_write(options) as store:
        log = store.log(options.stream, options.writer)
        if options.payload is not None:
            head: Entry | Head | None = log.append(os.fsencode(options.payload))
        else:
            _refuse_itself(store, names)
            head = _append_lines(log, names, options.batch)
    if head is not None:
        out.heads([head])
    else:
        remark("nothing to append, and the log is still empty")
    return 0


def _append_lines(log: "WriterLog", names: list[str], most: int) -> "Head | None":
    began, lines = time.monotonic(), 0
    head = log.append_many([])  # Names that cannot be written are said before anything is waited for.
    try:
        with bar("appending", "lines") as show:
            for batch, fraction in _batches(names, most):
                head = log.append_many(batch)
                lines += len(batch)
                if show:
                    show.count(lines, fraction)
    except BaseException as error:
        if lines:
            error.add_note(f"what was committed before stays: the log's entries up to {head and head.seq} at least")
        raise
    seconds = time.monotonic() - began
    remark(f"appended {lines:,} lines in {seconds:.1f} s, {lines / max(seconds, 1e-9):,.0f}/s")
    return head


def _batches(names: list[str], most: int) -> Iterator[tuple[list[bytes], float | None]]:
    """Lists of lines, and which part of all input has been read with them, where that is known."""
    sizes = [_size(name) for name in names]
    total, before = sum(filter(None, sizes)), 0
    for name, size in zip(names, sizes, strict=True):
        fd = 0 if name == "-" else _open(name)
        try:
            for lines in batches(fd, "standard input" if name == "-" else name, most):
                known = size is not None and total and None not in sizes
                yield lines, min((before + os.lseek(fd, 0, os.SEEK_CUR)) / total, 1.0) if known else None
        finally:
            if name != "-":
                os.close(fd)
        before += size or 0


def _stat(name: str) -> os.stat_result:
    try:
        return os.fstat(0) if name == "-" else Path(name).stat()
    except OSError as error:
        raise Problem(f"{name} could not be read: {error.strerror}") from error


def _size(name: str) -> int | None:
    """None for what is no file with an end."""
    found = _stat(name)
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _open(name: str) -> int:
    try:
        return os.open(name, os.O_RDONLY)
    except OSError as error:
        raise Problem(f"{name} could not be read: {error.strerror}") from error


def _look(names: list[str]) -> None:
    """Can all be read? Before anything is written or waited for."""
    for name in names:
        found = _stat(name)
        if name == "-":
            if os.isatty(0):
                remark("reading lines from the terminal; Ctrl-D ends")
        elif stat.S_ISDIR(found.st_mode):
            raise Problem(f"{name} is a directory, and lines come from files")
        elif not os.access(name, os.R_OK):
            raise Problem(f"{name} may not be read by this user")


def _refuse_itself(store: "Store", names: list[str]) -> None:
    """Closing any descriptor of the database's files would let go the locks that this process has on them."""
    if store.target.startswith(("postgresql://", "postgres://")):
        return
    own = [path.stat() for end in ("", "-wal", "-shm") if (path := Path(f"{store.target}{end}")).exists()]
    for name in names:
        if any(os.path.samestat(_stat(name), file) for file in own):
            raise Problem(f"{name} is a file of the store itself")


COMMAND = Command(ABOUT, EXAMPLES, arguments, run)
