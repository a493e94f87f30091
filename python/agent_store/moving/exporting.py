"""Writing a store into a file of lines."""

import os
from typing import TYPE_CHECKING, Protocol, TypeAlias

from agent_store._core import Follower
from agent_store.errors import ChainBroken
from agent_store.moving.newfile import new_file
from agent_store.moving.source import Source
from agent_store.moving.told import Told
from agent_store.store import Store, binding_of

if TYPE_CHECKING:
    from agent_store._core import Entry
    from agent_store.ticker import Progress


class Writable(Protocol):
    """A file opened to write bytes."""

    def write(self, data: bytes, /) -> object:
        """All of them."""


To: TypeAlias = "str | os.PathLike[str] | Writable"


def export(store: Store, file: To, *, progress: "Progress | None" = None) -> int:
    """Write every entry, generation and piece of evidence of a store into a file, one JSON object a line; the newest
    position in it.

    `file` is a path where nothing is yet, or a file opened to write bytes. Under the path there is the whole file, on
    disk, or, after an error, none. The store is exported as of its position at the start; every hash is recomputed, and
    damage is ChainBroken. Memory holds a few megabytes, and of a large payload about four times its size.
    `progress(done, total)` is called about 20 times a second with entries.

    Raises FileExistsError, FileNotFoundError, NotADirectoryError, PermissionError and other OSError of the file;
    TransactionConflict inside `transaction()`.
    """
    binding = binding_of("store", store)
    binding.check_outside("export() of its store")
    if isinstance(file, str | os.PathLike):
        with new_file(file) as made:
            return _write(Source(binding), made, progress)
    if not hasattr(file, "write"):
        raise TypeError(f"file must be a path or a file opened to write bytes, not {type(file).__name__}")
    return _write(Source(binding), file, progress)


def _write(source: Source, file: Writable, progress: "Progress | None") -> int:
    # Only now: whoever imports the package pays for what it uses.
    import hashlib

    from agent_store.moving.erasures import check_record
    from agent_store.moving.evidence import kept_of
    from agent_store.moving.lines import (
        End,
        Header,
        end_line,
        entry_line,
        erased_line,
        evidence_line,
        generation_line,
        header_line,
    )

    digest = hashlib.sha256()

    def write(data: bytes) -> None:
        digest.update(data)
        file.write(data)

    def find(stream: str, writer: str, seq: int) -> tuple[int, bytes] | None:
        before = source.entry(stream, writer, seq - 1) if seq > 1 else None
        return before and (before.seq, before.content_hash)

    def line(entry: "Entry") -> bytes:
        if not entry.erased:
            return entry_line(entry)
        record = source.record(entry) or ""
        check_record(entry, record)
        return erased_line(entry, record)

    write(header_line(Header(source.backend.info()["id"], source.position, source.sealed)))
    for key, value in source.generations.items():
        write(generation_line(key, value))
    follower = Follower(0, [])
    for page in Told(progress, source.position).counting(source.pages(0)):
        _, wrong = follower.rows(page, find)
        if wrong is not None:
            number, detail = wrong
            raise ChainBroken(page[number].stream, page[number].writer, page[number].seq, detail)
        if len(page) == 1:
            write(line(page[0]))  # A large payload is not copied once more.
        else:
            write(b"".join(map(line, page)))
        del page  # the next one takes its memory
    evidence = 0
    for kept in kept_of(source):
        write(evidence_line(kept))
        evidence += 1
    counts = source.position, len(source.generations), evidence, source.position
    file.write(end_line(End(*counts, digest.hexdigest())))
    return source.position
