"""The Verdict: how far the evidence goes, what follows from it, and what was not asked."""

import time
from typing import Any

import pytest

import agent_store
from agent_store import Checkpoint, Policy, SigningKey, Store, Verdict
from agent_store.errors import EvidenceRefused, MalformedEvidence
from agent_store.evidence import cosignature
from sealing import KEY, OTHER, STRANGER, WITNESS, append

SECOND = SigningKey.from_seed("witness.example/w2", bytes([2] * 32))


def conclusions(verdict: Verdict) -> list[str]:
    return [verdict.integrity, verdict.completeness, verdict.authenticity, verdict.freshness]


def ranges(verdict: Verdict) -> list[int]:
    return [verdict.chained, verdict.sealed, verdict.signed, verdict.witnessed]


def cosign(store: Store, *witnesses: SigningKey, time: int = 1_700_000_000) -> Checkpoint:
    last = next(store.checkpoints(reverse=True))
    for witness in witnesses:
        last = store.add_cosignature(cosignature.cosign(last, witness, time).line, witness)
    return last


def test_without_anything_given_it_is_about_the_chains(store: Store) -> None:
    append(store, 3)
    store.checkpoint(KEY)
    verdict = store.verify()
    assert conclusions(verdict) == ["holds", "not asked", "not asked", "not asked"]
    assert ranges(verdict) == [3, 0, 0, 0]
    assert verdict.holds
    assert (verdict.reasons, verdict.checkpoint, verdict.cosigners) == ((), None, ())


def test_an_empty_store(store: Store) -> None:
    assert conclusions(store.verify()) == ["holds", "not asked", "not asked", "not asked"]
    assert conclusions(store.verify(keys=KEY)) == ["holds", "fails", "fails", "not asked"]
    store.checkpoint(KEY)
    verdict = store.verify(keys=KEY)
    assert conclusions(verdict) == ["holds", "holds", "holds", "not asked"]
    assert ranges(verdict) == [0, 0, 0, 0]


def test_all_four_hold(store: Store) -> None:
    append(store, 300)
    known = store.checkpoint(KEY)
    append(store, 5)
    store.checkpoint(KEY)
    last = cosign(store, WITNESS)
    verdict = store.verify(keys=KEY, checkpoint=known, witnesses=WITNESS.witness_verifier)
    assert conclusions(verdict) == ["holds"] * 4
    assert ranges(verdict) == [305] * 4
    assert verdict.holds
    assert verdict.checkpoint == last
    assert verdict.cosigners == ((WITNESS.name, 1_700_000_000),)
    assert verdict.reasons == ()
    verdict.raise_if_broken()


def test_each_range_ends_where_it_ends(store: Store) -> None:
    """Chained ≥ sealed ≥ signed ≥ witnessed."""
    append(store, 1)
    store.checkpoint(KEY)
    cosign(store, WITNESS)
    append(store, 1)
    store.checkpoint(KEY)
    append(store, 1)
    verdict = store.verify(keys=KEY, witnesses=WITNESS)
    assert ranges(verdict) == [3, 2, 2, 1]
    assert verdict.integrity == "holds"
    assert ranges(store.verify(origin=KEY.name)) == [3, 2, 0, 0]


def test_no_checkpoint(store: Store) -> None:
    """With keys given it is a failure, and no silence."""
    append(store, 2)
    verdict = store.verify(keys=KEY)
    assert conclusions(verdict) == ["holds", "fails", "fails", "not asked"]
    assert not verdict.holds
    assert not verdict.breaks
    assert "no checkpoint of 'audit.example/agent-store/db1'" in verdict.reasons[0]
    with pytest.raises(EvidenceRefused, match="no checkpoint"):
        verdict.raise_if_broken()


def test_an_unknown_key(store: Store) -> None:
    append(store, 2)
    store.checkpoint(KEY)
    verdict = store.verify(keys=OTHER)
    assert conclusions(verdict) == ["holds", "fails", "fails", "not asked"]
    assert ranges(verdict) == [2, 0, 0, 0]
    assert any("signed by no key that was given" in reason for reason in verdict.reasons)
    assert verdict.checkpoint is None


def test_another_origin(store: Store) -> None:
    append(store, 2)
    store.checkpoint(KEY)
    verdict = store.verify(keys=STRANGER)
    assert conclusions(verdict) == ["holds", "fails", "fails", "not asked"]
    assert [each.kind for each in verdict.breaks] == ["signature"]
    assert KEY.name in verdict.breaks[0].detail
    assert conclusions(store.verify(origin="somebody.else"))[:2] == ["holds", "fails"]


def test_an_unsealed_range(store: Store) -> None:
    append(store, 2)
    store.checkpoint(KEY)
    append(store, 1)
    verdict = store.verify(keys=KEY)
    assert conclusions(verdict) == ["holds", "fails", "holds", "not asked"]
    assert verdict.reasons[0].startswith("position 3 is covered by no signed checkpoint")
    assert "store.checkpoint(key)" in verdict.reasons[0]
    append(store, 1)
    assert store.verify(keys=KEY).reasons[0].startswith("positions 3 to 4 are covered by no signed checkpoint")
    assert conclusions(store.verify(origin=KEY.name)) == ["holds", "holds", "not asked", "not asked"]
    store.checkpoint(KEY)
    assert store.verify(keys=KEY).holds


def test_as_of_what_is_sealed(store: Store) -> None:
    """Who gives a checkpoint asks of a store that others write to: what they append since is no failure."""
    append(store, 2)
    known = store.checkpoint(KEY)
    append(store, 1)
    store.checkpoint(KEY)
    append(store, 1)
    verdict = store.verify(keys=KEY, checkpoint=known)
    assert conclusions(verdict) == ["holds"] * 4
    assert (verdict.holds, verdict.reasons, ranges(verdict)) == (True, (), [4, 3, 3, 0])
    assert verdict.notes[0].startswith("position 4 is covered by no signed checkpoint")


def test_witnesses_that_have_not_cosigned(store: Store) -> None:
    append(store, 2)
    store.checkpoint(KEY)
    verdict = store.verify(keys=KEY, witnesses=WITNESS)
    assert conclusions(verdict) == ["holds", "holds", "fails", "not asked"]
    assert verdict.reasons == ("not enough of the given witnesses have cosigned a checkpoint",)
    cosign(store, WITNESS)
    assert store.verify(keys=KEY, witnesses=WITNESS).holds
    assert not store.verify(keys=KEY, witnesses=[WITNESS, SECOND]).holds
    append(store, 1)
    store.checkpoint(KEY)
    verdict = store.verify(keys=KEY, witnesses=WITNESS)
    assert (ranges(verdict), verdict.authenticity) == ([3, 3, 3, 2], "fails")
    assert "up to position 2, and not up to 3" in verdict.reasons[0]
    assert verdict.cosigners == ((WITNESS.name, 1_700_000_000),)


def test_k_of_n(store: Store) -> None:
    """A policy in the text format of C2SP; the log's key may be in it."""
    append(store, 2)
    store.checkpoint(KEY)
    cosign(store, WITNESS)
    text = (
        f"log {KEY.verifier}\nwitness a {WITNESS.witness_verifier}\nwitness b {SECOND.witness_verifier}\n"
        "group any-of-two 1 a b\nquorum any-of-two\n"
    )
    for policy in (text, Policy.parse(text)):
        verdict = store.verify(witnesses=policy)
        assert (verdict.holds, verdict.witnessed) == (True, 2)
    both = text.replace("any-of-two 1", "any-of-two 2")
    assert store.verify(witnesses=both).authenticity == "fails"
    cosign(store, SECOND)
    assert store.verify(witnesses=both).cosigners == ((WITNESS.name, 1_700_000_000), (SECOND.name, 1_700_000_000))


def test_freshness_against_the_checkpoint_that_is_known(store: Store) -> None:
    append(store, 300)
    known = store.checkpoint(KEY)
    append(store, 1)
    for given in (known, str(known)):
        assert conclusions(store.verify(checkpoint=given)) == ["holds", "holds", "not asked", "holds"]
    with agent_store.open(":memory:") as older:
        older.append_many([(each.stream, each.writer, each.payload) for each in list(store.entries())[:299]])
        older.checkpoint(KEY)
        verdict = older.verify(keys=KEY, checkpoint=known)
        assert conclusions(verdict) == ["holds", "fails", "holds", "fails"]
        assert "covers 300 entries and the store has 299" in verdict.reasons[0]
        assert not verdict.breaks  # Nothing in it shows that it is old.
        older.append_many([("s", "w", b"another")])
        other = older.checkpoint(KEY)
        for keys in (KEY, None):
            verdict = older.verify(keys=keys, checkpoint=known)
            assert (verdict.freshness, verdict.completeness) == ("fails", "fails")
            assert [each.kind for each in verdict.breaks] == ["fork"]
            assert not verdict.holds
        assert (other.size, other.root != known.root) == (300, True)
        assert older.verify(keys=KEY, checkpoint=known).authenticity == "fails"


def test_a_known_checkpoint_that_the_store_has_not(store: Store) -> None:
    """It was sealed in a copy, say, or the store has lost it: what matters is whether the entries are those."""
    append(store, 5)
    with agent_store.open(":memory:") as copy:
        copy.append_many([(each.stream, each.writer, each.payload) for each in store.entries()])
        known = copy.checkpoint(KEY)
    assert store.verify(checkpoint=known).freshness == "holds"
    append(store, 5)
    assert conclusions(store.verify(checkpoint=known)) == ["holds", "holds", "not asked", "holds"]
    assert conclusions(store.verify(keys=KEY, checkpoint=known)) == ["holds", "fails", "fails", "holds"]
    with agent_store.open(":memory:") as copy:
        copy.append_many([(each.stream, each.writer, each.payload) for each in store.entries()])
        known = copy.checkpoint(KEY)
    append(store, 1)
    with agent_store.open(":memory:") as copy:
        copy.append_many([(each.stream, each.writer, each.payload) for each in list(store.entries())[:3]])
        shorter = copy.checkpoint(KEY)
    verdict = store.verify(keys=KEY, checkpoint=known)
    assert (verdict.completeness, verdict.freshness, shorter.size) == ("fails", "holds", 3)


def test_a_known_checkpoint_that_is_not_to_be_trusted(store: Store) -> None:
    append(store, 2)
    store.checkpoint(KEY)
    with agent_store.open(":memory:") as other:
        forged = other.checkpoint(OTHER)
    verdict = store.verify(keys=KEY, checkpoint=forged)
    assert conclusions(verdict) == ["holds", "holds", "fails", "fails"]
    assert "not to be trusted" in verdict.reasons[0]


def test_freshness_by_the_times_of_witnesses(store: Store) -> None:
    append(store, 2)
    known = store.checkpoint(KEY)
    asked: dict[str, Any] = {"keys": KEY, "witnesses": WITNESS}
    assert store.verify(**asked, max_age=60).freshness == "fails"
    cosign(store, WITNESS, time=int(time.time()) - 3_600)
    assert conclusions(store.verify(**asked, max_age=7_200)) == ["holds"] * 4
    verdict = store.verify(**asked, checkpoint=known, max_age=60)
    assert conclusions(verdict) == ["holds", "holds", "holds", "fails"]
    assert verdict.reasons == ("not enough of the given witnesses have seen the store in the last 60 seconds",)
    assert store.verify(**asked).freshness == "not asked"
    store.checkpoint(KEY)  # The same one, and its new cosignature is the heartbeat.
    cosign(store, WITNESS, time=int(time.time()))
    assert store.verify(**asked, checkpoint=known, max_age=60).holds
    cosign(store, WITNESS, time=int(time.time()) + 90_000)  # A clock that is wrong.
    assert store.verify(**asked, max_age=60).freshness == "fails"


def test_within_a_transaction(store: Store) -> None:
    append(store, 2)
    store.checkpoint(KEY)
    with store.transaction():
        append(store, 1)
        verdict = store.verify(keys=KEY)
        assert ranges(verdict) == [3, 2, 2, 0]
    assert ranges(store.verify(keys=KEY)) == [3, 2, 2, 0]


@pytest.mark.differs("one command at a time")
def test_what_comes_meanwhile_is_no_damage(store: Store) -> None:
    """As of the position at which it began, whatever is appended, sealed and rotated since."""
    append(store, 300)
    store.checkpoint(KEY)
    came: list[int] = []

    def meanwhile(done: int, total: int) -> None:
        if not came:
            came.append(done)
            append(store, 300)
            store.rotate(KEY, OTHER)
            store.checkpoint(OTHER)
            append(store, 1)

    verdict = store.verify(keys=KEY, progress=meanwhile)
    assert (came != [], verdict.holds, verdict.signed) == (True, True, 300), verdict
    assert store.verify(keys=KEY).signed == 600


def test_what_cannot_be_asked(store: Store) -> None:
    append(store, 1)
    checkpoint = store.checkpoint(KEY)
    refused: list[tuple[type[Exception], str, dict[str, Any]]] = [
        (ValueError, "no key", {"keys": []}),
        (ValueError, "several|names", {"keys": [KEY, STRANGER]}),
        (TypeError, "verifier keys", {"keys": 1}),
        (MalformedEvidence, "verifier key", {"keys": "key"}),
        (ValueError, "for cosignatures|0x04|signatures", {"keys": WITNESS.witness_verifier}),
        (ValueError, "give keys=", {"witnesses": WITNESS}),
        (ValueError, "give witnesses=", {"keys": KEY, "max_age": 1}),
        (ValueError, "0 or more", {"keys": KEY, "witnesses": WITNESS, "max_age": -1}),
        (ValueError, "another.example", {"keys": STRANGER, "checkpoint": checkpoint}),
        (MalformedEvidence, "checkpoint", {"checkpoint": "nothing"}),
        (TypeError, "str", {"checkpoint": 1}),
        (TypeError, "str", {"keys": KEY, "origin": 1}),
    ]
    for error, words, asked in refused:
        wanted = (error, MalformedEvidence)
        with pytest.raises(wanted, match=words):
            store.verify(**asked)
    assert store.verify(keys=[KEY, OTHER]).holds
    assert store.verify(keys=[KEY, STRANGER], origin=KEY.name).holds
