"""What a sealed store hands out: receipts, consistency proofs, checkpoints with cosignatures."""

import pytest

import agent_store
from agent_store import Entry, SigningKey, Store, verify_receipt
from agent_store.errors import ChainBroken, EvidenceRefused, MalformedEvidence, NotSealed, StoreReplaced
from agent_store.evidence import cosignature, proof
from sealing import KEY, STRANGER, VECTORS, WITNESS, append, known
from stores import Place


def test_the_known_answers(store: Store) -> None:
    known(store)
    store.checkpoint(KEY)
    witnessed = store.add_cosignature(VECTORS["checkpoint"].splitlines()[-1], WITNESS)
    assert witnessed == VECTORS["checkpoint"]
    assert list(store.checkpoints()) == [VECTORS["checkpoint"]]
    entry = list(store.entries())[2]
    assert store.receipt(entry) == VECTORS["receipt_index_2"]
    assert [each.hex() for each in proof.parse(store.consistency(2)).hashes] == VECTORS["consistency_2_to_4"]


def test_every_entry_has_a_receipt(store: Store) -> None:
    append(store, 259)
    entries = list(store.entries())
    store.checkpoint(KEY)
    append(store, 1)
    for entry in entries[::17] + entries[-4:]:
        checkpoint = verify_receipt(store.receipt(entry), entry, KEY)
        assert checkpoint.size == 259
    store.checkpoint(KEY)
    assert verify_receipt(store.receipt(entries[0]), entries[0], KEY.verifier).size == 260


def test_of_what_is_not_sealed(store: Store) -> None:
    append(store, 1)
    (entry,) = store.entries()
    with pytest.raises(NotSealed) as none:
        store.receipt(entry)
    assert (none.value.position, none.value.size) == (1, 0)
    store.checkpoint(KEY)
    append(store, 1)
    with pytest.raises(NotSealed) as later:
        store.receipt(next(store.entries(after=1)))
    assert (later.value.position, later.value.size) == (2, 1)


def test_of_an_entry_that_is_not_of_this_store(store: Store) -> None:
    append(store, 3)
    store.checkpoint(KEY)
    first = next(store.entries())
    facts = {name: getattr(first, name) for name in Entry.__match_args__}
    with pytest.raises(EvidenceRefused, match="not what was sealed at position 1"):
        store.receipt(Entry(**facts | {"stream": "other"}))
    with pytest.raises(EvidenceRefused, match="not what was sealed at position 2"):
        store.receipt(Entry(**facts | {"position": 2}))
    with pytest.raises(TypeError, match="of an Entry"):
        store.receipt(1)  # type: ignore[arg-type]


@pytest.mark.differs("no second opening")
def test_tiles_that_are_not_those_of_the_checkpoint(place: Place) -> None:
    with place.open() as store:
        append(store, 3)
        store.checkpoint(KEY)
        entries = list(store.entries())
    place.damage(
        place.sql(
            "UPDATE _agent_store_tiles SET hashes = (SELECT content_hash FROM _agent_store_entries WHERE position = 1)"
        )
    )
    with place.open() as store:
        with pytest.raises(EvidenceRefused):
            store.receipt(entries[0])
        with pytest.raises(ChainBroken, match="has 32 bytes and must have 96"):
            store.receipt(entries[2])
    place.damage(place.sql("DELETE FROM _agent_store_tiles"))
    with place.open() as store, pytest.raises(ChainBroken, match="is missing"):
        store.receipt(entries[0])


@pytest.mark.differs("no second opening")
def test_a_tile_that_leads_elsewhere(place: Place) -> None:
    with place.open() as store:
        append(store, 257)
        store.checkpoint(KEY)
        last = next(store.entries(reverse=True))
    place.damage(
        place.sql(
            "UPDATE _agent_store_tiles SET hashes = (SELECT content_hash FROM _agent_store_entries WHERE position = 1) "
            "WHERE level = 1"
        )
    )
    with place.open() as store, pytest.raises(ChainBroken, match="do not lead from this entry"):
        store.receipt(last)


def test_consistency(store: Store) -> None:
    sizes = [0, 1, 2, 5, 256, 300]
    made = []
    for before, size in zip([0, *sizes], sizes, strict=False):
        append(store, size - before)
        made.append(store.checkpoint(KEY))
    for number, old in enumerate(made):
        for new in made[number:]:
            text = store.consistency(old, new)
            assert text == store.consistency(old.size, new.size) == store.consistency(str(old), str(new))
            parsed = proof.parse(text)
            assert (parsed.old, parsed.checkpoint) == (old.size, new)
            assert agent_store._core.check_consistency(old.size, new.size, old.root, new.root, list(parsed.hashes))
        assert store.consistency(old) == store.consistency(old, 300)


def test_what_has_no_consistency_proof(store: Store) -> None:
    with pytest.raises(NotSealed):
        store.consistency(0)
    append(store, 3)
    store.checkpoint(KEY)
    with pytest.raises(StoreReplaced, match="older state"):
        store.consistency(4)
    with pytest.raises(EvidenceRefused, match="no such checkpoint of size 2"):
        store.consistency(0, 2)
    with pytest.raises(ValueError, match="from 0"):
        store.consistency(-1)
    with pytest.raises(TypeError, match="given as text"):
        store.consistency(None)  # type: ignore[arg-type]
    with pytest.raises(MalformedEvidence):
        store.consistency("3")
    with agent_store.open(":memory:") as other:
        append(other, 2)
        with pytest.raises(EvidenceRefused, match="another root"):
            store.consistency(other.checkpoint(KEY))
    with agent_store.open(":memory:") as other, pytest.raises(EvidenceRefused, match=STRANGER.name):
        store.consistency(other.checkpoint(STRANGER))


def line_of(store: Store, time: int) -> str:
    last = next(store.checkpoints(reverse=True))
    return cosignature.cosign(last, WITNESS, time).line


def times_of(store: Store) -> list[list[int]]:
    """Of each checkpoint, when it was cosigned."""
    found = ([cosignature.times(each, [WITNESS_KEY]) for each in store.checkpoints()],)
    return [list(times.values()) for times in found[0]]


WITNESS_KEY = agent_store.evidence.keys.as_key(WITNESS.witness_verifier, agent_store.evidence.keys.COSIGNS)


def test_cosignatures_are_kept_and_renewed(store: Store) -> None:
    append(store, 1)
    store.checkpoint(KEY)
    late = line_of(store, 50)
    append(store, 1)
    second = store.checkpoint(KEY)
    store.add_cosignature(line_of(store, 100).rstrip("\n"), WITNESS.witness_verifier)
    assert times_of(store) == [[], [100]]
    assert store.add_cosignature(late, WITNESS).size == 1
    store.add_cosignature(line_of(store, 101), WITNESS)
    assert times_of(store) == [[50], [101]]
    assert store.add_cosignature(line_of(store, 99), WITNESS).signers == (KEY.name, WITNESS.name)  # One sent again.
    assert times_of(store) == [[50], [101]]
    assert store.checkpoint(KEY) == second
    assert verify_receipt(
        store.receipt(next(store.entries())), next(store.entries()), KEY, policy=WITNESS.witness_verifier
    )


def test_more_cosignatures_than_a_note_may_have(store: Store) -> None:
    append(store, 1)
    last = store.checkpoint(KEY)
    witnesses = [SigningKey.from_seed(f"w{number}", bytes([number]) * 32) for number in range(100)]
    for witness in witnesses[:99]:
        store.add_cosignature(cosignature.cosign(last, witness, 1).line, witness)
    with pytest.raises(EvidenceRefused, match="100 are the most"):
        store.add_cosignature(cosignature.cosign(last, witnesses[99], 1).line, witnesses[99])
    store.add_cosignature(cosignature.cosign(last, witnesses[0], 2).line, witnesses[0])
    assert len(next(store.checkpoints()).signers) == 100
    assert verify_receipt(store.receipt(next(store.entries())), next(store.entries()), KEY)


def test_cosignatures_that_are_not_kept(store: Store) -> None:
    append(store, 1)
    with agent_store.open(":memory:") as other:
        append(other, 1)
        other.checkpoint(KEY)
        elsewhere = line_of(other, 1)
    with pytest.raises(EvidenceRefused, match="none of the last"):
        store.add_cosignature(elsewhere, WITNESS)
    store.checkpoint(KEY)
    with pytest.raises(EvidenceRefused, match="none of the last"):
        store.add_cosignature(elsewhere, WITNESS)
    with pytest.raises(EvidenceRefused, match="no witness whose key was given"):
        store.add_cosignature(line_of(store, 1), STRANGER)
    with pytest.raises(MalformedEvidence):
        store.add_cosignature("nothing", WITNESS)
    with pytest.raises(MalformedEvidence):
        store.add_cosignature(line_of(store, 1), WITNESS.verifier)
    assert times_of(store) == [[]]
