"""What a sealed store hands out: its checkpoints, receipts of entries, and that one checkpoint extends another."""

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from agent_store._core import (
    Entry,
    check_consistency,
    consistency,
    consistency_needs,
    inclusion,
    inclusion_needs,
    root_from_inclusion,
)
from agent_store.errors import ChainBroken, EvidenceRefused, MalformedEvidence, NotSealed, StoreReplaced
from agent_store.evidence import cosignature, receipt
from agent_store.evidence.checkpoint import Checkpoint
from agent_store.evidence.facts import facts_of
from agent_store.evidence.keys import COSIGNS, as_keys
from agent_store.evidence.note import MOST_SIGNATURES
from agent_store.evidence.proof import Consistency
from agent_store.evidence.sealing import check_alone, last_of
from agent_store.evidence.shelf import CHECKPOINT, COSIGNATURE, Noted, Shelf, cosigned
from agent_store.evidence.text import HASH

if TYPE_CHECKING:
    from agent_store.evidence.keys import Keys
    from agent_store.evidence.note import Signature
    from agent_store.transaction import Binding

LATE = 256
"""So many checkpoints may come before a witness has answered."""


def stored(found: Noted) -> Checkpoint:
    """One that the store has, which must be the one that it was kept as; MalformedEvidence, EvidenceRefused."""
    checkpoint = Checkpoint(found.note or "")
    if (checkpoint.origin, checkpoint.size) != (found.name, found.number):
        detail = f"it is of {checkpoint.origin!r} at size {checkpoint.size}, and was kept as another"
        raise EvidenceRefused("checkpoint", detail)
    return checkpoint


def with_cosignatures(shelf: Shelf, checkpoint: Checkpoint) -> Checkpoint:
    """The same, with what the store has of its witnesses below it."""
    room = MOST_SIGNATURES - len(checkpoint.note.signatures)  # More would make it none that anybody reads.
    lines = "".join(islice(shelf.cosignatures(checkpoint.origin, checkpoint.size), room))
    return cosignature.add(checkpoint, cosignature.parse(lines)) if lines else checkpoint


def checkpoints(binding: "Binding", *, reverse: bool) -> Iterator[Checkpoint]:
    """`Store.checkpoints`."""
    shelf = Shelf(binding)
    origin = shelf.origin()
    for found in () if origin is None else shelf.notes(CHECKPOINT, origin, reverse=reverse):
        yield with_cosignatures(shelf, stored(found))


def receipt_of(binding: "Binding", entry: Entry) -> str:
    """`Store.receipt`."""
    if not isinstance(entry, Entry):
        raise TypeError(f"a receipt is of an Entry, as the store gave it, not of {type(entry).__name__}")
    shelf = Shelf(binding)
    last = last_of(shelf)
    size = 0 if last is None else last.size
    if last is None or entry.position > size:
        raise NotSealed(entry.position, size)
    index, leaf = entry.position - 1, facts_of(entry).leaf_hash()
    (tile,) = shelf.tiles([(0, index // 256, index % 256 + 1)])
    if tile[-HASH:] != leaf:
        detail = f"it is not what was sealed at position {entry.position} of this store"
        raise EvidenceRefused("entry", detail)
    hashes = inclusion(index, size, shelf.tiles(inclusion_needs(index, size)))
    if root_from_inclusion(leaf, index, size, hashes) != last.root:
        detail = f"the tiles of the tree do not lead from this entry to the checkpoint of size {size} (seal)"
        raise ChainBroken(entry.stream, entry.writer, entry.seq, detail)
    return receipt.write(index, hashes, with_cosignatures(shelf, last))


def consistency_of(binding: "Binding", old: int | str, new: int | str | None) -> str:
    """`Store.consistency`."""
    shelf = Shelf(binding)
    to = _checkpoint(shelf, new)
    held = Checkpoint(old) if isinstance(old, str) else None
    size = held.size if held is not None else _size(old)
    if held is not None and held.origin != to.origin:
        raise EvidenceRefused("checkpoint", f"it is of {held.origin!r}, and the store's are of {to.origin!r}")
    if size > to.size:
        detail = f"a checkpoint of {size} entries was made of it, and this one covers {to.size}: it is an older state"
        raise StoreReplaced(detail)
    hashes = consistency(size, to.size, shelf.tiles(consistency_needs(size, to.size)))
    if held is not None and not check_consistency(size, to.size, held.root, to.root, hashes):
        raise EvidenceRefused("checkpoint", f"this store does not extend it: at size {size} it has another root")
    return str(Consistency(size, tuple(hashes), to))


def _checkpoint(shelf: Shelf, which: int | str | None) -> Checkpoint:
    """That of a size, or with the size of another's text; None: the last one."""
    last = last_of(shelf)
    if last is None:
        raise NotSealed(1, 0)
    if which is None:
        return last
    size = Checkpoint(which).size if isinstance(which, str) else _size(which)
    text = shelf.note(CHECKPOINT, last.origin, size)
    if text is None or (isinstance(which, str) and Checkpoint(which).note.text != Checkpoint(text).note.text):
        raise EvidenceRefused("checkpoint", f"the store has no such checkpoint of size {size}")
    return Checkpoint(text)


def _size(size: object) -> int:
    if not isinstance(size, int) or isinstance(size, bool):
        raise TypeError(f"a checkpoint is given as text, or as its size, not as {type(size).__name__}")
    if not 0 <= size < 1 << 63:
        raise ValueError(f"a checkpoint's size is from 0 to 2^63 - 1, not {size}")
    return size


def add_cosignature(binding: "Binding", line: str, keys: "Keys") -> Checkpoint:
    """`Store.add_cosignature`."""
    known = {(key.name, key.key_id): key for key in as_keys(keys, COSIGNS)}
    signatures = [one for one in cosignature.parse(line) if (one.name, one.key_id) in known]
    if not signatures:
        raise EvidenceRefused("cosignature", "it is of no witness whose key was given")
    check_alone(binding, "add_cosignature()")
    shelf = Shelf(binding)
    checkpoint = _cosigned(shelf, signatures, known)
    place = checkpoint.origin, checkpoint.size

    def keep(tx: Any) -> None:
        there = len(checkpoint.note.signatures) + sum(1 for _ in shelf.cosignatures(*place, tx))
        for signature in signatures:
            name = cosigned(checkpoint.origin, checkpoint.size, f"{signature.name}+{signature.key_id.hex()}")
            before = shelf.note(COSIGNATURE, name, checkpoint.size, tx)
            there += before is None
            if there > MOST_SIGNATURES:
                detail = f"the checkpoint has {MOST_SIGNATURES} signatures, and {MOST_SIGNATURES} are the most"
                raise EvidenceRefused("cosignature", detail)
            if before is None or _time(before) < signature.blob[:8]:
                shelf.renew_note(COSIGNATURE, name, checkpoint.size, signature.line, tx)

    shelf.written("add_cosignature()", keep)
    return with_cosignatures(shelf, checkpoint)


def _time(line: str) -> bytes:
    """Of a cosignature that is kept, as the bytes that its blob begins with; of what is none, before all others."""
    try:
        return cosignature.parse(line)[0].blob[:8]
    except MalformedEvidence:
        return b""


def _cosigned(shelf: Shelf, signatures: "list[Signature]", known: dict[tuple[str, bytes], Any]) -> Checkpoint:
    """Which checkpoint these are all of: the last, mostly."""
    origin = shelf.origin()
    recent = () if origin is None else shelf.notes(CHECKPOINT, origin, reverse=True)
    for found, _ in zip(recent, range(LATE), strict=False):
        checkpoint = stored(found)
        if all(known[one.name, one.key_id].verify(checkpoint.note.text, one.blob) for one in signatures):
            return checkpoint
    raise EvidenceRefused("cosignature", f"it is of none of the last {LATE} checkpoints of this store")
