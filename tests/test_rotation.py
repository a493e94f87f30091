"""`store.rotate`: another key signs from now on, and a checkpoint verifies under the one that was right at its size."""

import pytest

import agent_store
from agent_store import SigningKey, Store
from agent_store.errors import EvidenceRefused, MalformedEvidence, TransactionConflict
from agent_store.evidence import note, rotation
from sealing import KEY, OTHER, STRANGER, append

THIRD = SigningKey.from_seed(KEY.name, bytes([3] * 32))


def rotated(store: Store) -> str:
    """KEY up to size 2, and OTHER from 3 on."""
    append(store, 2)
    store.checkpoint(KEY)
    text = store.rotate(KEY, OTHER)
    append(store, 1)
    store.checkpoint(OTHER)
    return text


def test_the_note(store: Store) -> None:
    text = rotated(store)
    assert text.startswith(
        f"agent-store/rotation/v1\n{KEY.name}\n2\n{KEY.verifier}\n{OTHER.verifier}\n\n\N{EM DASH} {KEY.name} "
    )
    parsed = rotation.parse(text)
    assert (parsed.origin, parsed.size, str(parsed.old), str(parsed.new)) == (
        KEY.name,
        2,
        KEY.verifier,
        OTHER.verifier,
    )


@pytest.mark.parametrize("keys", [KEY, OTHER, KEY.verifier, [KEY, OTHER]], ids=["old", "new", "verifier", "both"])
def test_whichever_key_is_known(store: Store, keys: SigningKey) -> None:
    """Each names the other, as both have signed the rotation."""
    rotated(store)
    verdict = store.verify(keys=keys)
    assert verdict.holds, verdict.reasons
    assert verdict.signed == 3


def test_a_chain_of_rotations(store: Store) -> None:
    rotated(store)
    store.rotate(OTHER, THIRD)
    append(store, 1)
    store.checkpoint(THIRD)
    for keys in (KEY, OTHER, THIRD):
        assert store.verify(keys=keys).holds, keys
    assert not store.verify(keys=SigningKey.from_seed(KEY.name, bytes([4] * 32))).holds


def test_only_the_new_key_seals_on(store: Store) -> None:
    rotated(store)
    last = next(store.checkpoints(reverse=True))
    for new in (0, 1):
        append(store, new) if new else None
        with pytest.raises(EvidenceRefused, match="was replaced at size 2"):
            store.checkpoint(KEY)
        with pytest.raises(EvidenceRefused, match="not the store's"):
            store.checkpoint(THIRD)
    assert next(store.checkpoints(reverse=True)) == last
    assert store.checkpoint(OTHER).size == 4


def test_a_checkpoint_of_the_key_that_was_replaced(store: Store) -> None:
    """By who kept it, or stole it: it is right for no size after the rotation."""
    rotated(store)
    append(store, 1)
    with agent_store.open(":memory:") as copy:
        copy.append_many([(each.stream, each.writer, each.payload) for each in store.entries()])
        forged = copy.checkpoint(KEY)
    shelf = agent_store.evidence.shelf.Shelf(store._binding)
    shelf.written("a test", lambda tx: shelf.add_note("checkpoint", KEY.name, forged.size, str(forged), tx))
    for keys in (KEY, OTHER):
        verdict = store.verify(keys=keys)
        assert (verdict.signed, verdict.authenticity) == (3, "fails")
    assert store.verify(keys=KEY, checkpoint=forged).freshness == "fails"


def test_with_nothing_new_the_last_stays_that_of_the_old_key(store: Store) -> None:
    append(store, 2)
    last = store.checkpoint(KEY)
    store.rotate(KEY, OTHER)
    assert store.checkpoint(OTHER) == last
    assert store.verify(keys=KEY).holds
    with pytest.raises(EvidenceRefused, match="was replaced"):
        store.checkpoint(KEY)


def test_what_is_no_rotation(store: Store) -> None:
    append(store, 1)
    with pytest.raises(EvidenceRefused, match="no checkpoint yet"):
        store.rotate(KEY, OTHER)
    store.checkpoint(KEY)
    with pytest.raises(EvidenceRefused, match="not signed by it"):
        store.rotate(OTHER, THIRD)
    with pytest.raises(ValueError, match="same name"):
        store.rotate(KEY, STRANGER)
    with pytest.raises(ValueError, match="another one"):
        store.rotate(KEY, KEY)
    with store.transaction(), pytest.raises(TransactionConflict):
        store.rotate(KEY, OTHER)
    store.rotate(KEY, OTHER)
    with pytest.raises(EvidenceRefused, match="seal a new entry"):
        store.rotate(OTHER, THIRD)
    with pytest.raises(EvidenceRefused, match="was replaced"):
        store.rotate(KEY, THIRD)
    assert store.verify(keys=KEY).holds


def test_another_rotated_in_between(store: Store) -> None:
    """Two keys cannot follow one."""
    append(store, 1)
    store.checkpoint(KEY)

    class Slow:
        name, public_key = KEY.name, KEY.public_key

        def sign(self, message: bytes) -> bytes:
            if not list(agent_store.evidence.shelf.Shelf(store._binding).of_kind("rotation")):
                store.rotate(KEY, OTHER)
            return KEY.sign(message)

    with pytest.raises(EvidenceRefused):
        store.rotate(Slow(), THIRD)
    assert store.verify(keys=KEY).holds


def test_a_text_that_is_none(store: Store) -> None:
    text = rotated(store)
    body, _, signatures = text.partition("\n\n")
    first, second = signatures.splitlines(keepends=True)
    for signature in (first, second):  # Both must have signed.
        with pytest.raises(EvidenceRefused):
            rotation.parse(f"{body}\n\n{signature}")
    with pytest.raises(EvidenceRefused):
        rotation.parse(text.replace("\n2\n", "\n1\n"))
    with pytest.raises(MalformedEvidence):
        rotation.parse(text.replace("rotation/v1", "rotation/v2"))
    same = rotation.Rotation(KEY.name, 2, parsed_key(KEY), parsed_key(KEY))
    with pytest.raises(MalformedEvidence):
        rotation.parse(note.sign(same.text, KEY))
    other = rotation.Rotation(KEY.name, 2, parsed_key(KEY), parsed_key(STRANGER))
    with pytest.raises(MalformedEvidence):
        rotation.parse(note.sign(other.text, KEY, STRANGER))


def parsed_key(key: SigningKey) -> agent_store.evidence.keys.VerifierKey:
    return agent_store.evidence.keys.as_key(key)
