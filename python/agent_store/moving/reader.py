"""An export file, line by line: every line is looked at, and an error says which one."""

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from agent_store.errors import MalformedExport, StoreError, UnsupportedFormat
from agent_store.moving.lines import (
    LONGEST,
    SHORT,
    Kept,
    end_of,
    entry_of,
    evidence_of,
    fields_of,
    generation_of,
    header_of,
)
from agent_store.moving.names import log_called, why_not_log
from agent_store.reading import LARGEST_PAGE

if TYPE_CHECKING:
    from agent_store._core import Entry

SIZE = 4 << 20  # bytes of payload in a page
KNOWN = 16_384  # logs whose names are not looked at again


class Readable(Protocol):
    """A file opened to read bytes."""

    def readline(self, size: int, /) -> bytes:
        """A line with its end, or as much of it as `size` allows."""


class Reader:
    """Header and generations are read at once, the entries in pages."""

    def __init__(self, file: Readable, kind: str) -> None:
        """`kind` is that of the database that the names must fit."""
        self._file = file
        self._kind = kind
        self._line = 0
        self._digest = hashlib.sha256()
        self._short = b""
        """The last line, if it is short: the digest has all before it."""
        self._known: set[tuple[str, str]] = set()
        self._entries = 0
        self._evidence = 0
        self.records: dict[int, str] = {}
        """Of the erased entries of the page that was given last, by their positions."""
        self.page_line = 0
        """The line of the first entry of the page that was given last."""
        self.generations: dict[str, int] = {}
        try:
            self.header = header_of(self._fields(SHORT))
            self._ahead: dict[str, Any] | None = self._fields()
            while "generation" in self._ahead:
                key, value = generation_of(self._ahead)
                if key in self.generations:
                    raise ValueError(f"generation {key!r} is there twice")
                self.generations[key] = value
                self._ahead = self._fields()
        except ValueError as error:
            raise self._malformed(error) from None

    @property
    def line(self) -> int:
        """The number of the line that was read last."""
        return self._line

    def pages(self, entries: int, *, last: bool = False) -> "Iterator[list[Entry]]":
        """The next so many entries; with `last`, evidence or the end must come after them."""
        while entries:
            page, error = self._page(min(entries, LARGEST_PAGE))
            entries -= len(page)
            if page:
                yield page  # What is wrong in it comes before what is wrong with the line after it.
            if error is not None:
                raise error
            del page  # the next one takes its memory
        if last and not self._look_at_evidence():
            self._end()

    def has_evidence(self) -> bool:
        """True where some comes next, after the last entry."""
        return self._ahead is not None and "note" in self._ahead

    def _look_at_evidence(self) -> bool:
        try:
            self._ahead = self._next()
            if self.header.sealed and not self.has_evidence():
                raise ValueError(f"{self.header.sealed:,} entries are said to be sealed, and no checkpoint is there")
        except ValueError as error:
            raise self._malformed(error) from None
        return self.has_evidence()

    def evidence(self) -> "Iterator[Kept]":
        """All of it; the end must come after it, and nothing after that."""
        while self.has_evidence():
            try:
                kept = evidence_of(self._next())
            except ValueError as error:
                raise self._malformed(error) from None
            self._evidence += 1
            yield kept
            try:
                self._ahead = self._next()
            except ValueError as error:
                raise self._malformed(error) from None
            if not self.has_evidence():
                self._end()

    def _page(self, entries: int) -> "tuple[list[Entry], StoreError | None]":
        page: list[Entry] = []
        size = 0
        self.records = {}
        while len(page) < entries and size < SIZE:
            try:
                page.append(self._entry())
            except StoreError as error:
                return page, error
            size += page[-1].payload_len
            if len(page) == 1:
                self.page_line = self._line
        return page, None

    def _entry(self) -> "Entry":
        try:
            fields = self._next()
            if "sha256" in fields:
                raise ValueError(
                    f"the file ends after {self._entries:,} entries, and its first line says {self.header.position:,}"
                )
            entry, record = entry_of(fields)
        except ValueError as error:
            raise self._malformed(error) from None
        self._entries += 1
        if record is not None:
            self.records[entry.position] = record
        if (name := (entry.stream, entry.writer)) not in self._known:
            if (why := why_not_log(self._kind, *name)) is not None:
                raise UnsupportedFormat(f"line {self._line}: the target cannot hold {log_called(*name)}: {why}")
            if len(self._known) == KNOWN:
                self._known.clear()
            self._known.add(name)
        return entry

    def _end(self) -> None:
        try:
            end = end_of(self._next())
            counted = (self._entries, len(self.generations), self._evidence, self.header.position)
            if end[:4] != counted:
                what = "entries, generations, evidence and position"
                raise ValueError(f"{what} are said to be {end[:4]}, and are {counted}")
            if end.sha256 != self._digest.hexdigest():
                raise ValueError("the lines before this one are not those that were written: sha256 is another")
            if self._file.readline(1):
                self._line += 1
                raise ValueError("there is more after the end")
        except ValueError as error:
            raise self._malformed(error) from None

    def _next(self) -> dict[str, Any]:
        fields, self._ahead = self._ahead, None
        return self._fields() if fields is None else fields

    def _fields(self, longest: int | None = None) -> dict[str, Any]:
        longest = LONGEST if longest is None else longest
        line = self._file.readline(longest)
        if not isinstance(line, bytes):
            raise TypeError("the file must be opened to read bytes, not text")
        self._line += 1
        if not line.endswith(b"\n"):
            if len(line) >= longest:
                raise ValueError("it is longer than such a line may be")
            raise ValueError("the file is cut off here" if line else "the file is cut off before this line")
        self._digest.update(self._short)
        self._short = line if len(line) <= SHORT else b""  # The end, which is not counted, is short.
        if not self._short:
            self._digest.update(line)
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"it is no UTF-8: {error}") from None
        del line  # It may be large.
        return fields_of(text)

    def _malformed(self, error: Exception) -> MalformedExport:
        return MalformedExport(self._line, str(error))
