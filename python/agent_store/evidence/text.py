"""What the text formats of evidence have in common: how lines, base64 and numbers are written, in one way only."""

import re
from binascii import Error, a2b_base64, b2a_base64

from agent_store.errors import MalformedEvidence

HASH = 32  # bytes
_CONTROL = re.compile("[\\x00-\\x09\\x0b-\\x1f]")
MOST = (1 << 63) - 1
"""The greatest size or index: what a signed 64-bit integer holds, as positions do."""


def base64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648, section 4), without a line end."""
    return b2a_base64(data, newline=False).decode()


def from_base64(text: str, what: str) -> bytes:
    """MalformedEvidence for anything that `base64` would not have written, so that no byte has two spellings."""
    try:
        data = a2b_base64(text.encode("ascii"), strict_mode=True)
    except (Error, UnicodeEncodeError):
        data = b""
    if not data or base64(data) != text:
        raise MalformedEvidence(what, f"{short(text)} is no base64 as RFC 4648 writes it")
    return data


def hash_of(text: str, what: str) -> bytes:
    """A SHA-256 hash from its base64."""
    data = from_base64(text, what)
    if len(data) != HASH:
        raise MalformedEvidence(what, f"a hash has {HASH} bytes, and {short(text)} has {len(data)}")
    return data


def number_of(text: str, what: str) -> int:
    """From 0 to 2^63 - 1, in decimal without leading zeros."""
    # Its length first: int() refuses thousands of digits with another error.
    if not (0 < len(text) <= 19 and text.isascii() and text.isdigit()) or (text[0] == "0" and text != "0"):
        raise MalformedEvidence(what, f"{short(text)} is no decimal number without leading zeros")
    if (number := int(text)) > MOST:
        raise MalformedEvidence(what, f"{number} is more than 2^63 - 1")
    return number


def checked_text(text: object, what: str) -> str:
    """As a str; MalformedEvidence for what no file in UTF-8 holds, and for control characters but the line end."""
    if not isinstance(text, str):
        raise TypeError(f"a {what} is a str, not {type(text).__name__}")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise MalformedEvidence(what, "it is no UTF-8 text") from None
    if control := _CONTROL.search(text):
        raise MalformedEvidence(what, f"it has the control character {control[0]!r} in it")
    return str.__str__(text)


def short(text: str) -> str:
    """How a part of a text is shown in an error: quoted, and not all of a long one."""
    return repr(text if len(text) <= 80 else f"{text[:79]}…")
