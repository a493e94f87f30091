"""Writing a sealed store into a directory of static files, which other people's tools can audit."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from agent_store._core import Entry, edge_of, leaf, root_of, unbundle
from agent_store.errors import ChainBroken, MalformedEvidence, NotSealed, TargetDiverged
from agent_store.evidence.checkpoint import Checkpoint
from agent_store.evidence.directory import CHECKPOINT, ENTRIES, TILE, UNFINISHED, Directory, bundle_of, path_of
from agent_store.evidence.growth import FULL, Growth
from agent_store.evidence.shelf import Shelf
from agent_store.evidence.text import HASH
from agent_store.store import Store, binding_of
from agent_store.ticker import Ticker

if TYPE_CHECKING:
    from agent_store.ticker import Progress


def export_tiles(
    store: Store, directory: "str | os.PathLike[str]", *, progress: "Progress | None" = None
) -> Checkpoint:
    """Write the newest checkpoint, its tree and its leaves into a directory, as C2SP's tlog-tiles; the checkpoint.

    There are no payloads in it, but names, hashes and lengths. Any web server can serve it as it is. A directory with
    an earlier export of this store is carried on, at the cost of what came since; any other must be empty or not there.
    The leaves are made of the entries, and the root of their tree must be the one that was signed.
    `progress(done, total)` is called about 20 times a second with entries.

    NotSealed where there is no checkpoint; ChainBroken for damage in what is sealed; TargetDiverged for a directory
    with something else in it. The checkpoint is written last: after an error it is the one that was there. When the
    files are on disk is the system's affair: whether they are, verify_tiles tells after a power cut.
    """
    binding = binding_of("store", store)
    binding.check_outside("export_tiles() of its store")
    checkpoint = next(iter(store.checkpoints(reverse=True)), None)
    if checkpoint is None:
        raise NotSealed(store.position(), 0)
    target = Directory(directory)
    tree = _carried_on(target, checkpoint, Shelf(binding))
    ticker = Ticker(progress, checkpoint.size)
    entries = islice(store.entries(after=tree.size), checkpoint.size - tree.size)
    while leaves := [_leaf(entry) for entry in islice(entries, FULL)]:
        number, data = tree.size // FULL, bundle_of(leaves)
        hashes, _ = unbundle(data)
        target.write(path_of(ENTRIES, number, len(leaves)), data)
        for level, place, tile in tree.add(hashes):
            if len(tile) == FULL * HASH:
                target.write(path_of(level, place), tile)
        ticker.tell(tree.size)
    if tree.size != checkpoint.size or tree.root() != checkpoint.root:
        raise ChainBroken(None, None, None, f"entries 1 to {checkpoint.size} are not those that were sealed (seal)")
    for (level, place, width), tile in zip(edge_of(tree.size), tree.edge, strict=True):
        if width:
            target.write(path_of(level, place, width), tile)
    target.write(CHECKPOINT, checkpoint.encode())
    ticker.end()
    return checkpoint


def _leaf(entry: Entry) -> bytes:
    return leaf(entry.stream, entry.writer, entry.seq, entry.prev_hash, entry.content_hash, entry.payload_len)


def _carried_on(target: Directory, checkpoint: Checkpoint, shelf: Shelf) -> Growth:
    """The tree of the bundles in it that are full: the last one, which is not, is made anew."""
    before = _published(target)
    if before is None:
        return Growth()
    if before.origin != checkpoint.origin:
        raise _diverged(target, f"it is of {before.origin!r}, and the store of {checkpoint.origin!r}")
    if before.size > checkpoint.size:
        newest = f"the newest of the store {checkpoint.size}"
        raise _diverged(target, f"its checkpoint covers {before.size} entries, and {newest}")
    places = edge_of(before.size)
    edge = [target.tile(*place) or b"" if place[2] else b"" for place in places]
    whole = [len(tile) for tile in edge] == [width * HASH for *_, width in places]
    if not whole or root_of(before.size, edge) != before.root:
        raise _diverged(target, "its tiles are not those of its checkpoint")
    if root_of(before.size, shelf.tiles(places)) != before.root:
        raise _diverged(target, "its checkpoint is not of the history of this store")
    if before.size < FULL:
        return Growth()
    return Growth(before.size - before.size % FULL, [b"", *edge[1:]])


def _published(target: Directory) -> Checkpoint | None:
    try:
        text = target.checkpoint()
        if text is not None:
            return Checkpoint(text)
    except MalformedEvidence as error:
        raise _diverged(target, str(error)) from None
    # What an export that did not come to its end has left is written over.
    names = {file.name for file in _files(target)} - {TILE}
    others = sorted(name for name in names if not name.startswith(CHECKPOINT + UNFINISHED))
    if others:
        raise _diverged(target, f"{others[0]!r} is in it, and no checkpoint")
    return None


def _files(target: Directory) -> Iterator[Path]:
    return target.path.iterdir() if target.path.exists() else iter(())


def _diverged(target: Directory, detail: str) -> TargetDiverged:
    return TargetDiverged(f"{os.fspath(target.path)!r} is no earlier export of this store: {detail}")
