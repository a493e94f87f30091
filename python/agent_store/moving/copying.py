"""Copying a store into another one."""

from typing import TYPE_CHECKING

from agent_store.errors import ChainBroken
from agent_store.moving.arrival import arrive
from agent_store.moving.beginning import beginning_of, check_names, compare, missing_of
from agent_store.moving.source import Source
from agent_store.moving.told import Told
from agent_store.store import Store, binding_of
from agent_store.verdict import Verdict

if TYPE_CHECKING:
    from agent_store._core import Entry
    from agent_store.ticker import Progress


def copy(source: Store, target: Store, *, progress: "Progress | None" = None) -> Verdict:
    """Copy every entry and generation of one store into another, whichever databases they are, and verify the target.

    Names, seqs, hashes, payloads, positions and generations are the same afterwards, and so is the evidence:
    checkpoints with their cosignatures, rotations, signed heads, erasures, and what the source knows as a witness. Each
    is looked at, and the tree is made anew; who signed is for `verify(keys=…)` to tell. Of the two only one may seal
    on. The target is empty, or holds the beginning of the source: a copy that was interrupted goes on where it ended,
    and one that is repeated adds what is new, and erases what was erased since. It is committed every 16,384 entries.
    Others may write to the source meanwhile: it is copied as of its position at the start. Returns the Verdict of the
    whole target. `progress(done, total)` is called about 20 times a second with entries, each new one counted once, and
    in the verification all once more.

    Raises, with nothing written, TargetDiverged where the target holds something else, a generation that is higher, or
    a checkpoint or an erasure of its own, UnsupportedFormat for a name that it cannot hold, TransactionConflict inside
    `transaction()` of either store; and ChainBroken, EvidenceRefused and MalformedEvidence for damage of the source,
    TargetDiverged where somebody else writes to the target meanwhile: what was committed before is there.
    """
    ours, theirs = binding_of("source", source), binding_of("target", target)
    ours.check_outside("copy() of its store")
    theirs.check_outside("copy() into its store")
    # Only now: whoever imports the package pays for what it uses.
    from agent_store.moving.evidence import of_store

    moment = Source(ours)
    check_names(theirs.backend.kind, moment.heads())
    beginning = beginning_of(theirs.backend, moment.position, moment.generations)
    generations = missing_of(theirs.backend, moment.generations)
    compare(moment, theirs.backend, beginning)
    evidence = of_store(moment, theirs, beginning.position)
    told = Told(progress, moment.position - beginning.position, moment.position)
    arrive(
        theirs,
        beginning.position,
        beginning.heads,
        told.counting(moment.pages(beginning.position)),
        generations,
        _damage,
        evidence,
        whole=False,
    )
    return Verdict.of(theirs.backend.verify(told.verifying(), sealed=moment.sealed))


def _damage(_number: int, entry: "Entry", detail: str) -> ChainBroken:
    return ChainBroken(entry.stream, entry.writer, entry.seq, f"{detail} (in the source)")
