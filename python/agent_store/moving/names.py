"""What a database can hold under which names. A store may have others than those that its own calls would write."""

TOGETHER = 65_400  # bytes of stream and writer: the limit of the format (docs/format.md)
INDEXED = 2_600  # PostgreSQL's indexes take rows of 2,704 bytes, with what they need themselves


def why_not_log(kind: str, stream: str, writer: str) -> str | None:
    """Why a database of this kind cannot hold a log of these names; None where it can."""
    size = len(stream.encode()) + len(writer.encode())
    if size > (limit := INDEXED if kind == "postgres" else TOGETHER):
        return f"its names have {size:,} bytes of UTF-8, and together they may have {limit:,}"
    if kind == "postgres" and ("\0" in stream or "\0" in writer):
        return "PostgreSQL cannot hold a NUL character"
    return None


def why_not_key(kind: str, key: str) -> str | None:
    """The same of a generation."""
    if kind == "postgres" and (size := len(key.encode())) > INDEXED:
        return f"its key has {size:,} bytes of UTF-8, and may have {INDEXED:,}"
    if kind == "postgres" and "\0" in key:
        return "PostgreSQL cannot hold a NUL character"
    return None


def log_called(stream: str, writer: str) -> str:
    """A log in a message, whatever the length of its names."""
    return f"the log of stream {shortened(stream)}, writer {shortened(writer)}"


def shortened(name: str) -> str:
    """A name in a message."""
    return repr(name) if len(name) <= 100 else f"{name[:100]!r}…"
