"""What a verification of a whole store found."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from agent_store.errors import ChainBroken, CorruptDatabase, EvidenceRefused, MalformedRow, StoreError

if TYPE_CHECKING:
    from agent_store._core import Findings
    from agent_store.evidence.checkpoint import Checkpoint

Kind = Literal[
    "schema",
    "index",
    "gap",
    "hash",
    "link",
    "order",
    "orphan",
    "malformed",
    "corrupt",
    "erasure",
    "seal",
    "signature",
    "fork",
]
Conclusion = Literal["holds", "fails", "not asked"]


@dataclass(frozen=True, slots=True)
class Break:
    """One damage: its kind, where it is as far as that can be told, and what was found there."""

    kind: Kind
    stream: str | None
    writer: str | None
    seq: int | None
    position: int | None
    detail: str

    def error(self) -> StoreError:
        """The exception that says the same."""
        if self.kind == "corrupt":
            return CorruptDatabase(self.detail)
        if self.kind in {"signature", "fork"}:
            return EvidenceRefused("store", f"{self.detail} ({self.kind})")
        error = MalformedRow if self.kind == "malformed" else ChainBroken
        return error(self.stream, self.writer, self.seq, f"{self.detail} ({self.kind})")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Counts of what was looked at and holds, every break found, how far the evidence goes, and what follows from it.

    `breaks` are the first 1,000, at most ten of one log; `breaks_total` and `broken_logs` count them all. A break of
    the store as a whole (a missing trigger, an index) leaves `entries_hold` as it is. `erased` entries are without
    their payloads, and recorded as such.

    `chained`, `sealed`, `signed` and `witnessed` are positions: 1 to that one are intact, covered by a checkpoint, by
    one that the given keys have signed (`checkpoint`), by one that enough of the given witnesses have cosigned
    (`cosigners`: their names and times, in seconds since 1970). Each is at most the one before; all but the first are 0
    where nothing was given to verify against. `written` counts the signed heads of writers that hold.

    `reasons` says in plain sentences what fails, `notes` what is worth knowing and fails nothing.
    """

    entries: int
    logs: int
    entries_hold: int
    breaks: tuple[Break, ...]
    breaks_total: int
    broken_logs: int
    erased: int = 0
    chained: int = 0
    sealed: int = 0
    signed: int = 0
    witnessed: int = 0
    integrity: Conclusion = "not asked"
    completeness: Conclusion = "not asked"
    authenticity: Conclusion = "not asked"
    freshness: Conclusion = "not asked"
    reasons: tuple[str, ...] = ()
    checkpoint: "Checkpoint | None" = None
    cosigners: tuple[tuple[str, int], ...] = ()
    written: int = 0
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """True where nothing was found, and nothing that was asked fails."""
        asked = (self.integrity, self.completeness, self.authenticity, self.freshness)
        return self.breaks_total == 0 and "fails" not in asked

    def __bool__(self) -> bool:
        return self.holds

    def raise_if_broken(self) -> None:
        """Raise the first break as ChainBroken, MalformedRow, CorruptDatabase or EvidenceRefused; with none, the
        first reason as EvidenceRefused.
        """
        if self.breaks_total:
            raise self.breaks[0].error()
        if not self.holds:
            raise EvidenceRefused("store", self.reasons[0])

    @classmethod
    def of(cls, findings: "Findings") -> "Verdict":
        """Put the core's findings into words."""
        broken = findings.breaks_total
        return cls(
            entries=findings.entries,
            logs=findings.logs,
            entries_hold=findings.entries_hold,
            breaks=tuple(Break(*found) for found in findings.breaks),
            breaks_total=broken,
            broken_logs=findings.broken_logs,
            erased=getattr(findings, "erased", 0),
            chained=findings.entries if broken == 0 else 0,
            integrity="fails" if broken else "holds",
            reasons=(f"{broken} {'break was' if broken == 1 else 'breaks were'} found",) if broken else (),
        )
