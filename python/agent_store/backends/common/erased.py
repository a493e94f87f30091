"""Entries whose payload was erased: of what is read, those with an empty payload are asked about, and nothing else."""

from typing import TYPE_CHECKING

from agent_store._core import Entry
from agent_store.backends.common.shape import malformed

if TYPE_CHECKING:
    from agent_store.backends.common.session import Session


def marked(session: "Session", page: list[Entry]) -> list[Entry]:
    """The same entries, those that were erased as such.

    What was read as empty, because it was erased, has its record by then, and a record is never removed: no snapshot is
    needed.
    """
    empty = [entry.position for entry in page if entry.payload_len == 0]
    if not empty or not (lengths := session.erased(empty)):
        return page
    return [entry if entry.position not in lengths else _erased(entry, lengths[entry.position]) for entry in page]


def _erased(entry: Entry, length: object) -> Entry:
    if not isinstance(length, int) or length < 0:
        name = entry.stream, entry.writer
        raise malformed(name, entry.seq, "payload_len of its erasure is not a number of bytes")
    return Entry(
        entry.stream,
        entry.writer,
        entry.seq,
        entry.prev_hash,
        entry.content_hash,
        None,
        entry.position,
        payload_len=length,
    )
