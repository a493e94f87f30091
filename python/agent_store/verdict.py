"""What a verification of a whole store found."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from agent_store.errors import ChainBroken, CorruptDatabase, MalformedRow, StoreError

if TYPE_CHECKING:
    from agent_store._core import Findings

Kind = Literal["schema", "index", "gap", "hash", "link", "order", "orphan", "malformed", "corrupt", "erasure"]


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
        error = MalformedRow if self.kind == "malformed" else ChainBroken
        return error(self.stream, self.writer, self.seq, f"{self.detail} ({self.kind})")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Counts of what was looked at and holds, and every break found.

    `breaks` are the first 1,000, at most ten of one log; `breaks_total` and `broken_logs` count them all. A break of
    the store as a whole (a missing trigger, an index) leaves `entries_hold` as it is.
    """

    entries: int
    logs: int
    entries_hold: int
    breaks: tuple[Break, ...]
    breaks_total: int
    broken_logs: int

    @property
    def holds(self) -> bool:
        """True where nothing was found."""
        return self.breaks_total == 0

    def __bool__(self) -> bool:
        return self.holds

    def raise_if_broken(self) -> None:
        """Raise the first break as ChainBroken, MalformedRow or CorruptDatabase."""
        if not self.holds:
            raise self.breaks[0].error()

    @classmethod
    def of(cls, findings: "Findings") -> "Verdict":
        """Put the core's findings into words."""
        return cls(
            entries=findings.entries,
            logs=findings.logs,
            entries_hold=findings.entries_hold,
            breaks=tuple(Break(*found) for found in findings.breaks),
            breaks_total=findings.breaks_total,
            broken_logs=findings.broken_logs,
        )
