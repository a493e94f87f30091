"""A store as a witness for others: it cosigns one history of each, and keeps what shows a second one."""

import time
from typing import Any

import pytest

from agent_store import Checkpoint, Policy, SigningKey, Store, errors
from agent_store.evidence import cosignature, note
from agent_store.evidence.checkpoint import text_of
from agent_store.evidence.witness import Logs, Witness
from cosigning import FORGED, HONEST, consistency, cosign
from notes import LOG, OTHER, WITNESS, Sealed, entries, mutations, resigned


@pytest.fixture
def witness(store: Store) -> Witness:
    return store.witness(WITNESS, LOG)


def times(line: str, size: int) -> list[int]:
    """What somebody who knows the witness's key makes of its answer."""
    cosigned = cosignature.add(HONEST.checkpoint(size), cosignature.parse(line))
    return list(Policy.of(WITNESS.witness_verifier).check(cosigned).values())


def test_it_cosigns_what_extends_what_it_knows(witness: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    assert witness.seen(LOG.name) is None
    old = 0
    for now, size in enumerate((1, 2, 2, 7, 8, 33, 33, 40), 1_800_000_000):
        monkeypatch.setattr(time, "time", lambda now=now: now + 0.9)
        line = cosign(witness, old, size)
        assert line.endswith("\n")
        assert times(line, size) == [now]
        seen = witness.seen(LOG.name)
        assert type(seen) is Checkpoint
        assert seen == HONEST.checkpoint(size)
        old = size
    assert witness.forks() == []


def test_hashes_alone_are_from_what_it_knows(witness: Witness) -> None:
    for old, size in ((0, 5), (5, 5), (5, 21)):
        times(witness.cosign(str(HONEST.checkpoint(size)), HONEST.tree.consistency(old, size)), size)
    times(witness.cosign(HONEST.checkpoint(21)), 21)
    with pytest.raises(errors.EvidenceRefused, match="it does not lead from size 21"):
        witness.cosign(HONEST.checkpoint(30))


def test_an_empty_store_is_the_beginning_of_all(witness: Witness) -> None:
    cosign(witness, 0, 0)
    cosign(witness, 0, 0)
    cosign(witness, 0, 3)
    forged = resigned(text_of(LOG.name, 0, bytes(32)), LOG)
    with pytest.raises(errors.EvidenceRefused, match="of no entries there is one root"):
        witness.cosign(forged)


def test_it_is_behind_or_ahead_and_says_where_it_is(witness: Witness) -> None:
    with pytest.raises(errors.WitnessBehind) as raised:
        cosign(witness, 3, 5)
    assert (raised.value.origin, raised.value.size, raised.value.given) == (LOG.name, 0, 3)
    assert witness.seen(LOG.name) is None
    cosign(witness, 0, 10)
    for old, size in ((0, 20), (9, 20), (11, 20), (0, 10), (5, 5)):
        with pytest.raises(errors.WitnessBehind) as raised:
            cosign(witness, old, size)
        assert (raised.value.size, raised.value.given) == (10, old)
    cosign(witness, raised.value.size, 20)


def test_an_old_checkpoint_is_not_cosigned_again(witness: Witness) -> None:
    cosign(witness, 0, 10)
    cosign(witness, 10, 20)
    for given in ((), consistency(HONEST, 10, 10), consistency(HONEST, 0, 10)):
        with pytest.raises(errors.WitnessBehind) as raised:
            witness.cosign(HONEST.checkpoint(10), given)
        assert raised.value.size == 20
    text = consistency(HONEST, 20, 20).replace(HONEST.checkpoint(20), HONEST.checkpoint(10))
    with pytest.raises(errors.WitnessBehind):
        witness.cosign(HONEST.checkpoint(10), text)
    assert witness.seen(LOG.name) == HONEST.checkpoint(20)


def nothing_kept(witness: Witness) -> None:
    assert (witness.seen(LOG.name), witness.seen(OTHER.name), witness.forks()) == (None, None, [])


def test_an_unknown_origin_is_refused_and_leaves_nothing(witness: Witness) -> None:
    with pytest.raises(errors.EvidenceRefused, match=f"no log of the policy has the origin '{OTHER.name}'"):
        witness.cosign(Sealed(entries(3), OTHER).checkpoint())
    nothing_kept(witness)


def test_an_unsigned_or_wrongly_signed_checkpoint_leaves_nothing(witness: Witness) -> None:
    made = HONEST.checkpoint(3)
    stranger = SigningKey.generate(LOG.name)
    for forged in (
        resigned(made.note.text, stranger),
        resigned(made.note.text, OTHER),
        Checkpoint(str(note.Note(made.note.text, HONEST.checkpoint(4).note.signatures))),
        cosignature.add(resigned(made.note.text, stranger), [cosignature.cosign(made, LOG, 5)]),
    ):
        with pytest.raises(errors.EvidenceRefused):
            witness.cosign(forged)
        nothing_kept(witness)


def test_a_key_cosigns_for_its_own_origin(store: Store) -> None:
    """Of two logs that the witness knows, one signs in the other's name."""
    witness = store.witness(WITNESS, [LOG, OTHER])
    with pytest.raises(errors.EvidenceRefused, match="no key"):
        witness.cosign(resigned(HONEST.checkpoint(3).note.text, OTHER))
    nothing_kept(witness)
    witness.cosign(HONEST.checkpoint(3))
    witness.cosign(Sealed(entries(2), OTHER).checkpoint())
    assert [witness.seen(key.name).size for key in (LOG, OTHER)] == [3, 2]  # type: ignore[union-attr]


def test_each_change_of_a_proof_is_refused(witness: Witness) -> None:
    cosign(witness, 0, 13)
    text = consistency(HONEST, 13, 22)
    head = text.partition("\n\n")[0]
    for changed in mutations(head)[::7]:
        with pytest.raises((errors.EvidenceRefused, errors.MalformedEvidence, errors.WitnessBehind)):
            witness.cosign(HONEST.checkpoint(22), changed + text[len(head) :])
    assert witness.seen(LOG.name) == HONEST.checkpoint(13)
    hashes = HONEST.tree.consistency(13, 22)
    for wrong in (
        hashes[:-1],
        hashes[1:],
        [*hashes, bytes(32)],
        hashes[::-1],
        [bytes(32)] * 63,
        HONEST.tree.consistency(12, 22),
    ):
        with pytest.raises(errors.EvidenceRefused):
            witness.cosign(HONEST.checkpoint(22), wrong)
    cosign(witness, 13, 22)


def test_a_first_checkpoint_comes_without_hashes(witness: Witness) -> None:
    with pytest.raises(errors.EvidenceRefused, match="it does not lead from size 0"):
        witness.cosign(HONEST.checkpoint(22), [bytes(32)])
    nothing_kept(witness)


def test_the_proof_is_of_this_checkpoint(witness: Witness) -> None:
    with pytest.raises(errors.EvidenceRefused, match="it leads to another checkpoint"):
        witness.cosign(HONEST.checkpoint(22), consistency(HONEST, 0, 21))


@pytest.mark.parametrize("old", [0, 10, 40])
def test_equal_size_and_another_root_is_kept_as_a_fork(witness: Witness, old: int) -> None:
    """Whatever the proof says: what was signed is what counts."""
    cosign(witness, 0, 10)
    given = consistency(FORGED, min(old, 10), 10).replace(f"old {min(old, 10)}", f"old {old}")
    for _ in range(2):
        with pytest.raises(errors.ForkFound) as raised:
            witness.cosign(FORGED.checkpoint(10), given)
        found = raised.value
        assert (found.origin, found.size, found.ours, found.theirs) == (
            LOG.name,
            10,
            HONEST.checkpoint(10),
            FORGED.checkpoint(10),
        )
    ((origin, size, ours, theirs),) = witness.forks()
    assert (origin, size, ours, theirs) == (LOG.name, 10, HONEST.checkpoint(10), FORGED.checkpoint(10))
    assert witness.forks(LOG.name) == witness.forks()
    assert witness.forks(OTHER.name) == []
    assert witness.seen(LOG.name) == HONEST.checkpoint(10)
    cosign(witness, 10, 20)


def test_a_fork_at_a_size_before_the_last_is_one_too(witness: Witness) -> None:
    cosign(witness, 0, 10)
    cosign(witness, 10, 20)
    with pytest.raises(errors.ForkFound):
        cosign(witness, 0, 10, FORGED)
    assert [fork.size for fork in witness.forks()] == [10]


def test_what_is_signed_by_nobody_who_is_known_is_no_evidence(witness: Witness) -> None:
    cosign(witness, 0, 10)
    forged = resigned(FORGED.checkpoint(10).note.text, SigningKey.generate(LOG.name))
    with pytest.raises(errors.EvidenceRefused):
        witness.cosign(forged)
    assert witness.forks() == []


def test_another_history_at_another_size_is_refused_and_no_evidence(witness: Witness) -> None:
    """Two sizes with no proof between them: the proof may be what is wrong."""
    cosign(witness, 0, 10)
    with pytest.raises(errors.EvidenceRefused, match="does not lead"):
        cosign(witness, 10, 20, FORGED)
    assert witness.forks() == []
    assert witness.seen(LOG.name) == HONEST.checkpoint(10)


def test_of_many_forks_the_first_of_each_size_is_kept(witness: Witness) -> None:
    cosign(witness, 0, 10)
    cosign(witness, 10, 20)
    for payload in (b"one", b"two", b"three"):
        for size in (10, 20):
            with pytest.raises(errors.ForkFound):
                witness.cosign(Sealed(entries(size, payload)).checkpoint())
    assert [(fork.size, fork.theirs) for fork in witness.forks()] == [
        (size, Sealed(entries(size, b"one")).checkpoint()) for size in (10, 20)
    ]


def test_who_is_known_comes_from_the_caller(store: Store) -> None:
    known = f"log {LOG.verifier}\nwitness w {WITNESS.witness_verifier}\nquorum w\n"
    given: list[Logs] = [LOG, LOG.verifier, [LOG.verifier, OTHER], known, Policy.parse(known)]
    for policy in given:
        times(store.witness(WITNESS, policy).cosign(HONEST.checkpoint(3)), 3)
        times(store.witness(WITNESS).cosign(HONEST.checkpoint(3), policy=policy), 3)
        times(store.witness(WITNESS, OTHER).cosign(HONEST.checkpoint(3), (), policy), 3)
    with pytest.raises(ValueError, match="give policy="):
        store.witness(WITNESS).cosign(HONEST.checkpoint(3))
    with pytest.raises(ValueError, match="names no log"):
        store.witness(WITNESS, "quorum none\n")
    with pytest.raises(errors.MalformedEvidence, match="and not for signatures"):
        store.witness(WITNESS, WITNESS.witness_verifier)


def test_a_log_that_changed_its_key(store: Store) -> None:
    new = SigningKey.generate(LOG.name)
    witness = store.witness(WITNESS, [LOG, new])
    witness.cosign(HONEST.checkpoint(5))
    later = Sealed(HONEST.entries, new)
    witness.cosign(later.checkpoint(9), HONEST.tree.consistency(5, 9))
    witness.cosign(HONEST.checkpoint(9))
    assert witness.seen(LOG.name) == later.checkpoint(9)


def test_cosignatures_of_others_come_along_and_say_nothing(witness: Witness) -> None:
    cosigned = Sealed(HONEST.entries, witnesses=[OTHER]).checkpoint(4)
    assert len(cosigned.signers) == 2
    times(witness.cosign(cosigned), 4)


def test_wrong_arguments(witness: Witness, store: Store) -> None:
    wrong: Any
    for wrong in (None, 5, b"note"):
        with pytest.raises(TypeError):
            witness.cosign(wrong)
    for wrong in (None, 5, ["text"], [5]):
        with pytest.raises(TypeError):
            witness.cosign(HONEST.checkpoint(3), wrong)
    for wrong in ("", "text", "old 3", [bytes(31)], [bytes(32)] * 64):
        with pytest.raises(errors.MalformedEvidence):
            witness.cosign(HONEST.checkpoint(3), wrong)
    for text in ("", "text", HONEST.checkpoint(3).note.text):
        with pytest.raises(errors.MalformedEvidence):
            witness.cosign(text)
    with pytest.raises(TypeError):
        store.witness(None)  # type: ignore[arg-type]
    nothing_kept(witness)


def test_its_key_is_shown_without_its_secret(witness: Witness) -> None:
    assert (witness.name, witness.verifier) == (WITNESS.name, WITNESS.witness_verifier)
    assert repr(witness) == f"Witness('{WITNESS.witness_verifier}')"


def test_its_own_entries_have_no_part_in_it(store: Store, witness: Witness) -> None:
    store.log("s", "w").append(b"x")
    cosign(witness, 0, 10)
    store.log("s", "w").append(b"y")
    assert (store.position(), list(store.checkpoints())) == (2, [])
    assert store.verify().holds
