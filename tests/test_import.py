"""An export file that is not whole is refused whole, with the line where it goes wrong."""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import agent_store
from agent_store import Store
from agent_store.errors import MalformedExport, StoreError, UnsupportedFormat
from agent_store.moving import lines as format_lines
from moving import everything, fill

ROWS = [(f"s{number % 2}", "w", b"payload %d" % number) for number in range(9)]


def original() -> list[bytes]:
    """Header, two generations, eleven entries, end."""
    with agent_store.open(":memory:") as store:
        store.append_many(ROWS)
        store.log("ström", "w").append_many([b"", b"x"])
        store.generation("g").set(7)
        store.generation("h").set(2**63 - 1)
        file = io.BytesIO()
        agent_store.export(store, file)
    return file.getvalue().splitlines(keepends=True)


LINES = original()
FIRST, LAST, END = 4, 14, 15
"""Lines, counted from 1."""
Lines = list[bytes]


def sealed(lines: Lines) -> Lines:
    """With an end that fits: whoever writes an export by other means."""
    *before, end = lines
    fields = json.loads(end) | {"sha256": hashlib.sha256(b"".join(before)).hexdigest()}
    return [*before, json.dumps(fields).encode() + b"\n"]


def altered(number: int, seal: bool = True, **fields: Any) -> Callable[[Lines], Lines]:
    """One line with other fields; those that are `...` are taken away."""

    def alter(lines: Lines) -> Lines:
        changed = json.loads(lines[number - 1]) | fields
        changed = {name: value for name, value in changed.items() if value is not ...}
        lines[number - 1] = json.dumps(changed).encode() + b"\n"
        return sealed(lines) if seal else lines

    return alter


def replaced(number: int, line: bytes) -> Callable[[Lines], Lines]:
    return lambda lines: sealed([*lines[: number - 1], line, *lines[number:]])


def without(number: int) -> Callable[[Lines], Lines]:
    return lambda lines: sealed([*lines[: number - 1], *lines[number:]])


def doubled(number: int) -> Callable[[Lines], Lines]:
    return lambda lines: sealed([*lines[:number], *lines[number - 1 :]])


def swapped(one: int, other: int) -> Callable[[Lines], Lines]:
    def swap(lines: Lines) -> Lines:
        lines[one - 1], lines[other - 1] = lines[other - 1], lines[one - 1]
        return sealed(lines)

    return swap


HASH = "0" * 64
DAMAGES: dict[str, tuple[Callable[[Lines], Lines], int, str]] = {
    "nothing at all": (lambda lines: [], 1, "the file is cut off before this line"),
    "cut in a line": (lambda lines: [*lines[:7], lines[7][:50]], 8, "the file is cut off here"),
    "cut before a line": (lambda lines: lines[:7], 8, "the file is cut off before this line"),
    "cut before the end": (lambda lines: lines[:-1], END, "the file is cut off before this line"),
    "cut in the end": (lambda lines: [*lines[:-1], lines[-1][:-1]], END, "the file is cut off here"),
    "cut after the header": (lambda lines: lines[:1], 2, "the file is cut off before this line"),
    "an entry removed": (without(7), 7, "it stands at position 5, and 4 comes next"),
    "the last entry removed": (without(LAST), LAST, "the file ends after 10 entries, and its first line says 11"),
    "a generation removed": (without(2), END - 1, "evidence and position are said to be (11, 2, 0, 11), and"),
    "an entry doubled": (doubled(7), 8, "it stands at position 4, and 5 comes next"),
    "the last entry doubled": (doubled(LAST), LAST + 1, "its fields are not those of any line"),
    "a generation doubled": (doubled(2), 3, "generation 'g' is there twice"),
    "the header doubled": (doubled(1), 2, "its fields are not those of any line of an export"),
    "the end doubled": (lambda lines: [*lines, lines[-1]], END + 1, "there is more after the end"),
    "an empty line after the end": (lambda lines: [*lines, b"\n"], END + 1, "there is more after the end"),
    "an empty line": (replaced(7, b"\n"), 7, "it is not JSON"),
    "entries swapped": (swapped(7, 8), 7, "it stands at position 5, and 4 comes next"),
    "a generation among the entries": (swapped(3, 4), 4, "its fields are not those of any line of an export"),
    "another payload": (altered(7, payload="eA=="), 7, "content_hash is "),
    "no payload": (altered(7, payload=...), 7, "missing or not known are 'payload'"),
    "a payload that is null": (altered(7, payload=None), 7, "payload is no base64"),
    "a payload that is no base64": (altered(7, payload="eA="), 7, "payload is no base64"),
    "a payload with a line feed": (altered(7, payload="eA==\n"), 7, "payload is no base64"),
    "a payload that is no ASCII": (altered(7, payload="é"), 7, "payload is no base64"),
    "another hash": (altered(7, content_hash=HASH), 7, "content_hash is 00000000…, recomputed from"),
    "the last hash": (altered(LAST, content_hash=HASH), LAST, "content_hash is 00000000…"),
    "a hash too short": (altered(7, content_hash="00"), 7, "content_hash must be 64 hex digits"),
    "a hash that is no hex": (altered(7, content_hash="g" * 64), 7, "content_hash must be 64 hex digits"),
    "a hash that is a number": (altered(7, content_hash=0), 7, "content_hash must be 64 hex digits"),
    "another hash before": (altered(7, prev_hash=HASH), 7, "prev_hash is not the content_hash of the entry before"),
    "no hash before": (altered(7, prev_hash=None), 7, "prev_hash is not the content_hash of the entry before"),
    "a hash before the first": (altered(FIRST, prev_hash=HASH), FIRST, "prev_hash is not the content_hash of"),
    "another seq": (altered(7, seq=3), 7, "entry 3 comes after entry 1 of its log"),
    "a seq of 0": (altered(7, seq=0), 7, "seq must be a whole number from 1 to 2^63 - 1, not 0"),
    "a seq that is true": (altered(FIRST, seq=True), FIRST, "seq must be a whole number"),
    "a seq that is a float": (altered(7, seq=2.0), 7, "seq must be a whole number"),
    "a seq too large": (altered(7, seq=2**63), 7, "seq must be a whole number"),
    "another position": (altered(7, position=3), 7, "it stands at position 3, and 4 comes next"),
    "a position that is text": (altered(7, position="4"), 7, "position must be a whole number"),
    "another stream": (altered(7, stream="other"), 7, "entry 2 comes after none of its log"),
    "another stream, without a seal": (altered(7, False, stream="other"), 7, "entry 2 comes after none of its log"),
    "a stream that is a number": (altered(7, stream=5), 7, "stream must be a string, not 5"),
    "a writer that is null": (altered(7, writer=None), 7, "writer must be a string, not None"),
    "a lone surrogate": (altered(7, stream="\ud800"), 7, "stream has a lone surrogate"),
    "a field more": (altered(7, more=1), 7, "missing or not known are 'more'"),
    "a list": (replaced(7, b"[1]\n"), 7, "it is JSON, but no object"),
    "garbage": (replaced(7, b"\x00garbage\n"), 7, "it is not JSON"),
    "no UTF-8": (replaced(7, b'{"\xff": 1}\n'), 7, "it is no UTF-8"),
    "brackets without end": (replaced(7, b"[" * 99_999 + b"\n"), 7, "it is not JSON"),
    "a number without end": (replaced(7, b'{"position": ' + b"9" * 9_999 + b"}\n"), 7, "it is not JSON"),
    "an end in the middle": (
        lambda lines: sealed([*lines[:7], lines[-1]]),
        8,
        "the file ends after 4 entries, and its",
    ),
    "another value of a generation": (altered(2, False, value=8), END, "sha256 is another"),
    "another key of a generation": (altered(2, False, generation="k"), END, "sha256 is another"),
    "generations swapped": (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], END, "sha256 is another"),
    "a value below 0": (altered(2, value=-1), 2, "value must be a whole number from 0 to 2^63 - 1, not -1"),
    "a value too large": (altered(2, value=2**63), 2, "value must be a whole number"),
    "a key that is a number": (altered(2, generation=5), 2, "generation must be a string, not 5"),
    "a key of the store's own": (altered(2, generation="_agent_store.id"), 2, "are the store's own"),
    "a position in the header too large": (
        altered(1, position=12),
        END,
        "the file ends after 11 entries, and its first",
    ),
    "a position in the header too small": (altered(1, position=10), LAST, "its fields are not those of any line"),
    "no position in the header": (altered(1, position=...), 1, "missing or not known are 'position'"),
    "another id": (altered(1, False, id=5), END, "sha256 is another"),
    "an id that is text": (altered(1, id="5"), 1, "id must be a whole number"),
    "another count of entries": (
        altered(END, False, entries=12),
        END,
        "are said to be (12, 2, 0, 11), and are (11, 2, 0, 11)",
    ),
    "another count of generations": (altered(END, False, generations=1), END, "are said to be (11, 1, 0, 11), and are"),
    "another position at the end": (altered(END, False, position=12), END, "are said to be (11, 2, 0, 12), and are"),
    "another seal": (altered(END, False, sha256=HASH), END, "sha256 is another"),
    "no seal": (altered(END, False, sha256=...), END, "missing or not known are 'sha256'"),
    "another file": (lambda lines: [b"PK\x03\x04\n"], 1, "it is no"),
    "another format": (altered(1, format="other"), 1, "it is not the first line of an export of a store"),
    "lines of another kind": (lambda lines: lines[3:], 1, "it is not the first line of an export of a store"),
    "line feeds of Windows in the middle": (lambda lines: [line[:-1] + b"\r\n" for line in lines], END, "sha256"),
}


def refused(store: Store, lines: Lines) -> StoreError:
    before = everything(store)
    with pytest.raises(StoreError) as caught:
        agent_store.import_(store, io.BytesIO(b"".join(lines)))
    assert everything(store) == before
    return caught.value


@pytest.mark.parametrize("how", DAMAGES)
def test_damage(how: str) -> None:
    damage, line, said = DAMAGES[how]
    with agent_store.open(":memory:") as store:
        error = refused(store, damage(LINES.copy()))
        assert isinstance(error, MalformedExport)
        assert said in error.detail
        assert error.line == line
        assert str(error) == f"line {line}: {error.detail}"
        assert agent_store.import_(store, io.BytesIO(b"".join(LINES))).entries == 11


@pytest.mark.parametrize("how", ["the last hash", "another seal", "cut before the end", "a generation removed"])
def test_nothing_is_kept_in_any_kind_of_store(store: Store, how: str) -> None:
    damage, line, _ = DAMAGES[how]
    lines = damage(LINES.copy())
    error = refused(store, lines)
    assert isinstance(error, MalformedExport)
    assert error.line == line
    # Nor of the rest where the beginning is there.
    store.append_many(ROWS[:4])
    refused(store, lines)
    assert agent_store.import_(store, io.BytesIO(b"".join(LINES))).holds
    refused(store, lines)


@pytest.mark.parametrize("version", [0, 2, "1", None, True, 1.0])
def test_another_version(version: Any) -> None:
    with agent_store.open(":memory:") as store:
        error = refused(store, altered(1, version=version, more=1)(LINES.copy()))
        assert isinstance(error, UnsupportedFormat)
        assert str(error) == f"the export has version {version!r}, and this agent-store reads version 1"


def test_a_line_longer_than_any_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    with agent_store.open(":memory:") as store:
        error = refused(store, [b"x" * 5_000, b"\n"])
        assert (str(error)) == "line 1: it is longer than such a line may be"
        monkeypatch.setattr("agent_store.moving.reader.LONGEST", 150)
        error = refused(store, LINES)
        assert (str(error)) == f"line {FIRST}: it is longer than such a line may be"
    assert format_lines.LONGEST > 4 * (512 << 20) // 3


WHOLE = b"".join(LINES)


@given(st.integers(0, len(WHOLE) - 1), st.binary(max_size=3), st.integers(0, 3))
def test_bytes_altered_anywhere(place: int, instead: bytes, length: int) -> None:
    """All but what says the same is refused."""
    data = WHOLE[:place] + instead + WHOLE[place + length :]
    with agent_store.open(":memory:") as store, agent_store.open(":memory:") as untouched:
        try:
            agent_store.import_(store, io.BytesIO(data))
        except (MalformedExport, UnsupportedFormat):
            assert everything(store) == ([], {})
        else:
            agent_store.import_(untouched, io.BytesIO(WHOLE))
            assert everything(store) == everything(untouched)
            assert data.startswith(b"".join(LINES[:-1]))


def test_cut_anywhere() -> None:
    with agent_store.open(":memory:") as store:
        for end in range(0, len(WHOLE), 7):
            refused(store, [WHOLE[:end]])


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    class Failing(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            line = super().readline(size)
            if not line.startswith(b'{"entries"'):
                return line
            raise OSError(5, "Input/output error")

    with agent_store.open(tmp_path / "app.db") as store:
        with pytest.raises(OSError, match="Input/output error"):
            agent_store.import_(store, Failing(WHOLE))
        assert everything(store) == ([], {})
        with pytest.raises(FileNotFoundError):
            agent_store.import_(store, tmp_path / "missing.jsonl")
        with pytest.raises(IsADirectoryError):
            agent_store.import_(store, tmp_path)
        assert fill(store).verify().holds
