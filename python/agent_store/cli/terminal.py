"""What only a terminal gets: colour and progress. With rich where it is installed and NO_COLOR is not set."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

EVERY = 0.1  # seconds between two pictures
WIDTH = 30  # characters of a bar


def rich_console(stream: TextIO) -> "Console | None":
    """Rich on this stream, None where plain text is called for."""
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return None
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(file=stream, highlight=False, markup=False, emoji=False)


@contextmanager
def bar(what: str, unit: str) -> "Iterator[Bar | None]":
    """Progress on standard error, gone when the block ends; None where that is no terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    console = rich_console(sys.stderr)
    with _plain_bar(what) if console is None else _rich_bar(what, console) as draw:
        yield Bar(unit, draw)


Draw = Callable[[float | None, str], None]


class Bar:
    """Draws how far something is, a few times a second."""

    def __init__(self, unit: str, draw: Draw) -> None:
        self._unit = unit
        self._draw = draw
        self._began = time.monotonic()
        self._next = self._began

    def part(self, done: int, total: int) -> None:
        """`done` of `total` units."""
        self.count(done, done / total if total else None)

    def count(self, done: int, fraction: float | None = None) -> None:
        """`done` units, and which part that is of all, if it is known."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + EVERY
        rate = f", {done / (now - self._began):,.0f}/s" if now > self._began + EVERY else ""
        self._draw(fraction, f"{done:,} {self._unit}{rate}")


@contextmanager
def _plain_bar(what: str) -> Iterator[Draw]:
    drawn = False

    def draw(fraction: float | None, note: str) -> None:
        nonlocal drawn
        drawn = True
        share = "" if fraction is None else f"[{'#' * int(fraction * WIDTH):<{WIDTH}}] {fraction:4.0%} "
        line = f"{what} {share}{note}"[: shutil.get_terminal_size().columns - 1]
        print(f"\r{line}\x1b[K", end="", file=sys.stderr, flush=True)  # noqa: T201

    try:
        yield draw
    finally:
        if drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)  # noqa: T201


@contextmanager
def _rich_bar(what: str, console: "Console") -> Iterator[Draw]:
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(WIDTH),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with ExitStack() as stack:
        progress: Progress | None = None

        def draw(fraction: float | None, note: str) -> None:
            nonlocal progress
            if progress is None:
                # Without its thread: the callers draw often enough.
                progress = stack.enter_context(Progress(*columns, console=console, transient=True, auto_refresh=False))
                progress.add_task(what, note=note)
            done, total = (0.0, None) if fraction is None else (fraction, 1.0)
            share = "" if fraction is None else f"{fraction:4.0%} "
            progress.update(progress.task_ids[0], completed=done, total=total, note=share + note, refresh=True)

        yield draw
