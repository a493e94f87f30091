"""What else is signed in a store, against its entries: heads that writers signed, and records of erasures."""

from typing import TYPE_CHECKING

from agent_store.errors import ChainBroken, CorruptDatabase, EvidenceRefused, MalformedEvidence, MalformedRow
from agent_store.evidence import erasure, heads
from agent_store.evidence.shelf import HEAD, Shelf

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


def check_erasures(shelf: Shelf, asked: "Asked", trust: "Trust", size: int, found: "Found") -> None:
    """Each must be of the entry that was sealed there, and with keys given signed by who could sign for the store."""
    for each in shelf.erasures():
        try:
            leaf = shelf.leaf(each.position) if each.position <= size else b""
            if asked.keys is not None:
                erasure.verified(each, leaf, trust.since(each.position), asked.origin)
            elif erasure.stored(each).leaf_hash != leaf:
                raise EvidenceRefused("record of an erasure", "it is of another entry than was sealed at its position")
        except REFUSED as error:
            detail = f"its payload was erased, and by whom is not proven: {error.detail}"
            found.broken("erasure", detail, each.position)
            if asked.keys is not None and not found.unauthentic:
                found.unauthentic.append(f"position {each.position}: {detail}")
        except DAMAGE:
            continue  # Of the tree, which is reported.
