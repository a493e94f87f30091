"""Erasing: payloads removed for good. The entries stay, with a signed record each that says so."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from agent_store._core import Entry, inclusion, inclusion_needs, root_from_inclusion
from agent_store.errors import ChainBroken, EvidenceRefused, NotSealed
from agent_store.evidence import rotation
from agent_store.evidence.erasure import Record, verified
from agent_store.evidence.facts import facts_of
from agent_store.evidence.keys import VerifierKey
from agent_store.evidence.sealing import check_alone, last_of
from agent_store.evidence.shelf import ROTATION, Erased, Shelf
from agent_store.evidence.text import HASH
from agent_store.evidence.tree import refuse

if TYPE_CHECKING:
    from agent_store.evidence.checkpoint import Checkpoint
    from agent_store.evidence.keys import Signer
    from agent_store.transaction import Binding

MOST = 1_024
"""Positions that are read, and erased in one transaction, at most."""


class Erasure(NamedTuple):
    """What came of it."""

    notes: tuple[str, ...]
    """The signed record of each entry, in order of position; of those erased before, that of then."""
    gone: bool | None
    """True where no byte of any erased payload is left in the file and its WAL. False where somebody read from the WAL
    for all of the timeout: what was erased is read by nobody, and a later `erase`, of these or of none, tries again.
    None where only the owner of the database can say: docs/evidence.md.
    """


def erase(binding: "Binding", entries: "Entry | int | Iterable[Entry | int]", signer: "Signer", reason: str) -> Erasure:
    """`Store.erase`."""
    key = VerifierKey.of(signer)
    if not isinstance(reason, str):
        raise TypeError(f"reason must be a str, not {type(reason).__name__}")
    reason.encode()  # A lone surrogate is a ValueError.
    wanted = _wanted(entries)
    check_alone(binding, "erase()")
    shelf = Shelf(binding)
    last = last_of(shelf)
    if wanted and (last is None or wanted[-1][0] > last.size):
        raise NotSealed(wanted[-1][0], 0 if last is None else last.size)
    notes: list[str] = []
    if last is not None:
        rotation.check_signer(shelf, key, last)
        # All is looked at before anything is erased.
        found = [found for run in _runs(wanted) for found in _looked_at(shelf, last, run)]
        for start in range(0, len(found), MOST):
            notes += _erased(shelf, key, found[start : start + MOST], signer, reason)
    return Erasure(tuple(notes), binding.backend.scrub())


Wanted = tuple[int, Entry | None]  # position, and what stands there, where the caller says so
Found = tuple[int, int, bytes]  # position, bytes of the payload, hash of the leaf


def _wanted(entries: "Entry | int | Iterable[Entry | int]") -> list[Wanted]:
    given: list[object] = [entries] if isinstance(entries, Entry | int) else list(entries)
    wanted: dict[int, Entry | None] = {}
    for each in given:
        if isinstance(each, bool) or not isinstance(each, Entry | int):
            raise TypeError(f"what is to be erased is an Entry or a position, not {type(each).__name__}")
        position = each if isinstance(each, int) else each.position
        if not 1 <= position < 1 << 63:
            raise ValueError(f"there is no position {position}: they begin at 1")
        if isinstance(each, Entry) or position not in wanted:
            wanted[position] = each if isinstance(each, Entry) else None
    return sorted(wanted.items())


def _runs(wanted: list[Wanted]) -> Iterator[list[Wanted]]:
    """Positions that follow on each other, together."""
    run: list[Wanted] = []
    for each in wanted:
        if run and (each[0] != run[-1][0] + 1 or len(run) == MOST):
            yield run
            run = []
        run.append(each)
    if run:
        yield run


def _looked_at(shelf: Shelf, last: "Checkpoint", run: list[Wanted]) -> Iterator[Found]:
    """Each must be what was sealed: damage is not erased, which would hide it."""
    first, end = run[0][0], run[-1][0]
    findings, leaves = shelf.backend.leaves(first, end)
    refuse(findings)
    lengths = shelf.lengths(first, end)
    for (position, entry), length in zip(run, lengths, strict=True):
        at = (position - first) * HASH
        leaf = leaves[at : at + HASH]
        if entry is not None and facts_of(entry).leaf_hash() != leaf:
            raise EvidenceRefused("entry", f"it is not what stands at position {position} of this store")
        index = position - 1
        hashes = inclusion(index, last.size, shelf.tiles(inclusion_needs(index, last.size)))
        if root_from_inclusion(leaf, index, last.size, hashes) != last.root:
            detail = f"the entry at position {position} is not what was sealed there (seal)"
            raise ChainBroken(None, None, None, detail)
        yield position, length, leaf


def _erased(shelf: Shelf, key: VerifierKey, found: list[Found], signer: "Signer", reason: str) -> list[str]:
    there = {position: shelf.erasure(position) for position, _, _ in found}
    _check_records(shelf, key, [(record, leaf) for (_, _, leaf), record in zip(found, there.values(), strict=True)])
    # Outside of every lock: a signer may take its time, and ask the store.
    signed = {
        position: Record(key.name, position, length, leaf, reason).sign(signer)
        for position, length, leaf in found
        if there[position] is None
    }

    def work(tx: Any) -> list[str]:
        return [_erase(shelf, position, length, signed.get(position), tx) for position, length, _ in found]

    if not signed:
        return [each.note or "" for each in there.values() if each is not None]
    return shelf.written("erase()", work)


def _check_records(shelf: Shelf, key: VerifierKey, found: list[tuple[Erased | None, bytes]]) -> None:
    """EvidenceRefused for one of before that no key of the store has signed: somebody else erased that payload."""
    if not any(record for record, _ in found):
        return
    trust = rotation.Trust([key])
    for each in shelf.notes(ROTATION, key.name):
        trust.learn(rotation.stored(each))
    for record, leaf in found:
        if record is not None:
            verified(record, leaf, trust.since(record.position), key.name)


def _erase(shelf: Shelf, position: int, length: int, note: str | None, tx: Any) -> str:
    """The record that it has then: another one may have come in between."""
    if note is None or (before := shelf.erasure(position, tx)) is not None:
        record = shelf.erasure(position, tx) if note is None else before
        return "" if record is None else record.note or ""
    shelf.add_erasure(position, length, note, tx)
    if shelf.backend.change("erase", position, tx=tx) != 1:
        raise ChainBroken(None, None, None, f"the entry at position {position} is no longer there")
    return note
