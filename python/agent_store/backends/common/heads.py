"""The newest entries."""

from agent_store._core import Head
from agent_store.backends.common.session import Session
from agent_store.backends.common.shape import is_hash, malformed, no_hash

Listed = tuple[int, str, str, int | None, bytes | None, int | None]
"""A log and its newest entry: id, stream, writer, seq, content_hash, position; None for what there is none of."""


def position(session: Session) -> int:
    """The newest, 0 in an empty store."""
    found: int = session.fetch("last_position")[0][0]
    return found


def heads(session: Session, stream: str | None) -> list[Head]:
    """By stream and writer."""
    return [
        Head(name, writer, seq, content_hash)
        for _, name, writer, seq, content_hash, _ in listed(session, stream, None)
        if seq is not None and content_hash is not None
    ]


def listed(session: Session, stream: str | None, writer: str | None) -> list[Listed]:
    """The logs of a stream, of a writer, or all, by stream and writer, each with its head."""
    if stream is not None and writer is not None:
        rows = session.fetch("heads_of_log", stream, writer)
    elif stream is not None:
        rows = session.fetch("heads_of_stream", stream)
    elif writer is not None:
        rows = session.fetch("heads_of_writer", writer)
    else:
        rows = session.fetch("heads")
    for log, stream_found, writer_found, seq, content_hash, place in rows:
        if stream_found is None or writer_found is None:
            raise malformed(("", ""), None, f"stream or writer of log {log} is not text")
        if place is not None:
            if seq is None:
                raise malformed((stream_found, writer_found), None, "the seq of its newest entry is not an integer")
            if not is_hash(content_hash):
                raise no_hash((stream_found, writer_found), seq)
    return rows
