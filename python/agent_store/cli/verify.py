"""agent-store verify."""

import argparse
from typing import TYPE_CHECKING

from agent_store.cli.command import Command, Parser, add_log, no_log, open_to_read
from agent_store.cli.errors import UNUSABLE, Problem
from agent_store.cli.output import Output
from agent_store.cli.terminal import bar

if TYPE_CHECKING:
    from agent_store import Break, Verdict

ABOUT = """
Every hash is computed again from the payloads, every entry compared with the one before it. Without STREAM and WRITER
also the tables, indexes and triggers themselves are compared with what they must be. It does not stop at the first
break: each is named, with its kind, where it is and what is wrong, the first 1,000 of all and ten of one log; then the
counts. --json prints an object for each break and one with the counts and "holds".

Exit status: 0 all holds, 1 something is broken, 2 it could not be checked.
"""
EXAMPLES = """
  agent-store verify app.db
  agent-store verify app.db conv:demo alice
  agent-store verify --json app.db | jq -r 'select(.kind) | .stream'
"""


def arguments(parser: Parser) -> None:
    """What comes after DB."""
    add_log(parser, optional=True)


def run(options: argparse.Namespace, out: Output) -> int:
    """Verify, and print what was found."""
    if options.stream is not None and options.writer is None:
        raise Problem("a log has a STREAM and a WRITER", "give both, or neither for the whole store", status=UNUSABLE)
    with open_to_read(options) as store, bar("verifying", "entries") as show:
        progress = show.part if show else None
        if options.stream is None:
            verdict = store.verify(progress=progress)
        else:
            log = store.log(options.stream, options.writer)
            if log.head() is None:
                raise no_log(store, options)
            verdict, _ = log._verdict(progress=progress)  # noqa: SLF001 - verify() stops at the first break
    print_verdict(store.target, verdict, out)
    return 0 if verdict.holds else 1


def print_verdict(db: str, verdict: "Verdict", out: Output, **moved: int) -> None:
    """Each break, and the counts; before them, how many entries were copied or imported."""
    if out.json:
        _print_json(verdict, out, moved)
        return
    for done, entries in moved.items():
        out.line(f"{done} {_number(entries, 'entry', 'entries')}")
    _print_text(db, verdict, out)


def _print_json(verdict: "Verdict", out: Output, moved: dict[str, int]) -> None:
    for found in verdict.breaks:
        out.record({name: getattr(found, name) for name in found.__match_args__})
    counts: dict[str, object] = {name: getattr(verdict, name) for name in verdict.__match_args__ if name != "breaks"}
    out.record({"holds": verdict.holds, **counts, **moved})


def _print_text(db: str, verdict: "Verdict", out: Output) -> None:
    for found in verdict.breaks:
        out.line((f"{found.kind:<9}", "bold red"), "  ", _place(found), found.detail)
    if unnamed := verdict.breaks_total - len(verdict.breaks):
        out.line(f"… and {unnamed:,} more")
    looked = f"{_number(verdict.entries, 'entry', 'entries')} in {_number(verdict.logs, 'log', 'logs')}"
    if verdict.holds:
        out.line(f"{db} ", ("holds", "bold green"), f": {looked}, every hash recomputed")
        return
    breaks, logs = _number(verdict.breaks_total, "break", "breaks"), _number(verdict.broken_logs, "log", "logs")
    out.line(f"{db} is ", ("BROKEN", "bold red"), f": {breaks}, in {logs}; {verdict.entries_hold:,} of {looked} hold")


def _place(found: "Break") -> str:
    names = {"stream": found.stream, "writer": found.writer, "seq": found.seq, "position": found.position}
    place = ", ".join(f"{name} {value!r}" for name, value in names.items() if value is not None)
    return f"{place}: " if place else ""


def _number(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


COMMAND = Command(ABOUT, EXAMPLES, arguments, run, failed=UNUSABLE)
