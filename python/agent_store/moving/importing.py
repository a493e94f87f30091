"""Reading a file of lines into a store."""

import os
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

from agent_store.errors import EvidenceRefused, MalformedEvidence, MalformedExport
from agent_store.moving.arrival import arrive
from agent_store.moving.beginning import beginning_of, compare_entries, missing_of
from agent_store.moving.told import Told
from agent_store.store import Store, binding_of
from agent_store.verdict import Verdict

if TYPE_CHECKING:
    from agent_store._core import Entry
    from agent_store.moving.reader import Readable
    from agent_store.ticker import Progress
    from agent_store.transaction import Binding

From: TypeAlias = "str | os.PathLike[str] | Readable"


def import_(store: Store, file: From, *, progress: "Progress | None" = None) -> Verdict:
    """Read what `export` wrote into a store, whole or not at all, and verify the store.

    `file` is a path or a file opened to read bytes. The store is empty, or holds the beginning of what is in the file.
    Every line, hash, order and count is checked, and all is committed in one transaction, which is open while the file
    is read. Memory holds a few megabytes, and of a large payload about three times its size. Returns the Verdict of the
    whole store. `progress(done, total)` is called about 20 times a second with entries, each counted once, and in the
    verification once more.

    Raises, with nothing kept, MalformedExport with the number of the line, TargetDiverged where the store holds
    something else or somebody writes to it meanwhile, UnsupportedFormat for a file of another version or a name that
    the store cannot hold, OSError of the file; TransactionConflict inside `transaction()`.
    """
    binding = binding_of("store", store)
    binding.check_outside("import_() into its store")
    if isinstance(file, str | os.PathLike):
        with open(file, "rb") as opened:  # noqa: PTH123 - whatever kind of path
            return _read(binding, opened, progress)
    if not hasattr(file, "readline"):
        raise TypeError(f"file must be a path or a file opened to read bytes, not {type(file).__name__}")
    return _read(binding, file, progress)


def _read(binding: "Binding", file: "Readable", progress: "Progress | None") -> Verdict:
    # Only now: whoever imports the package pays for what it uses.
    from agent_store.evidence.shelf import Erased
    from agent_store.moving.erasures import check_record
    from agent_store.moving.evidence import Evidence
    from agent_store.moving.reader import Reader

    reader = Reader(file, binding.backend.kind)
    newest = reader.header.position
    beginning = beginning_of(binding.backend, newest, reader.generations)
    generations = missing_of(binding.backend, reader.generations)

    def fault(number: int, _entry: "Entry", detail: str) -> MalformedExport:
        return MalformedExport(reader.page_line + number, detail)

    def record(entry: "Entry") -> str | None:
        return reader.records.get(entry.position)

    def refused(error: Exception) -> MalformedExport:
        return MalformedExport(reader.line, str(error))

    told = Told(progress, newest, newest)
    # What is there already is compared; only for the rest is anything written.
    there = chain.from_iterable(told.counting(reader.pages(beginning.position)))
    later = []
    for entry in compare_entries(there, binding.backend, 0, beginning.position):
        try:
            check_record(entry, record(entry))
        except (EvidenceRefused, MalformedEvidence) as error:
            raise refused(error) from None
        later.append(Erased(entry.position, entry.payload_len, record(entry)))
    evidence = Evidence(
        binding,
        reader.header.sealed,
        beginning.position,
        record=record,
        kept=reader.evidence,
        later=later,
        is_due=reader.has_evidence,
        refused=refused,
    )
    pages = told.counting(reader.pages(newest - beginning.position, last=True))
    arrive(binding, beginning.position, beginning.heads, pages, generations, fault, evidence, whole=True)
    return Verdict.of(binding.backend.verify(told.verifying(), sealed=reader.header.sealed))
