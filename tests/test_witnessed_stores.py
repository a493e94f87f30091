"""Stores that are sealed, and a witness that keeps each to one history: from the append to the receipt."""

import shutil
from pathlib import Path

import pytest

import agent_store
from agent_store import Checkpoint, Policy, Store, errors, verify_receipt
from agent_store.evidence.witness import Witness
from notes import LOG, OTHER, WITNESS
from stores import Place


def seal(store: Store, witness: Witness) -> Checkpoint:
    """As whoever runs a store does: seal, prove it to the witness from where that stands, keep what it answers."""
    checkpoint = store.checkpoint(LOG)
    seen = witness.seen(LOG.name)
    line = witness.cosign(checkpoint, store.consistency(seen.size if seen else 0))
    return store.add_cosignature(line, WITNESS.witness_verifier)


def test_each_checkpoint_is_cosigned_and_so_are_the_receipts(store: Store, tmp_path: Path) -> None:
    with agent_store.open(tmp_path / "witness.db") as others:
        witness = others.witness(WITNESS, LOG)
        log = store.log("s", "w")
        sealed = []
        for count in (1, 1, 300, 0, 7):
            log.append_many([b"x"] * count)
            sealed.append(seal(store, witness))
            assert sealed[-1].size == store.position()
            assert list(Policy.of(WITNESS).check(sealed[-1])) == list(Policy.of(WITNESS).witnesses.values())
        for seq in (1, 2, 150, 309):
            entry = log.entry(seq)
            assert entry is not None
            assert verify_receipt(store.receipt(entry), entry, LOG, policy=WITNESS) == sealed[-1]
        assert witness.forks() == []


def test_a_store_is_a_witness_for_others_and_has_one_itself(place: Place, tmp_path: Path) -> None:
    """Its own checkpoints, those that it cosigned, and their cosignatures do not get in each other's way."""
    with place.open() as store, agent_store.open(tmp_path / "other.db") as other:
        store.log("s", "w").append_many([b"x"] * 5)
        other.log("s", "w").append_many([b"y"] * 3)
        here, there = store.witness(WITNESS, OTHER), other.witness(WITNESS, LOG)
        seal(store, there)
        theirs = other.checkpoint(OTHER)
        here.cosign(theirs, other.consistency(0))
        assert here.seen(OTHER.name) == theirs
        assert here.seen(LOG.name) is None
        assert [checkpoint.origin for checkpoint in store.checkpoints()] == [LOG.name]
        assert store.verify(keys=LOG, witnesses=WITNESS).holds


def test_the_second_of_two_copies_that_seal_on_is_refused(tmp_path: Path, place: Place) -> None:
    one, two = tmp_path / "one.db", tmp_path / "two.db"
    with place.open() as others:
        witness = others.witness(WITNESS, LOG)
        with agent_store.open(one) as store:
            store.log("s", "w").append_many([b"x"] * 10)
            common = seal(store, witness)
        shutil.copy(one, two)
        with agent_store.open(one) as store:
            store.log("s", "w").append(b"one")
            seal(store, witness)
        with agent_store.open(two) as store:
            store.log("s", "w").append(b"two")
            with pytest.raises(errors.ForkFound) as raised:
                seal(store, witness)
            mine = store.checkpoint(LOG)
            assert raised.value.theirs == mine
            store.log("s", "w").append(b"more")
            with pytest.raises(errors.EvidenceRefused, match="does not lead"):
                seal(store, witness)
        assert [(fork.origin, fork.size, fork.theirs) for fork in witness.forks()] == [(LOG.name, 11, mine)]
        assert common.size == 10


def test_an_older_copy_put_back_is_behind_its_witness(tmp_path: Path, place: Place) -> None:
    path, old = tmp_path / "mine.db", tmp_path / "old.db"
    with place.open() as others:
        witness = others.witness(WITNESS, LOG)
        with agent_store.open(path) as store:
            store.log("s", "w").append_many([b"x"] * 10)
            seal(store, witness)
        shutil.copy(path, old)
        with agent_store.open(path) as store:
            store.log("s", "w").append(b"what somebody would like to be gone")
            seal(store, witness)
        shutil.copy(old, path)
        with agent_store.open(path) as store:
            with pytest.raises(errors.WitnessBehind) as raised:
                witness.cosign(store.checkpoint(LOG), store.consistency(10))
            assert (raised.value.size, raised.value.given) == (11, 10)
            seen = witness.seen(LOG.name)
            with pytest.raises(errors.StoreReplaced):
                store.consistency(str(seen))
        with pytest.raises(errors.StoreReplaced):
            agent_store.open(path, at_least=seen)
