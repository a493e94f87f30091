"""Is what a store holds the beginning of what is to come into it? Looked at before anything is written."""

from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from agent_store.errors import StoreError, TargetDiverged, UnsupportedFormat
from agent_store.moving.names import log_called, shortened, why_not_key, why_not_log
from agent_store.moving.source import pages
from agent_store.reading import LARGEST_PAGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agent_store._core import Entry, Head
    from agent_store.backends.backend import Backend
    from agent_store.moving.source import Source


class Beginning(NamedTuple):
    """What a target holds: the newest position, and the head of each log."""

    position: int
    heads: "list[Head]"


def beginning_of(target: "Backend[Any, Any]", newest: int, generations: dict[str, int]) -> Beginning:
    """What the target holds, as far as it can be judged by the newest position and the generations that are to come."""
    position, heads = target.position(), target.heads()
    if (entries := sum(head.seq for head in heads)) != position:
        raise TargetDiverged(
            f"the target's newest position is {position} and its logs have {entries} entries: somebody writes to it, "
            "or it is damaged, which verify would tell"
        )
    if position > newest:
        raise TargetDiverged(f"the target has {position} entries, and only {newest} are to come into it")
    for key, value in target.generations():
        if value > (coming := generations.get(key, 0)):
            raise TargetDiverged(
                f"generation {shortened(key)} of the target stands at {value}, and is to be {coming}: it never falls"
            )
    return Beginning(position, heads)


def missing_of(target: "Backend[Any, Any]", generations: dict[str, int]) -> dict[str, int]:
    """The generations that the target is to be raised to; it must be able to hold their keys."""
    for key in generations:
        if (why := why_not_key(target.kind, key)) is not None:
            raise UnsupportedFormat(f"the target cannot hold generation {shortened(key)}: {why}")
    there = dict(target.generations())
    return {key: value for key, value in generations.items() if value > there.get(key, 0)}


def check_names(kind: str, heads: "Iterable[Head]") -> None:
    """UnsupportedFormat for a log that a database of this kind cannot hold."""
    for head in heads:
        if (why := why_not_log(kind, head.stream, head.writer)) is not None:
            raise UnsupportedFormat(f"the target cannot hold {log_called(head.stream, head.writer)}: {why}")


def compare(source: "Source", target: "Backend[Any, Any]", beginning: Beginning) -> None:
    """TargetDiverged unless the source, up to the target's newest position, is what the target holds.

    Each log must have the same head there, by which all its entries are the same, and there are no others; the order of
    the logs among each other is compared for the newest entries alone.
    """
    for head in beginning.heads:
        log = log_called(head.stream, head.writer)
        entry = source.entry(head.stream, head.writer, head.seq)
        if entry is None or entry.position > beginning.position:
            raise TargetDiverged(f"{log} has {head.seq} entries in the target, and fewer in the source at its position")
        if entry.content_hash != head.content_hash:
            raise TargetDiverged(f"{log}, entry {head.seq}: the target has another one than the source")
    newest = max(0, beginning.position - LARGEST_PAGE)
    ours = chain.from_iterable(pages(source.backend, newest, beginning.position))
    for _ in compare_entries(ours, target, newest, beginning.position):
        pass


def compare_entries(
    entries: "Iterable[Entry]", target: "Backend[Any, Any]", after: int, upto: int
) -> "Iterator[Entry]":
    """TargetDiverged unless these entries are those of the target from above one position to another.

    Gives those that are erased, and not yet in the target.
    """
    for ours, theirs in zip(entries, _of_target(target, after, upto), strict=True):
        if ours == theirs:
            continue
        if _facts(ours) == _facts(theirs):
            if theirs.erased:
                raise TargetDiverged(f"the target has erased position {theirs.position}, whose payload is to come")
            yield ours
        else:
            there, coming = (f"entry {one.seq} of {log_called(one.stream, one.writer)}" for one in (theirs, ours))
            other = (
                "another one is to come there, or it is damaged" if there == coming else f"to come there is {coming}"
            )
            raise TargetDiverged(f"at position {theirs.position} the target has {there}, and {other}")


def _facts(entry: "Entry") -> tuple[object, ...]:
    """All but the payload, whose hash is among them."""
    return entry.stream, entry.writer, entry.seq, entry.prev_hash, entry.content_hash, entry.position, entry.payload_len


def _of_target(target: "Backend[Any, Any]", after: int, upto: int) -> "Iterator[Entry]":
    try:
        yield from chain.from_iterable(pages(target, after, upto))
    except StoreError as error:
        error.add_note("this is in the target")
        raise
