"""What a Verdict finds where a store was damaged or forged: each break of its kind, with where, and never raised."""

import base64
from collections.abc import Callable

import pytest

from agent_store import SigningKey, Verdict
from agent_store.evidence import note, rotation
from agent_store.evidence.keys import as_key
from sealing import KEY, OTHER, STRANGER, WITNESS, append
from stores import Place

pytestmark = pytest.mark.differs("no second opening")

TILE = "SELECT content_hash FROM _agent_store_entries WHERE position = 1"


def sealed(place: Place, *sizes: int) -> list[str]:
    """The checkpoints of a store with these."""
    with place.open() as store:
        made = []
        for before, size in zip((0, *sizes), sizes, strict=False):
            append(store, size - before)
            made.append(str(store.checkpoint(KEY)))
    return made


def judged(place: Place, sql: str = "", **asked: object) -> Verdict:
    if sql:
        place.damage(place.sql(sql))
    with place.open() as store:
        return store.verify(**{"keys": KEY, **asked})  # type: ignore[arg-type]


def kinds(verdict: Verdict) -> list[str]:
    return list(dict.fromkeys(each.kind for each in verdict.breaks))


def conclusions(verdict: Verdict) -> list[str]:
    return [verdict.integrity, verdict.completeness, verdict.authenticity, verdict.freshness]


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def test_an_altered_payload(place: Place) -> None:
    sealed(place, 3, 9)
    verdict = judged(
        place,
        "UPDATE _agent_store_entries SET payload = (SELECT payload FROM _agent_store_entries WHERE position = 1) "
        "WHERE position = 5",
    )
    assert ("hash", 5) in [(each.kind, each.position) for each in verdict.breaks]
    assert (verdict.chained, verdict.sealed, verdict.signed) == (4, 3, 3)
    assert conclusions(verdict) == ["fails", "holds", "holds", "not asked"]
    assert verdict.reasons[1] == "what the checkpoint of size 9 seals is intact up to position 4 only"


def test_a_log_that_was_given_another_name(place: Place) -> None:
    """No chain shows it: every leaf is recomputed, with the names. The first of the log is told."""
    sealed(place, 2, 9)
    verdict = judged(place, "UPDATE _agent_store_logs SET writer = 'another' WHERE writer = 'w2'")
    assert [(each.kind, each.writer, each.position) for each in verdict.breaks] == [("seal", "another", 5)]
    assert (verdict.chained, verdict.sealed, verdict.signed) == (9, 2, 2)
    assert conclusions(verdict) == ["fails", "holds", "holds", "not asked"]
    with place.open() as store:
        assert store.verify().holds


def test_the_newest_entries_were_removed(place: Place) -> None:
    sealed(place, 2, 9)
    verdict = judged(place, "DELETE FROM _agent_store_entries WHERE position > 6")
    assert ("seal", 7) in [(each.kind, each.position) for each in verdict.breaks]
    assert "positions 7 to 9 were removed" in " ".join(verdict.reasons)
    assert conclusions(verdict)[:3] == ["fails", "fails", "holds"]
    assert (verdict.chained, verdict.signed) == (6, 2)


def test_a_writer_was_removed(place: Place) -> None:
    sealed(place, 2, 9)
    place.damage(place.sql("DELETE FROM _agent_store_entries WHERE position IN (3, 6, 9)"))
    verdict = judged(place, "DELETE FROM _agent_store_logs WHERE writer = 'w2'")
    assert conclusions(verdict)[:3] == ["fails", "fails", "holds"]
    assert verdict.signed == 2


def test_everything_was_computed_anew(place: Place) -> None:
    """By who can write all of it and has not the key: another history, with tiles that fit."""
    checkpoint = sealed(place, 3, 9)[-1]
    with place.open() as store:
        rows = [(each.stream, each.writer, each.payload) for each in store.entries()]
    forged_rows = [*rows[:4], (*rows[4][:2], b"forged"), *rows[5:]]
    tables = "entries", "logs", "tiles", "notes"
    place.damage(place.sql("".join(f"DELETE FROM _agent_store_{table};" for table in tables)))
    with place.open() as store:
        store.append_many(forged_rows)
        store.checkpoint(KEY)  # Makes the tiles.
    verdict = judged(place, f"UPDATE _agent_store_notes SET note = {quoted(checkpoint)}")
    assert [each.kind for each in verdict.breaks] == ["seal"]
    assert "computed anew" in verdict.breaks[0].detail
    assert (verdict.chained, verdict.sealed, verdict.signed) == (9, 0, 0)
    assert conclusions(verdict) == ["fails", "holds", "holds", "not asked"]
    assert conclusions(judged(place, checkpoint=checkpoint))[3] == "fails"


@pytest.mark.parametrize(
    ("sql", "where"),
    [
        (f"UPDATE _agent_store_tiles SET hashes = ({TILE}) WHERE level = 0 AND number = 1", 257),
        ("DELETE FROM _agent_store_tiles WHERE level = 0 AND number = 1", 257),
        ("DELETE FROM _agent_store_tiles WHERE level = 1", 1),
        (f"UPDATE _agent_store_tiles SET hashes = ({TILE}) WHERE level = 1", 1),
        ("DELETE FROM _agent_store_tiles", 1),
    ],
    ids=["truncated", "missing", "level missing", "level wrong", "all missing"],
)
def test_tiles(place: Place, sql: str, where: int) -> None:
    """The tree is derived: the signatures are right, and nobody made two histories."""
    known = sealed(place, 2, 520)[0]
    verdict = judged(place, sql, checkpoint=known)
    assert kinds(verdict) == ["seal"]
    assert verdict.breaks[0].position == where
    assert conclusions(verdict)[:3] == ["fails", "holds", "holds"]
    assert (verdict.chained, verdict.signed) == (520, 2 if where > 1 else 0)


def test_two_histories_were_signed(place: Place) -> None:
    """The key's holder put another checkpoint into the past."""
    sealed(place, 3, 9)
    forged = note.sign(f"{KEY.name}\n5\n{base64.b64encode(bytes(32)).decode()}\n", KEY)
    verdict = judged(
        place, f"INSERT INTO _agent_store_notes VALUES ('checkpoint', {quoted(KEY.name)}, 5, {quoted(forged)})"
    )
    assert [each.kind for each in verdict.breaks] == ["fork"]
    assert "size 5" in verdict.breaks[0].detail
    assert conclusions(verdict) == ["holds", "holds", "fails", "not asked"]
    assert verdict.signed == 9
    assert kinds(judged(place, keys=None, origin=KEY.name)) == ["seal"]  # Who signed it was not asked.


FORGERIES: dict[str, Callable[[str], str]] = {
    "stripped": lambda text: text.partition("\n\n")[0] + "\n",
    "flipped": lambda text: text[:-6] + ("AAAAA" if text[-6:-1] != "AAAAA" else "BBBBB") + "\n",
    "another size": lambda text: text.replace("\n9\n", "\n8\n"),
    "no text": lambda text: "",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_checkpoint_that_is_not_what_was_signed(place: Place, forgery: str) -> None:
    last = sealed(place, 3, 9)[-1]
    text = quoted(FORGERIES[forgery](last))
    verdict = judged(place, f"UPDATE _agent_store_notes SET note = {text} WHERE number = 9")
    assert [each.kind for each in verdict.breaks] == ["signature"]
    assert "size 9" in verdict.breaks[0].detail
    assert conclusions(verdict) == ["holds", "fails", "fails", "not asked"]
    assert (verdict.sealed, verdict.signed) == (3, 3)


def test_a_swapped_key(place: Place) -> None:
    """Somebody seals all anew with a key of the same name."""
    sealed(place, 3)
    place.damage(place.sql("DELETE FROM _agent_store_notes; DELETE FROM _agent_store_tiles"))
    with place.open() as store:
        store.checkpoint(OTHER)
    verdict = judged(place)
    assert conclusions(verdict) == ["holds", "fails", "fails", "not asked"]
    assert any("signed by no key that was given" in each for each in verdict.reasons)


def test_a_checkpoint_of_a_stranger_beside(place: Place) -> None:
    sealed(place, 3)
    with place.open() as store:
        text = note.sign(f"{STRANGER.name}\n3\n{next(store.checkpoints()).splitlines()[2]}\n", STRANGER)
    verdict = judged(
        place, f"INSERT INTO _agent_store_notes VALUES ('checkpoint', {quoted(STRANGER.name)}, 3, {quoted(text)})"
    )
    assert [each.kind for each in verdict.breaks] == ["signature"]
    assert STRANGER.name in verdict.breaks[0].detail
    assert (verdict.signed, verdict.authenticity) == (3, "fails")


def test_rotations_that_are_none(place: Place) -> None:
    with place.open() as store:
        append(store, 2)
        store.checkpoint(KEY)
        store.rotate(KEY, OTHER)
        append(store, 2)
        store.checkpoint(OTHER)
    third = SigningKey.from_seed(KEY.name, bytes([3] * 32))
    stolen = rotation.Rotation(KEY.name, 3, as_key(KEY), as_key(third))  # By a key that was replaced at 2.
    text = quoted(note.sign(stolen.text, KEY, third))
    verdict = judged(place, f"INSERT INTO _agent_store_notes VALUES ('rotation', {quoted(KEY.name)}, 3, {text})")
    assert [each.kind for each in verdict.breaks] == ["signature"]
    assert (verdict.signed, verdict.authenticity) == (4, "fails")
    again = judged(place, "DELETE FROM _agent_store_notes WHERE kind = 'rotation'")
    assert again.authenticity == "fails"
    assert any("size 4 is signed by no key" in each for each in again.reasons)
    assert again.signed == 2


def test_a_rotation_by_keys_that_nobody_gave(place: Place) -> None:
    """An unknown key is a failure and never silence."""
    sealed(place, 3)
    third = SigningKey.from_seed(KEY.name, bytes([3] * 32))
    theirs = rotation.Rotation(KEY.name, 1, as_key(OTHER), as_key(third))
    text = quoted(note.sign(theirs.text, OTHER, third))
    verdict = judged(place, f"INSERT INTO _agent_store_notes VALUES ('rotation', {quoted(KEY.name)}, 1, {text})")
    assert [each.kind for each in verdict.breaks] == ["signature"]
    assert conclusions(verdict) == ["holds", "holds", "fails", "not asked"]
    assert not judged(place, keys=None, origin=KEY.name).breaks


def test_a_cosignature_that_is_wrong(place: Place) -> None:
    sealed(place, 3)
    with place.open() as store:
        from agent_store.evidence import cosignature

        line = cosignature.cosign(next(store.checkpoints()), WITNESS, 5).line
        store.add_cosignature(line, WITNESS)
    broken = quoted(line[:-8] + ("AAAAAA=" if not line.endswith("AAAAAA=\n") else "BBBBBB=") + "\n")
    verdict = judged(
        place, f"UPDATE _agent_store_notes SET note = {broken} WHERE kind = 'cosignature'", witnesses=WITNESS
    )
    assert [each.kind for each in verdict.breaks] == ["signature"]
    assert verdict.authenticity == "fails"
    assert (verdict.signed, verdict.witnessed) == (3, 0)


@pytest.mark.parametrize("table", ["tiles", "notes"])
def test_a_table_that_is_not_there(place: Place, table: str) -> None:
    """A finding too, as all that is in the database."""
    sealed(place, 3)
    place.damage(place.sql(f"DROP TABLE _agent_store_{table}"), guards=False)
    verdict = judged(place)
    assert {"schema", "seal"} <= set(kinds(verdict)), verdict
    assert verdict.integrity == "fails"
    assert not verdict.holds


def test_a_size_that_is_forged(place: Place) -> None:
    """Sizes are checked before they are used."""
    sealed(place, 3)
    huge = (1 << 63) - 1
    forged = note.sign(f"{KEY.name}\n{huge}\n{base64.b64encode(bytes(32)).decode()}\n", KEY)
    verdict = judged(
        place, f"INSERT INTO _agent_store_notes VALUES ('checkpoint', {quoted(KEY.name)}, {huge}, {quoted(forged)})"
    )
    assert [each.kind for each in verdict.breaks] == ["seal"]
    assert (verdict.signed, verdict.completeness) == (3, "fails")
