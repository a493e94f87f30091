"""Values on their way to the server and back, in its binary formats: no setting of a connection changes them."""

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

from agent_store.backends.postgres.statements import Statement

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

Rows = list[tuple[Any, ...]]
Call = tuple[Statement, Sequence[object]]
Ready = list[tuple[Statement, list[tuple[int, "bytes | None"]]]]
"""Calls with their parameters as they travel."""

BOOL, BYTEA, CHAR, NAME, INT8, INT2, INT4, TEXT, OID = 16, 17, 18, 19, 20, 21, 23, 25, 26
_TEXTS = {TEXT, NAME}
ARRAY_OF = {BYTEA: 1001, TEXT: 1009, INT8: 1016}

_int8 = struct.Struct(">q")
_length = struct.Struct(">i")
_array = struct.Struct(">iiIii")


class Encoded(list[tuple[int, "bytes | None"]]):
    """Parameters that are the same each time: their types and bytes."""


def encoded(calls: Iterable[Call], codec: str) -> Ready:
    """Each with its parameters encoded."""
    return [
        (statement, values if type(values) is Encoded else [encode(value, codec) for value in values])
        for statement, values in calls
    ]


def encode(value: object, codec: str) -> tuple[int, bytes | None]:
    """The type and the bytes of a parameter: int as bigint, str as text, bytes as bytea, and lists of these."""
    if value is None:
        return 0, None
    if isinstance(value, bool):
        return BOOL, b"\1" if value else b"\0"
    if isinstance(value, int):
        return INT8, _int8.pack(value)
    if isinstance(value, str):
        return TEXT, value.encode(codec)
    if isinstance(value, bytes):
        return BYTEA, value
    return _encode_list(cast("Sequence[object]", value), codec)


def _encode_list(values: Sequence[object], codec: str) -> tuple[int, bytes]:
    items = [encode(value, codec) for value in values]
    of = items[0][0] if items else INT8
    parts = [_array.pack(1 if items else 0, 0, of, len(items), 1) if items else struct.pack(">iiI", 0, 0, of)]
    for _, item in items:
        if item is None:
            raise TypeError("a list for the server holds no None")
        parts.append(_length.pack(len(item)))
        parts.append(item)
    return ARRAY_OF[of], b"".join(parts)


def _integer(data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)


_DECODERS: dict[int, Callable[[bytes], Any]] = {
    BOOL: lambda data: data == b"\1",
    BYTEA: bytes,
    CHAR: lambda data: data.decode("ascii"),
    INT8: _integer,
    INT2: _integer,
    INT4: _integer,
    OID: lambda data: int.from_bytes(data, "big"),
}


def decode(result: "PGresult", codec: str) -> list[tuple[Any, ...]]:
    """The rows of a result that was asked for in binary."""
    count = result.ntuples
    if not count:
        return []

    def text(data: bytes) -> str:
        return data.decode(codec)

    types = [result.ftype(column) for column in range(result.nfields)]
    decoders = [text if of in _TEXTS else _DECODERS.get(of, bytes) for of in types]
    rows = []
    for row in range(count):
        found = []
        for column, decoder in enumerate(decoders):
            data = result.get_value(row, column)
            found.append(None if data is None else decoder(data))
        rows.append(tuple(found))
    return rows
