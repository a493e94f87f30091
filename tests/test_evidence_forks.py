"""Two histories under one key: a store that was cloned, one that was put back, and checkpoints of another one."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import agent_store
from agent_store import Checkpoint, SigningKey, Store, Verdict
from agent_store.errors import ChainBroken, EvidenceRefused, ForkFound, StoreReplaced
from sealed import FIRST, KEY, SECOND, THEIRS, Sealed, back_to, build, forged, rows
from stores import Place

pytestmark = [pytest.mark.timeout(60), pytest.mark.differs("no second opening")]

WITNESS = SigningKey.from_seed("witness.example/w1", b"\xaa" * 32)


@pytest.fixture
def sealed(place: Place) -> Sealed:
    with place.open() as store:
        return build(store)


@pytest.fixture
def clone() -> Iterator[Store]:
    """Of the same entries, sealed by the same key: a copy that was made of the file."""
    with agent_store.open(":memory:") as store:
        build(store)
        yield store


def say(store: Store, *words: bytes) -> Checkpoint:
    store.log("room", "ada").append_many(words)
    return store.checkpoint(KEY)


def of(verdict: Verdict) -> tuple[set[str], list[str]]:
    """Which claims fail, and the kinds of breaks."""
    claims = ("integrity", "completeness", "authenticity", "freshness")
    return {claim for claim in claims if getattr(verdict, claim) == "fails"}, [each.kind for each in verdict.breaks]


def test_equal_size_with_another_root(place: Place, sealed: Sealed, clone: Store) -> None:
    theirs = say(clone, b"what others were shown")
    with place.open() as store:
        ours = say(store, b"what we were shown")
        assert ours.size == theirs.size
        assert ours.root != theirs.root
        assert store.verify(keys=KEY.verifier, checkpoint=ours).holds
        failing, kinds = of(store.verify(keys=KEY.verifier, checkpoint=theirs))
        assert (failing, kinds) == ({"completeness", "authenticity", "freshness"}, ["fork"])


def test_a_forked_store(place: Place, sealed: Sealed, clone: Store) -> None:
    """Each goes on and seals; whoever knows a checkpoint of the one is not content with the other."""
    theirs = [say(clone, b"theirs"), say(clone, b"theirs too", b"and this")]
    with place.open() as store:
        ours = [say(store, b"ours", b"and this too"), say(store, b"ours again")]
        assert [one.size - SECOND for one in (*theirs, *ours)] == [1, 3, 2, 3]
        for known in theirs:
            failing, kinds = of(store.verify(keys=KEY.verifier, checkpoint=known))
            assert (failing, kinds) == ({"completeness", "authenticity", "freshness"}, ["fork"])
            store.log("room", "bob").append(b"more")
            with pytest.raises(StoreReplaced, match="another history"):
                store.checkpoint(KEY, after=known)
        longer = say(clone, *(b"theirs: %d" % number for number in range(20)))
        failing, kinds = of(store.verify(keys=KEY.verifier, checkpoint=longer))
        assert failing >= {"completeness", "freshness"}
        assert store.verify(keys=KEY.verifier, checkpoint=sealed.second).holds, "what both have in common is in place"
        say(store)
        assert store.verify(keys=KEY.verifier).holds, "and alone it cannot see its own clone"


def test_a_witness_cosigns_one_of_two_histories(place: Place, sealed: Sealed, clone: Store) -> None:
    with place.open() as store, agent_store.open(":memory:") as other:
        witness = other.witness(WITNESS, KEY.verifier)
        ours = say(store, b"ours")
        store.add_cosignature(witness.cosign(ours, store.consistency(0)), WITNESS)
        theirs = say(clone, b"theirs")
        with pytest.raises(ForkFound) as raised:
            witness.cosign(theirs, clone.consistency(sealed.second))
        assert (raised.value.size, raised.value.ours, raised.value.theirs) == (ours.size, ours, theirs)
        assert [(fork.ours, fork.theirs) for fork in witness.forks()] == [(ours, theirs)]
        longer = say(clone, b"theirs too")
        with pytest.raises(EvidenceRefused, match="does not lead from size 321"):
            witness.cosign(longer, clone.consistency(ours.size))

        asked: dict[str, Any] = {"keys": KEY.verifier, "witnesses": WITNESS.witness_verifier}
        assert store.verify(**asked).holds
        failing, _ = of(clone.verify(**asked))
        assert failing == {"authenticity"}


def test_a_cosignature_that_is_taken_away_or_forged(place: Place, sealed: Sealed) -> None:
    asked: dict[str, Any] = {"keys": KEY.verifier, "witnesses": WITNESS.witness_verifier}
    with place.open() as store, agent_store.open(":memory:") as other:
        line = other.witness(WITNESS, KEY.verifier).cosign(sealed.second, store.consistency(0))
        store.add_cosignature(line, WITNESS)
        assert store.verify(**asked).holds
    stranger = SigningKey.from_seed(WITNESS.name, bytes(32))
    with place.open() as store, agent_store.open(":memory:") as other:
        forgery = other.witness(stranger, KEY.verifier).cosign(sealed.second, store.consistency(0))
        with pytest.raises(EvidenceRefused):
            store.add_cosignature(forgery, WITNESS)
    place.damage(f"UPDATE _agent_store_notes SET note = '{forgery}' WHERE kind = 'cosignature'")
    with place.open() as store:
        verdict = store.verify(**asked)
        assert (of(verdict)[0], verdict.signed, verdict.witnessed) == ({"authenticity"}, SECOND, 0)
    place.damage("DELETE FROM _agent_store_notes WHERE kind = 'cosignature'")
    with place.open() as store:
        assert of(store.verify(**asked)) == ({"authenticity"}, [])
        assert store.verify(keys=KEY.verifier).holds


def test_a_rotation_to_a_key_of_theirs(place: Place, sealed: Sealed) -> None:
    """Only the key before can name the one that follows: not who can write the table."""
    with agent_store.open(":memory:") as theirs:
        theirs.append_many(rows(1, SECOND))
        theirs.checkpoint(THEIRS)
        note = theirs.rotate(THEIRS, SigningKey.from_seed(THEIRS.name, b"\x01" * 32))
    place.damage(
        "INSERT INTO _agent_store_notes (kind, name, number, note) "
        f"VALUES ('rotation', '{KEY.name}', {SECOND}, '{note}')"
    )
    with place.open() as store:
        failing, kinds = of(store.verify(keys=KEY.verifier))
        assert (failing, kinds) == ({"authenticity"}, ["signature"])


UNSEALABLE = {
    "a payload altered": f"UPDATE _agent_store_entries SET payload = x'00' WHERE position = {SECOND + 2}",
    "an entry removed": f"DELETE FROM _agent_store_entries WHERE position = {SECOND + 1}",
    "what was sealed removed": f"DELETE FROM _agent_store_entries WHERE position > {FIRST}",
    "a tile cut": "UPDATE _agent_store_tiles SET hashes = substr(hashes, 1, 32) WHERE level = 0 AND number = 1",
    "the last checkpoint unsigned": f"UPDATE _agent_store_notes SET note = substr(note, 1, 80) WHERE number = {SECOND}",
}


@pytest.mark.parametrize("sql", UNSEALABLE.values(), ids=UNSEALABLE)
def test_damage_is_not_sealed_over(place: Place, sealed: Sealed, sql: str) -> None:
    with place.open() as store:
        store.append_many(rows(SECOND + 1, SECOND + 6))
    place.damage(sql)
    with place.open() as store:
        with pytest.raises(ChainBroken):
            store.checkpoint(KEY)
        assert store.log("room", "new").append(b"goes on").seq == 1
        with pytest.raises(ChainBroken):
            store.checkpoint(KEY)


def test_an_old_copy_put_back(place: Place, sealed: Sealed) -> None:
    place.damage(back_to(FIRST))
    with place.open() as store:
        assert store.verify(keys=KEY.verifier).holds, "nobody can see it alone"
        verdict = store.verify(keys=KEY.verifier, checkpoint=sealed.second)
        assert of(verdict) == ({"completeness", "freshness"}, [])
        with pytest.raises(StoreReplaced):
            store.checkpoint(KEY, after=sealed.second)


def test_an_old_file_put_back(path: Path) -> None:
    with agent_store.open(path) as store:
        store.append_many(rows(1, FIRST))
        store.checkpoint(KEY)
    shutil.copy(path, path.with_suffix(".old"))
    with agent_store.open(path) as store:
        store.append_many(rows(FIRST + 1, SECOND))
        known = store.checkpoint(KEY)
    agent_store.open(path, at_least=known).close()
    path.with_suffix(".old").replace(path)
    with pytest.raises(StoreReplaced):
        agent_store.open(path, at_least=known)
    with agent_store.open(path) as store:
        assert store.verify(keys=KEY.verifier).holds
        assert of(store.verify(keys=KEY.verifier, checkpoint=known)) == ({"completeness", "freshness"}, [])


def test_a_receipt_of_a_store_that_was_altered_goes_on_proving(place: Place, sealed: Sealed) -> None:
    """Whoever has it can show what was there, whatever became of the store."""
    with place.open() as store:
        entry = store.log("room", "bob").entry(7)
        assert entry is not None
        receipt = store.receipt(entry)
    place.damage(f"UPDATE _agent_store_entries SET payload = x'00' WHERE position = {entry.position}")
    assert agent_store.verify_receipt(receipt, entry, KEY.verifier) == sealed.second
    with place.open() as store:
        altered = store.log("room", "bob").entry(7)
        assert altered is not None
        with pytest.raises((EvidenceRefused, ChainBroken)):
            store.receipt(altered)
    with pytest.raises(EvidenceRefused):
        agent_store.verify_receipt(receipt, altered, KEY.verifier)
    lie = forged(entry.position, b"nothing happened here")
    with agent_store.open(":memory:") as theirs:
        theirs.append_many(lie)
        theirs.checkpoint(THEIRS)
        said = theirs.log("room", "bob").entry(7)
        assert said is not None
        with pytest.raises(EvidenceRefused):
            agent_store.verify_receipt(theirs.receipt(said), said, KEY.verifier)
