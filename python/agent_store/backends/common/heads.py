"""The newest entries."""

from collections.abc import Sequence

from agent_store._core import Head
from agent_store.backends.common.session import Listed, Session
from agent_store.backends.common.shape import is_hash, malformed, no_hash


def position(session: Session) -> int:
    """The newest, 0 in an empty store."""
    found: int = session.fetch("last_position")[0][0]
    return found


def heads(session: Session, stream: str | None) -> list[Head]:
    """By stream and writer."""
    return [
        Head(name, writer, seq, content_hash)
        for _, name, writer, seq, content_hash, _ in listed(session, None if stream is None else (stream,))
        if seq is not None and content_hash is not None
    ]


def listed(
    session: Session, streams: Sequence[str] | None, writer: str | None = None, excluded: str | None = None
) -> list[Listed]:
    """As Session.listed, and what the values are has been looked at."""
    rows = session.listed(streams, writer, excluded)
    for log, stream_found, writer_found, seq, content_hash, place in rows:
        if stream_found is None or writer_found is None:
            raise malformed(("", ""), None, f"stream or writer of log {log} is not text")
        if place is not None:
            if seq is None:
                raise malformed((stream_found, writer_found), None, "the seq of its newest entry is not an integer")
            if not is_hash(content_hash):
                raise no_hash((stream_found, writer_found), seq)
    return rows
