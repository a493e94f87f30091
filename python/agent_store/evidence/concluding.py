"""From what was found to what follows: integrity, completeness, authenticity, freshness."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from agent_store.verdict import Break, Conclusion, Verdict

if TYPE_CHECKING:
    from agent_store.evidence.asked import Asked
    from agent_store.evidence.checkpoint import Checkpoint

KEPT = 1_000
MISSING = {"gap", "corrupt"}
"""Kinds of breaks after which nobody can say that all is there."""
FORGED = {"signature", "fork"}


@dataclass(slots=True)
class Found:
    """What is found beside the chains. The lists have a sentence for each that fails."""

    breaks: list[Break] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    unauthentic: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    chained: int = 0
    sealed: int = 0
    signed: int = 0
    witnessed: int = 0
    last: int | None = None
    """The size of the last checkpoint that is signed as it must be, whether or not what it seals is intact."""
    seen: int | None = None
    """The same of the last that enough witnesses have cosigned."""
    checkpoint: "Checkpoint | None" = None
    cosigners: tuple[tuple[str, int], ...] = ()
    written: int = 0

    def broken(
        self,
        kind: str,
        detail: str,
        position: int | None = None,
        place: tuple[str | None, str | None, int | None] = (None, None, None),
    ) -> None:
        """One more break."""
        self.breaks.append(Break(kind, *place, position, detail))  # type: ignore[arg-type]


def conclude(chains: Verdict, found: Found, asked: "Asked") -> Verdict:
    """One conclusion of both, of what was asked."""
    # All of them, for what follows: that there are more than are kept must hide none.
    every = (*chains.breaks, *found.breaks)
    total = chains.breaks_total + len(found.breaks)
    kinds: set[str] = {each.kind for each in every}
    integrity = [*_counted(every, total, kinds - FORGED), *found.damaged]
    if kinds & MISSING and not found.incomplete:
        found.incomplete.append("entries are missing or cannot be read")
    if kinds & FORGED and not found.unauthentic:
        found.unauthentic.append("what is kept as signed is not what was signed: see the breaks")
    has_keys, wants_fresh = asked.keys is not None, asked.held is not None or asked.max_age is not None
    return replace(
        chains,
        breaks=every[:KEPT],
        breaks_total=total,
        chained=found.chained,
        sealed=found.sealed,
        signed=found.signed,
        witnessed=found.witnessed,
        integrity=_conclusion(integrity),
        completeness=_conclusion(found.incomplete),
        authenticity=_conclusion(found.unauthentic) if has_keys else "not asked",
        freshness=_conclusion(found.stale) if wants_fresh else "not asked",
        reasons=(*integrity, *found.incomplete, *(found.unauthentic if has_keys else ()), *found.stale),
        checkpoint=found.checkpoint,
        cosigners=found.cosigners,
        written=found.written,
        notes=tuple(found.notes),
    )


def _counted(breaks: tuple[Break, ...], total: int, kinds: set[str]) -> list[str]:
    if not kinds:
        return []
    first = next(each for each in breaks if each.kind in kinds)
    more = f", and {total - 1} more" if total > 1 else ""
    place = "" if first.position is None else f"position {first.position}: "
    return [f"the store is damaged: {place}{first.detail} ({first.kind}){more}"]


def _conclusion(failures: list[str]) -> Conclusion:
    return "fails" if failures else "holds"
