"""Standard output: text for people, or one JSON object a line."""

import io
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from agent_store.cli.terminal import rich_console

if TYPE_CHECKING:
    from agent_store import Entry, Head

LONGEST_BINARY = 64  # bytes of it that text shows
WIDEST = 24  # characters that a column of entries is widened to for one of them
HASH = "content_hash"

Part = str | tuple[str, str]  # text, or text and its style where there is colour


class Output:
    """Where a command's results go. Its remarks go to standard error, and only where that is a terminal."""

    def __init__(self, *, json: bool) -> None:
        self.json = json
        self._console = None if json else rich_console(sys.stdout)
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")

    def record(self, facts: Mapping[str, object]) -> None:
        """One object, on a line of its own."""
        print(json_line(facts))  # noqa: T201

    def line(self, *parts: Part) -> None:
        """One line of text."""
        if self._console is None:
            print("".join(part if isinstance(part, str) else part[0] for part in parts))  # noqa: T201
        else:
            from rich.text import Text

            self._console.print(Text.assemble(*parts), soft_wrap=True)

    def text(self, text: str) -> None:
        """A text that is signed, to the byte: UTF-8 whatever the terminal's, and no colour."""
        sys.stdout.flush()
        sys.stdout.buffer.write((text if text.endswith("\n") else f"{text}\n").encode())

    def each_at_once(self) -> None:
        """Whoever reads gets every line as it is printed, and not when there are many."""
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(line_buffering=True)

    def heads(self, heads: "Iterable[Head | Entry]") -> None:
        """A line for each: stream, writer, seq, hash. On a terminal with a header."""
        if self.json:
            for head in heads:
                self.record({name: getattr(head, name) for name in ("stream", "writer", "seq", HASH)})
            return
        rows = [(readable(h.stream), readable(h.writer), str(h.seq), h.content_hash.hex()) for h in heads]
        titles = ("STREAM", "WRITER", "ENTRIES", "HASH OF THE NEWEST")
        if self._console is not None and rows:
            from rich.table import Table

            table = Table(box=None, pad_edge=False)
            for title, style in zip(titles, ("", "", "cyan", "dim"), strict=True):
                justify = "right" if title == "ENTRIES" else "left"
                table.add_column(title, style=style, justify=justify, overflow="fold")  # type: ignore[arg-type]
            for row in rows:
                table.add_row(*row)
            self._console.print(table)
            return
        if sys.stdout.isatty() and rows:
            rows.insert(0, titles)
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for stream, writer, seq, digest in rows:
            self.line(f"{stream:<{widths[0]}}  {writer:<{widths[1]}}  {seq:>{widths[2]}}  {digest}")


class Entries:
    """Entries, a line each, in columns as wide as what was printed so far takes: what comes later nobody knows.

    `names`: with stream and writer before, as of many logs. `digits`: those of the largest seq, where it is known.
    """

    def __init__(self, out: Output, *, names: bool = False, digits: int = 1) -> None:
        self._out = out
        self._names = names
        self._widths = [1, 1, digits]

    def print(self, entry: "Entry") -> None:
        """One more."""
        if self._out.json:
            self._out.record(fields(entry))
            return
        stream, writer, seq = cells = [readable(entry.stream), readable(entry.writer), str(entry.seq)]
        self._widths = [max(width, min(len(cell), WIDEST)) for width, cell in zip(self._widths, cells, strict=True)]
        of_stream, of_writer, of_seq = self._widths
        names = f"{stream:<{of_stream}}  {writer:<{of_writer}}  " if self._names else ""
        digest = entry.content_hash.hex()[:8]
        self._out.line(names, (f"{seq:>{of_seq}}", "cyan"), "  ", (digest, "dim"), "  ", _payload(entry))


def fields(entry: "Entry") -> dict[str, object]:
    """What `record` makes of an entry; of one that was erased with its length in the place of its payload."""
    if not entry.erased:
        return {name: getattr(entry, name) for name in entry.__match_args__}
    kept = {name: getattr(entry, name) for name in entry.__match_args__ if name != "payload"}
    return {**kept, "payload": None, "payload_len": entry.payload_len}


def json_line(facts: Mapping[str, object]) -> str:
    """One object: hashes hex, payloads base64."""
    import json

    return json.dumps({name: _plain(name, value) for name, value in facts.items()})


def readable(name: str) -> str:
    """As it is where every character shows; else in quotes, the others escaped: none may steer the terminal."""
    return name if name.isprintable() and name else repr(name)


def _payload(entry: "Entry") -> str:
    return f"(erased: {entry.payload_len:,} bytes)" if entry.erased else payload_text(entry.payload)


def payload_text(payload: bytes) -> str:
    """As it is where it is UTF-8 and every character shows (a tab does); else quoted as Python quotes it."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        cut = payload[:LONGEST_BINARY]
        return repr(payload) if cut == payload else f"{cut!r}… ({len(payload):,} bytes)"
    return text if text.replace("\t", "").isprintable() else repr(text)


def remark(text: str) -> None:
    """Something by the way, for whoever sits there."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr)  # noqa: T201


def when_unread(call: Callable[[], object]) -> None:
    """Call it, in a thread, once whoever reads standard output is gone: who prints nothing does not notice."""
    import select
    import stat
    import threading

    try:
        fd = sys.stdout.fileno()
        kind = os.fstat(fd).st_mode
    except OSError:  # what is no file at all
        return
    if not hasattr(select, "poll") or not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)):
        return

    def wait() -> None:
        poll = select.poll()
        poll.register(fd, 0)  # Nothing is asked for but what is always told: that the other end is closed.
        poll.poll()
        call()

    threading.Thread(target=wait, daemon=True).start()


def abandon() -> None:
    """Python writes what is left at exit, and would fail there once more."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def _plain(name: str, value: object) -> object:
    if not isinstance(value, bytes):
        return value
    if name != "payload":
        return value.hex()
    from binascii import b2a_base64

    return b2a_base64(value, newline=False).decode()
