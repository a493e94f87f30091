"""The newest entries."""

from typing import Any

from agent_store._core import Head
from agent_store.backends.common.select import Select, each_once
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
        for _, name, writer, seq, content_hash, _ in checked(session.listed(Select(each_once(stream))))
        if seq is not None and content_hash is not None
    ]


def checked(rows: list[tuple[Any, ...]]) -> list[Listed]:
    """What Session.listed gave: MalformedRow for what is of other types."""
    for log, stream_found, writer_found, seq, content_hash, place in rows:
        if stream_found is None or writer_found is None:
            raise malformed(("", ""), None, f"stream or writer of log {log} is not text")
        if place is not None:
            if seq is None:
                raise malformed((stream_found, writer_found), None, "the seq of its newest entry is not an integer")
            if not is_hash(content_hash):
                raise no_hash((stream_found, writer_found), seq)
    return rows
