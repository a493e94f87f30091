"""What else is signed in a store, against its entries: heads that writers signed, and records of erasures."""

from typing import TYPE_CHECKING

from agent_store.errors import ChainBroken, CorruptDatabase, EvidenceRefused, MalformedEvidence, MalformedRow
from agent_store.evidence import erasure, heads
from agent_store.evidence.shelf import HASH, HEAD, Shelf

if TYPE_CHECKING:
    from agent_store.evidence.asked import Asked
    from agent_store.evidence.concluding import Found
    from agent_store.evidence.rotation import Trust
    from agent_store.transaction import Binding

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


def check_erasures(shelf: Shelf, asked: "Asked", trust: "Trust", found: "Found") -> None:
    """Each must be of the entry that was sealed there, and with keys given signed by one of the store's."""
    for each in shelf.erasures():
        index = each.position - 1
        tile = shelf.tile(0, index // 256) or b""
        leaf = tile[index % 256 * HASH :][:HASH]
        try:
            if asked.keys is not None:
                erasure.verified(each, leaf, trust.all(), asked.origin)
            elif erasure.stored(each).leaf_hash != leaf:
                raise EvidenceRefused("record of an erasure", "it is of another entry than was sealed at its position")
        except REFUSED as error:
            found.broken("erasure", f"what is recorded as its erasure is none: {error.detail}", each.position)
            if not found.unauthentic:
                found.unauthentic.append(f"who had the payload at position {each.position} erased is not proven")
