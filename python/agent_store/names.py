"""Names that are looked for: any `str` that UTF-8 can hold, whether or not it could be written."""

from collections.abc import Sequence

from agent_store._core import check_name


def check_names(stream: str | None, writer: str | None = None, exclude_writer: str | None = None) -> None:
    """TypeError or ValueError for what no log can be named."""
    for what, name in (("stream", stream), ("writer", writer), ("exclude_writer", exclude_writer)):
        if name is not None:
            check_name(what, name)


def checked_streams(stream: str | Sequence[str] | None) -> str | tuple[str, ...] | None:
    """One name or several, as they are now; ValueError for none, which would select nothing."""
    if stream is None or isinstance(stream, str):
        check_names(stream)
        return stream
    if not isinstance(stream, Sequence):
        raise TypeError(f"stream must be a str, a sequence of them or None, not {type(stream).__name__}")
    if not stream:
        raise ValueError("stream names no stream: leave it out for all of them")
    for name in stream:
        check_name("stream", name)
    return tuple(dict.fromkeys(stream))
