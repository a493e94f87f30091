"""What whoever can write everything in a store does to it, and what is to be found."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sealed import (
    ELSEWHERE,
    FIRST,
    SECOND,
    THEIRS,
    Sealed,
    back_to,
    entries_sql,
    forged,
    hashes_of,
    note_sql,
    signed,
    tiles_sql,
    tree,
)

CLAIMS = ("integrity", "completeness", "authenticity", "freshness")
ALTERED, MISSING, UNSIGNED, STALE = CLAIMS
ALL = frozenset(CLAIMS)
Sql = str | Callable[[Sealed], str]


@dataclass(frozen=True)
class Attack:
    """`verify` without keys sees nothing of it."""

    name: str
    sql: Sql
    breaks: Sequence[tuple[str, int | None]]
    """Kind and position of each that is told, with the keys."""
    fails: frozenset[str]
    """Which claims do, where the caller also has the newest checkpoint; the others hold."""
    alone: frozenset[str]
    """Which do without that checkpoint; freshness is not asked then."""


def attack(name: str, sql: Sql, breaks: Sequence[tuple[str, int | None]], *fails: str) -> Attack:
    return Attack(name, sql, breaks, frozenset(fails), frozenset(fails) - {STALE})


def everything_recomputed(_: Sealed) -> str:
    return entries_sql(EDITED)


def and_the_tree(sealed: Sealed) -> str:
    return everything_recomputed(sealed) + tiles_sql(hashes_of(EDITED, SECOND))


def and_signed(sealed: Sealed) -> str:
    _, root = tree(hashes_of(EDITED, SECOND))
    return and_the_tree(sealed) + note_sql(signed(SECOND, root, THEIRS))


def of_the_first(sealed: Sealed) -> str:
    return note_sql(sealed.first)


def unsigned(sealed: Sealed) -> str:
    return note_sql(f"{sealed.second.note.text}\n")


def of_another_key(sealed: Sealed) -> str:
    return note_sql(signed(SECOND, sealed.second.root, THEIRS))


def of_another_origin(sealed: Sealed) -> str:
    return note_sql(signed(SECOND, sealed.second.root, ELSEWHERE))


def all_of_another_origin(sealed: Sealed) -> str:
    return of_another_origin(sealed) + f"UPDATE _agent_store_notes SET name = '{ELSEWHERE.name}'"


EDITED = forged(20, b"nothing happened here")
CAT = 3
TAIL_CUT = "DELETE FROM _agent_store_entries WHERE position > 300"
TILE_GONE = "DELETE FROM _agent_store_tiles WHERE level = 0 AND number = 0"
WRITER_DELETED = f"""DELETE FROM _agent_store_entries WHERE log = {CAT};
    DELETE FROM _agent_store_logs WHERE id = {CAT};
    UPDATE _agent_store_entries SET position = 100000 + 2 * (seq - 1) + log;
    UPDATE _agent_store_entries SET position = position - 100000;"""
EXCHANGED = """UPDATE _agent_store_entries SET position = 1000 WHERE position = 20;
    UPDATE _agent_store_entries SET position = 20 WHERE position = 21;
    UPDATE _agent_store_entries SET position = 21 WHERE position = 1000;"""
NAMES = """UPDATE _agent_store_logs SET writer = 'x' WHERE id = 1;
    UPDATE _agent_store_logs SET writer = 'ada' WHERE id = 2;
    UPDATE _agent_store_logs SET writer = 'bob' WHERE id = 1;"""
CUT_TILE = "UPDATE _agent_store_tiles SET hashes = substr(hashes, 1, {}) WHERE level = {} AND number = {}"
MOVED = "UPDATE _agent_store_logs SET stream = 'vault' WHERE id = 2"
ABOVE = f"UPDATE _agent_store_tiles SET hashes = x'{'ab' * 32}' WHERE level = 1"
NO_NOTE = "DELETE FROM _agent_store_notes"
FORGED = [("signature", None)]

ATTACKS = [
    attack("the tail cut", TAIL_CUT, [("seal", 301)], ALTERED, MISSING, STALE),
    attack("a writer deleted", WRITER_DELETED, [("seal", 3), ("seal", 4), ("seal", 215)], ALTERED, MISSING, STALE),
    attack("a log moved to another stream", MOVED, [("seal", 2)], ALTERED),
    attack("the names of two logs exchanged", NAMES, [("seal", 1), ("seal", 2)], ALTERED),
    attack("positions exchanged between logs", EXCHANGED, [("seal", 20), ("seal", 21)], ALTERED),
    attack("everything recomputed after an edit", everything_recomputed, [("seal", 20)], ALTERED),
    Attack("and the tree", and_the_tree, [("seal", None)], ALL - {UNSIGNED}, frozenset({ALTERED})),
    attack("and signed with another key", and_signed, [("seal", None)], *ALL),
    Attack("an old copy put back", lambda _: back_to(FIRST), [], frozenset({MISSING, STALE}), frozenset()),
    attack("the newest checkpoint removed", f"{NO_NOTE} WHERE number = {SECOND}", [], MISSING),
    attack("every checkpoint removed", NO_NOTE, [], MISSING, UNSIGNED),
    attack("an old checkpoint in the place of the newest", of_the_first, FORGED, MISSING, UNSIGNED),
    attack("the signature stripped", unsigned, FORGED, MISSING, UNSIGNED),
    attack("signed by another key of that name", of_another_key, [], MISSING, UNSIGNED),
    attack("a checkpoint of another origin", of_another_origin, FORGED, MISSING, UNSIGNED),
    attack("all kept under another origin", all_of_another_origin, FORGED, MISSING, UNSIGNED),
    attack("a full tile truncated", CUT_TILE.format(255 * 32, 0, 0), [("seal", 1)], ALTERED),
    attack("the last tile truncated", CUT_TILE.format(32, 0, 1), [("seal", 257)], ALTERED, STALE),
    attack("a tile removed", TILE_GONE, [("seal", 1)], ALTERED),
    attack("a tile above altered", ABOVE, [("seal", 1)], ALTERED, STALE),
]
