"""Whether a store still is the one that a checkpoint was made of."""

from typing import TYPE_CHECKING

from agent_store.errors import StoreReplaced
from agent_store.evidence.checkpoint import Checkpoint
from agent_store.evidence.shelf import Shelf
from agent_store.evidence.tree import Growing, root_at

if TYPE_CHECKING:
    from agent_store.transaction import Binding


def difference(shelf: Shelf, held: Checkpoint, sealed: int, position: int) -> str | None:
    """Why the store, which has entries up to `position` and tiles up to `sealed`, does not extend this checkpoint."""
    if held.size > position:
        return (
            f"the checkpoint covers {held.size} entries and the store has {position}: an older copy was put back, or "
            "the newest entries were removed"
        )
    if held.size <= sealed:
        root = root_at(shelf, held.size)
    else:
        tree = Growing(shelf, sealed)
        for _ in tree.up_to(held.size):
            pass
        root = tree.root()
    if root == held.root:
        return None
    return f"positions 1 to {held.size} are not those of the checkpoint: the store has another history"


def check_at_least(binding: "Binding", held: Checkpoint) -> None:
    """StoreReplaced unless the store extends this checkpoint, which the caller kept elsewhere."""
    shelf = Shelf(binding)
    last = shelf.last_checkpoint()
    sealed = 0 if last is None or last.name != held.origin else last.number
    if last is not None and last.name != held.origin:
        raise StoreReplaced(f"the store seals under {last.name!r}, and the checkpoint is of {held.origin!r}")
    position = binding.backend.position()
    wrong = difference(shelf, held, min(sealed, position), position)
    if wrong is not None:
        raise StoreReplaced(wrong)
