"""What else is signed in a store, against its entries: heads that writers signed, and records of erasures."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from agent_store._core import inclusion, inclusion_needs, root_from_inclusion
from agent_store.errors import ChainBroken, CorruptDatabase, EvidenceRefused, MalformedEvidence, MalformedRow
from agent_store.evidence import erasure, heads
from agent_store.evidence.checkpoint import verified
from agent_store.evidence.proving import stored
from agent_store.evidence.shelf import CHECKPOINT, HEAD, Erased, Shelf

if TYPE_CHECKING:
    from agent_store.evidence.asked import Asked
    from agent_store.evidence.concluding import Found
    from agent_store.evidence.rotation import Trust
    from agent_store.transaction import Binding

_WHAT = "record of an erasure"
DAMAGE = ChainBroken, CorruptDatabase, MalformedRow
REFUSED = EvidenceRefused, MalformedEvidence


def check_heads(binding: "Binding", shelf: Shelf, found: "Found") -> None:
    """Each must be in its log."""
    for each in shelf.of_kind(HEAD):
        try:
            head = heads.stored(each)
        except REFUSED as error:
            found.broken("signature", f"what is kept as a head that a writer signed is none: {error.detail}")
            continue
        try:
            pages = binding.backend.pages(head.stream, head.writer, start=head.seq, stop=head.seq + 1)
            entry = next(iter(binding.backend.read(pages, 1, binding.reading())), None)
        except DAMAGE:
            continue  # The scan has reported it.
        wrong = heads.difference(head, entry)
        if wrong is None:
            found.written += 1
        else:
            place = head.stream, head.writer, head.seq
            found.broken("signature", wrong, None if entry is None else entry.position, place)


def check_erasures(
    shelf: Shelf, asked: "Asked", trust: "Trust", size: int, found: "Found", learn: Callable[[], bool]
) -> None:
    """Each must be of the entry that was sealed there, and with keys given signed by who could sign for the store.

    `learn` looks for rotations that came since it was called, as a key that one of them set may sign erasures.
    """
    for each in shelf.erasures():
        try:
            while (refused := _refusal(shelf, asked, trust, size, each)) and asked.keys is not None and learn():
                pass
        except DAMAGE:
            continue  # Of the tree, which is reported.
        if refused is None:
            continue
        detail = f"its payload was erased, and by whom is not proven: {refused.detail}"
        found.broken("erasure", detail, each.position)
        if asked.keys is not None and not found.unauthentic:
            found.unauthentic.append(f"position {each.position}: {detail}")


def _refusal(
    shelf: Shelf, asked: "Asked", trust: "Trust", size: int, each: Erased
) -> EvidenceRefused | MalformedEvidence | None:
    try:
        leaf = shelf.leaf(each.position) if each.position <= size else _sealed_since(shelf, asked, trust, each.position)
        if asked.keys is not None:
            erasure.verified(each, leaf, trust.since(each.position), asked.origin)
        elif erasure.stored(each).leaf_hash != leaf:
            raise EvidenceRefused(_WHAT, "it is of another entry than was sealed at its position")
    except REFUSED as error:
        return error
    return None


def _sealed_since(shelf: Shelf, asked: "Asked", trust: "Trust", position: int) -> bytes:
    """The leaf of an entry that was sealed while others were verified, and erased then."""
    newest = shelf.newest(CHECKPOINT, asked.origin)
    if newest is None or newest.number < position:
        raise EvidenceRefused(_WHAT, "it is of an entry that is not sealed")
    checkpoint = stored(newest)
    if asked.keys is not None:
        verified(checkpoint, trust.at(checkpoint.size), asked.origin)
    leaf, index = shelf.leaf(position), position - 1
    hashes = inclusion(index, checkpoint.size, shelf.tiles(inclusion_needs(index, checkpoint.size)))
    if root_from_inclusion(leaf, index, checkpoint.size, hashes) != checkpoint.root:
        raise EvidenceRefused(_WHAT, "it is of an entry that is not sealed")
    return leaf
