"""A verdict in words: what was found, what is proven by it, against whom, since when, and what is not."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from agent_store.cli.output import Output, readable

if TYPE_CHECKING:
    from agent_store import Break, Verdict

COUNTS = ("entries", "logs", "entries_hold", "breaks_total", "broken_logs", "erased")
CLAIMS = ("integrity", "completeness", "authenticity", "freshness")
RANGES = ("chained", "sealed", "signed", "witnessed")
STYLES = {"holds": "bold green", "fails": "bold red", "not asked": "dim"}
NOTHING: Mapping[str, Any] = {}


def print_verdict(db: str, verdict: "Verdict", out: Output, asked: Mapping[str, Any] = NOTHING, **moved: int) -> None:
    """Each break, and the counts; before them, how many entries were copied or imported.

    `asked`: what `Store.verify` was given of keys and what goes with them; with any, what is proven.
    """
    if out.json:
        _print_json(verdict, out, asked, moved)
        return
    for done, entries in moved.items():
        out.line(f"{done} {_number(entries, 'entry', 'entries')}")
    _print_text(db, verdict, out)
    if asked:
        _print_proof(verdict, out, asked)


def _print_json(verdict: "Verdict", out: Output, asked: Mapping[str, Any], moved: dict[str, int]) -> None:
    for found in verdict.breaks:
        out.record({name: getattr(found, name) for name in found.__match_args__})
    counts: dict[str, object] = {name: getattr(verdict, name) for name in COUNTS}
    if asked:
        counts |= {name: getattr(verdict, name) for name in (*RANGES, *CLAIMS, "written", "reasons")}
        counts |= {"checkpoint": verdict.checkpoint, "cosigners": verdict.cosigners}
    out.record({"holds": verdict.holds, **counts, **moved})


def _print_text(db: str, verdict: "Verdict", out: Output) -> None:
    for found in verdict.breaks:
        out.line((f"{found.kind:<9}", "bold red"), "  ", _place(found), found.detail)
    if unnamed := verdict.breaks_total - len(verdict.breaks):
        out.line(f"… and {unnamed:,} more")
    looked = f"{_number(verdict.entries, 'entry', 'entries')} in {_number(verdict.logs, 'log', 'logs')}"
    erased = f", {_number(verdict.erased, 'payload', 'payloads')} erased" if verdict.erased else ""
    if verdict.breaks_total:
        breaks, logs = _number(verdict.breaks_total, "break", "breaks"), _number(verdict.broken_logs, "log", "logs")
        found_in = f": {breaks}, in {logs}; {verdict.entries_hold:,} of {looked} hold{erased}"
        out.line(f"{db} is ", ("BROKEN", "bold red"), found_in)
        return
    if verdict.holds:
        state, before = ("holds", "bold green"), ""
    elif _is_sound(verdict):
        state, before = (f"PROVEN UP TO POSITION {verdict.signed:,} ONLY", "bold yellow"), "is "
    else:
        state, before = ("NOT PROVEN", "bold red"), "is "
    out.line(f"{db} {before}", state, f": {looked}, every hash recomputed{erased}")


def _print_proof(verdict: "Verdict", out: Output, asked: Mapping[str, Any]) -> None:
    for claim in CLAIMS:
        said = getattr(verdict, claim)
        out.line(f"{claim:<14}", (said, STYLES[said]))
    for reason in verdict.reasons:
        out.line(("because       ", "bold red"), reason)
    for proven in _proven(verdict, asked):
        out.line("proven        ", proven)
    for gap in _not_proven(verdict, asked):
        out.line("not proven    ", gap)


def _is_sound(verdict: "Verdict") -> bool:
    """Nothing is wrong with what is signed, though not all may be."""
    failing = {claim for claim in CLAIMS if getattr(verdict, claim) == "fails"}
    return verdict.breaks_total == 0 and failing <= {"completeness"} and bool(verdict.holds or verdict.signed)


def _proven(verdict: "Verdict", asked: Mapping[str, Any]) -> Iterator[str]:
    """What may be relied on, and against whom; nothing while what is signed does not hold."""
    if not _is_sound(verdict):
        return
    if verdict.checkpoint is not None:
        origin, size = readable(verdict.checkpoint.origin), verdict.checkpoint.size
        yield (
            f"{_positions(1, size)}: not altered, removed, inserted or moved since {origin} signed the checkpoint of "
            f"size {size:,}, by anybody who has not its key"
        )
    if "checkpoint" in asked:
        import agent_store

        known = agent_store.Checkpoint(asked["checkpoint"]).size
        yield f"{_positions(1, known)}: as they were when you got your checkpoint, whoever has the key"
    if verdict.witnessed:
        who = ", ".join(readable(name) for name, _ in verdict.cosigners)
        since = _time(min(time for _, time in verdict.cosigners)) if verdict.cosigners else ""
        yield (
            f"{_positions(1, verdict.witnessed)}: the same for everybody, whoever has the key, unless these lie "
            f"together with them: {who or 'no witness'}; since {since or 'no time'} by their clocks"
        )


def _not_proven(verdict: "Verdict", asked: Mapping[str, Any]) -> Iterator[str]:
    if not _is_sound(verdict):
        yield "anything, as long as something fails: keep the store as it is, and look into what is said above"
        return
    if verdict.chained > verdict.signed:
        newer = _positions(verdict.signed + 1, verdict.chained)
        why = "newer than the checkpoint" if verdict.signed else "signed by nobody whose key was given"
        yield f"{newer}: {why}; whoever can write the store can change them unnoticed"
    if "checkpoint" not in asked:
        yield "that this is the newest state: an older copy put back looks the same (--checkpoint, one that you kept)"
    if not verdict.witnessed:
        yield "anything against who has the key, and could sign another history (--witness)"
    elif verdict.signed > verdict.witnessed:
        newer = _positions(verdict.witnessed + 1, verdict.signed)
        yield f"{newer}: cosigned by no witness yet; who has the key could sign another history of them"
    yield "generations, tables of your own, when something happened, and whether what an entry says is true"


def _positions(first: int, last: int) -> str:
    if first > last:
        return "no position"
    return f"position {first:,}" if first == last else f"positions {first:,} to {last:,}"


def _time(seconds: int) -> str:
    from datetime import UTC, datetime

    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):  # a witness may claim what it likes
        return f"second {seconds:,} of 1970"


def _place(found: "Break") -> str:
    names = {"stream": found.stream, "writer": found.writer, "seq": found.seq, "position": found.position}
    place = ", ".join(f"{name} {value!r}" for name, value in names.items() if value is not None)
    return f"{place}: " if place else ""


def _number(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
