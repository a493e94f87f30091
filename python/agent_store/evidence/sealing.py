"""Sealing: a checkpoint over all that is there, checked before it is signed, and committed before it is handed out."""

from functools import partial
from typing import TYPE_CHECKING, Any

from agent_store.errors import ChainBroken, EvidenceRefused, MalformedEvidence, StoreReplaced, TransactionConflict
from agent_store.evidence import note, rotation
from agent_store.evidence.checkpoint import Checkpoint, text_of
from agent_store.evidence.growth import FULL
from agent_store.evidence.holding import difference
from agent_store.evidence.keys import VerifierKey
from agent_store.evidence.shelf import CHECKPOINT, ROTATION, Shelf
from agent_store.evidence.text import HASH
from agent_store.evidence.tree import Growing
from agent_store.ticker import Progress

if TYPE_CHECKING:
    from agent_store.evidence.keys import Signer
    from agent_store.transaction import Binding


def seal(binding: "Binding", signer: "Signer", after: str | None, progress: Progress | None) -> Checkpoint:
    """`Store.checkpoint`."""
    key = VerifierKey.of(signer)
    held = None if after is None else Checkpoint(after)
    check_alone(binding, "checkpoint()")
    shelf = Shelf(binding)
    while True:
        sealed = _seal(shelf, key, signer, held, progress)
        if sealed is not None:
            return sealed


def rotate(binding: "Binding", old: "Signer", new: "Signer") -> str:
    """`Store.rotate`."""
    key = VerifierKey.of(old)
    check_alone(binding, "rotate()")
    shelf = Shelf(binding)
    while True:
        last = last_of(shelf)
        if last is None:
            raise EvidenceRefused("rotation", "the store has no checkpoint yet, so that any key may sign its first")
        rotation.check_signer(shelf, key, last)
        if shelf.note(ROTATION, last.origin, last.size) is not None:
            detail = f"the key was replaced at size {last.size} already: seal a new entry with that one first"
            raise EvidenceRefused("rotation", detail)
        text = rotation.make(last.origin, last.size, old, new)

        def keep(tx: Any, last: Checkpoint = last, text: str = text) -> bool:
            if not _is_last(shelf, last, tx) or shelf.note(ROTATION, last.origin, last.size, tx) is not None:
                return False
            shelf.add_note(ROTATION, last.origin, last.size, text, tx)
            return True

        if shelf.written("rotate()", keep):
            return text


def check_alone(binding: "Binding", call: str) -> None:
    """TransactionConflict where what is to be on disk when it returns would be part of another transaction."""
    binding.backend.check_open()
    binding.check_outside(call)
    if not binding.backend.commits:
        raise TransactionConflict(
            f"{call} commits, and here a transaction of the connection's owner would: end it first, and have the "
            "connection in autocommit mode"
        )


def last_of(shelf: Shelf, tx: Any = None) -> Checkpoint | None:
    """The store's last checkpoint; ChainBroken where what is kept as one is none."""
    found = shelf.last_checkpoint(tx)
    if found is None:
        return None
    try:
        last = Checkpoint(found.note or "")
    except MalformedEvidence as error:
        raise ChainBroken(None, None, None, f"the last checkpoint is damaged: {error.detail} (signature)") from None
    if (last.origin, last.size) != (found.name, found.number):
        detail = f"what is kept as the last checkpoint, of size {found.number}, is another one (signature)"
        raise ChainBroken(None, None, None, detail)
    return last


def _is_last(shelf: Shelf, last: Checkpoint | None, tx: Any) -> bool:
    found = shelf.last_checkpoint(tx)
    return (None if found is None else found.note) == last


def _seal(
    shelf: Shelf, key: VerifierKey, signer: "Signer", held: Checkpoint | None, progress: Progress | None
) -> Checkpoint | None:
    """None where another checkpoint came in between."""
    last = last_of(shelf)
    rotation.check_signer(shelf, key, last)
    position = shelf.backend.position()
    sealed = 0 if last is None else last.size
    if position < sealed:
        detail = f"{sealed} entries were sealed and {position} are there: the newest were removed (seal)"
        raise ChainBroken(None, None, None, detail)
    tree = Growing(shelf, sealed)
    if last is not None and tree.root() != last.root:
        detail = f"the tiles of the tree do not lead to the root of the last checkpoint, of size {sealed} (seal)"
        raise ChainBroken(None, None, None, detail)
    if held is not None:
        _check_held(shelf, held, key, sealed, position)
    if last is not None and position == sealed:
        return last
    left = _grow(shelf, tree, position, progress)
    # Outside of every lock: a signer may take its time, and ask the store.
    sealing = Checkpoint(note.sign(text_of(key.name, position, tree.root()), signer))

    def keep(tx: Any) -> bool:
        if not _is_last(shelf, last, tx):
            return False
        rotation.check_signer(shelf, key, last, tx)
        shelf.set_tiles([(*place, hashes) for place, hashes in left.items()], tx)
        shelf.add_note(CHECKPOINT, key.name, position, str(sealing), tx)
        return True

    return sealing if shelf.written("checkpoint()", keep) else None


def _grow(shelf: Shelf, tree: Growing, position: int, progress: Progress | None) -> dict[tuple[int, int], bytes]:
    """Full tiles are committed on the way: they are derived, and final. What is not full is left for the end."""
    left: dict[tuple[int, int], bytes] = {}
    for tiles in tree.up_to(position, progress):
        full = [tile for tile in tiles if len(tile[2]) == FULL * HASH]
        left.update({(level, number): hashes for level, number, hashes in tiles if len(hashes) < FULL * HASH})
        for level, number, _ in full:
            left.pop((level, number), None)
        if tree.size < position:
            shelf.written("checkpoint()", partial(shelf.set_tiles, full), synced=False)
        else:
            left.update({(level, number): hashes for level, number, hashes in full})
    return left


def _check_held(shelf: Shelf, held: Checkpoint, key: VerifierKey, sealed: int, position: int) -> None:
    """StoreReplaced where the store does not extend the checkpoint that the caller holds."""
    if held.origin != key.name:
        raise EvidenceRefused("checkpoint", f"the one given as after is of {held.origin!r}, and not of {key.name!r}")
    wrong = difference(shelf, held, sealed, position)
    if wrong is not None:
        raise StoreReplaced(f"nothing was sealed: {wrong}")
