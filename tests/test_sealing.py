"""`store.checkpoint`: what it seals, what it refuses, and what is there afterwards."""

import re
from collections.abc import Callable

import pytest

from agent_store import Checkpoint, SigningKey, Store
from agent_store.errors import (
    ChainBroken,
    EvidenceRefused,
    MalformedEvidence,
    StoreReplaced,
    TransactionConflict,
)
from agent_store.evidence import tree
from agent_store.evidence.shelf import Shelf
from agent_store.evidence.text import HASH
from sealing import KEY, OTHER, STRANGER, VECTORS, append, known
from stores import Place


def shelf_of(store: Store) -> Shelf:
    return Shelf(store._binding)


def tiles_of(store: Store, upto: int) -> dict[tuple[int, int], bytes]:
    """All there are of a tree of this size."""
    shelf, found = shelf_of(store), {}
    for level in range(3):
        for number in range((upto >> (8 * (level + 1))) + 1):
            tile = shelf.tile(level, number)
            if tile is not None:
                found[level, number] = tile
    return found


def test_the_known_answer(store: Store) -> None:
    known(store)
    checkpoint = store.checkpoint(KEY)
    text, _, signatures = VECTORS["checkpoint"].partition("\n\n")
    assert checkpoint == f"{text}\n\n{signatures.splitlines(keepends=True)[0]}"
    assert (checkpoint.origin, checkpoint.size, checkpoint.root.hex()) == (KEY.name, 4, VECTORS["root"])
    assert checkpoint.signers == (KEY.name,)
    assert shelf_of(store).tile(0, 0) is not None


def test_an_empty_store_has_a_checkpoint(store: Store) -> None:
    checkpoint = store.checkpoint(KEY)
    assert (checkpoint.size, checkpoint.root.hex()[:8]) == (0, "e3b0c442")
    assert store.checkpoint(KEY) == checkpoint
    append(store, 1)
    assert store.checkpoint(KEY).size == 1


def test_with_nothing_new_the_same_text_comes_back(store: Store) -> None:
    append(store, 3)
    first = store.checkpoint(KEY)
    assert type(first) is Checkpoint
    assert store.checkpoint(KEY) == first
    append(store, 1)
    assert store.checkpoint(KEY) != first
    assert [each.size for each in store.checkpoints()] == [3, 4]
    assert [each.size for each in store.checkpoints(reverse=True)] == [4, 3]
    assert next(store.checkpoints()) == first


def test_step_by_step_it_is_the_same_tree(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """In whichever steps, and batches, it came about."""
    monkeypatch.setattr(tree, "BATCH", 300)
    rows = [("s", f"w{number % 5}", b"%d" % number) for number in range(1_300)]
    done = 0
    for size in (1, 2, 255, 256, 257, 512, 900, 1_300):
        store.append_many(rows[done:size])
        done = size
        assert store.checkpoint(KEY).size == size
    stepped = tiles_of(store, 1_300)
    assert {place: len(tile) // HASH for place, tile in stepped.items()} == {
        **{(0, number): 256 for number in range(5)},
        (0, 5): 1_300 - 5 * 256,
        (1, 0): 5,
    }
    import agent_store

    with agent_store.open(":memory:") as whole:
        whole.append_many(rows)
        assert whole.checkpoint(KEY).root == next(store.checkpoints(reverse=True)).root
        assert tiles_of(whole, 1_300) == stepped
    assert store.verify(keys=KEY).holds


def test_progress_counts_what_is_new(store: Store) -> None:
    append(store, 5)
    store.checkpoint(KEY)
    append(store, 7)
    told: list[tuple[int, int]] = []
    store.checkpoint(KEY, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (7, 7)
    assert told == sorted(told)


def test_what_progress_raises_ends_it(store: Store) -> None:
    append(store, 5)

    def stop(done: int, total: int) -> None:
        raise LookupError(done, total)

    with pytest.raises(LookupError):
        store.checkpoint(KEY, progress=stop)
    assert list(store.checkpoints()) == []
    assert store.checkpoint(KEY).size == 5


def test_one_store_has_one_origin(store: Store) -> None:
    append(store, 1)
    store.checkpoint(KEY)
    append(store, 1)
    with pytest.raises(EvidenceRefused, match="one store, one origin"):
        store.checkpoint(STRANGER)
    assert [each.size for each in store.checkpoints()] == [1]


@pytest.mark.parametrize("new", [0, 1])
def test_another_key_of_the_same_name_is_refused(store: Store, new: int) -> None:
    append(store, 1)
    store.checkpoint(KEY)
    append(store, new) if new else None
    with pytest.raises(EvidenceRefused, match="not signed by it"):
        store.checkpoint(OTHER)
    assert [each.size for each in store.checkpoints()] == [1]


class Signs:
    """A signer of the caller's: hardware, a KMS."""

    def __init__(self, sign: Callable[[bytes], bytes] = KEY.sign, name: str = KEY.name) -> None:
        self.name, self.public_key, self._sign = name, KEY.public_key, sign

    def sign(self, message: bytes) -> bytes:
        return self._sign(message)


def test_a_signer_is_any_object_that_signs(store: Store) -> None:
    append(store, 2)
    assert store.checkpoint(Signs()) == store.checkpoint(KEY)


def test_a_signer_runs_outside_of_every_lock(store: Store) -> None:
    """It may take its time, and use the store: what it appends is sealed by the next checkpoint."""
    append(store, 2)

    def sign(message: bytes) -> bytes:
        append(store, 1)
        return KEY.sign(message)

    assert store.checkpoint(Signs(sign)).size == 2
    assert store.position() == 3
    assert store.checkpoint(KEY).size == 3
    assert store.verify(keys=KEY).holds


def test_a_signature_that_is_wrong_is_no_checkpoint(store: Store) -> None:
    append(store, 2)
    with pytest.raises(EvidenceRefused, match="not right under its own public key"):
        store.checkpoint(Signs(lambda message: bytes(64)))
    with pytest.raises(ZeroDivisionError):
        store.checkpoint(Signs(lambda message: bytes(1 // 0)))
    assert list(store.checkpoints()) == []


def test_another_checkpoint_came_in_between(store: Store) -> None:
    """The note that was signed is discarded, and made anew on what is the last one now."""
    append(store, 2)
    signed: list[bytes] = []

    def sign(message: bytes) -> bytes:
        if not signed:
            append(store, 300)
            assert store.checkpoint(KEY).size == 302
            append(store, 1)
        signed.append(message)
        return KEY.sign(message)

    assert store.checkpoint(Signs(sign)).size == 303
    assert [re.findall(rb"\n(\d+)\n", message) for message in signed] == [[b"2"], [b"303"]]
    assert [each.size for each in store.checkpoints()] == [302, 303]
    assert store.verify(keys=KEY).holds


def test_what_is_not_committed_is_not_sealed(store: Store) -> None:
    append(store, 1)
    with store.transaction():
        with pytest.raises(TransactionConflict, match="checkpoint"):
            store.checkpoint(KEY)
        append(store, 1)
    assert store.checkpoint(KEY).size == 2


@pytest.mark.differs("of a lent connection")
def test_within_a_transaction_of_the_connections_owner(place: Place) -> None:
    lent = place.open()
    append(lent, 1)
    connection = place.connections[-1]  # type: ignore[attr-defined]
    connection.execute("BEGIN")
    with pytest.raises(TransactionConflict, match="checkpoint"):
        lent.checkpoint(KEY)
    connection.execute("ROLLBACK")
    assert lent.checkpoint(KEY).size == 1


def test_after_what_the_caller_holds(store: Store) -> None:
    append(store, 3)
    first = store.checkpoint(KEY)
    append(store, 300)
    second = store.checkpoint(KEY, after=first)
    append(store, 1)
    assert store.checkpoint(KEY, after=str(second)).size == 304
    assert store.checkpoint(KEY, after=first).size == 304  # Nothing is new, and it is asked all the same.


def test_a_clone_that_was_sealed_on_is_noticed(store: Store) -> None:
    """Of two copies only one may seal on, and who holds its newest checkpoint sees which."""
    import agent_store

    append(store, 3)
    with agent_store.open(":memory:") as clone:
        clone.append_many([(each.stream, each.writer, each.payload) for each in store.entries()])
        assert clone.checkpoint(KEY) == store.checkpoint(KEY)
        append(clone, 1)
        larger = clone.checkpoint(KEY)
        for entries in (0, 1, 1):  # Shorter, as long and other, longer and other.
            append(store, entries) if entries else None
            with pytest.raises(StoreReplaced, match="nothing was sealed"):
                store.checkpoint(KEY, after=larger)
        assert [each.size for each in store.checkpoints()] == [3]
        with pytest.raises(EvidenceRefused, match="given as after"):
            store.checkpoint(KEY, after=clone_of(STRANGER))
        with pytest.raises(MalformedEvidence):
            store.checkpoint(KEY, after="no checkpoint")


def clone_of(key: SigningKey) -> Checkpoint:
    import agent_store

    with agent_store.open(":memory:") as store:
        return store.checkpoint(key)


DAMAGE = {
    "another hash": "UPDATE _agent_store_entries SET content_hash = (SELECT content_hash FROM _agent_store_entries "
    "WHERE position = 1) WHERE position = 5",
    "another payload": "UPDATE _agent_store_entries SET payload = (SELECT payload FROM _agent_store_entries "
    "WHERE position = 1) WHERE position = 5",
    "a missing entry": "DELETE FROM _agent_store_entries WHERE position = 5",
    "a missing log": "DELETE FROM _agent_store_logs WHERE id = 2",
    "a sealed entry and all after it": "DELETE FROM _agent_store_entries WHERE position > 2",
    "a missing tile": "DELETE FROM _agent_store_tiles",
    "a truncated tile": "UPDATE _agent_store_tiles SET hashes = (SELECT content_hash FROM _agent_store_entries "
    "WHERE position = 1)",
    "no checkpoint": "UPDATE _agent_store_notes SET note = 'none'",
    "a checkpoint kept as another": "UPDATE _agent_store_notes SET number = 2",
}


@pytest.mark.differs("no second opening")
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damage_is_never_sealed_over(place: Place, damage: str) -> None:
    with place.open() as store:
        append(store, 3)
        store.checkpoint(KEY)
        append(store, 6)
    place.damage(place.sql(damage))
    with place.open() as store:
        for _ in range(2):
            with pytest.raises(ChainBroken):
                store.checkpoint(KEY)
        assert len(list(shelf_of(store).of_kind("checkpoint"))) == 1


@pytest.mark.differs("no second opening")
def test_earlier_evidence_holds_and_the_store_goes_on(place: Place) -> None:
    with place.open() as store:
        append(store, 3)
        before = store.checkpoint(KEY)
        entry = next(store.entries())
        receipt = store.receipt(entry)
        append(store, 6)
    place.damage(place.sql(DAMAGE["another payload"]))
    with place.open() as store:
        with pytest.raises(ChainBroken) as found:
            store.checkpoint(KEY)
        assert (found.value.stream, found.value.seq) == ("s", 2)
        assert list(store.checkpoints()) == [before]
        assert store.receipt(entry) == receipt
        append(store, 1)


@pytest.mark.differs("no second opening")
def test_tiles_that_do_not_lead_to_the_last_root(place: Place) -> None:
    with place.open() as store:
        append(store, 1)
        store.checkpoint(KEY)
        append(store, 1)
    place.damage(
        place.sql(
            "UPDATE _agent_store_tiles SET hashes = (SELECT content_hash FROM _agent_store_entries WHERE position = 1)"
        )
    )
    with place.open() as store, pytest.raises(ChainBroken, match="do not lead to the root"):
        store.checkpoint(KEY)


def test_a_rotation_came_in_between(store: Store) -> None:
    """The key is no longer right for what it signed: nothing is sealed."""
    append(store, 1)
    store.checkpoint(KEY)
    append(store, 1)

    def sign(message: bytes) -> bytes:
        store.rotate(KEY, OTHER)
        return KEY.sign(message)

    with pytest.raises(EvidenceRefused, match="was replaced at size 1"):
        store.checkpoint(Signs(sign))
    assert [each.size for each in store.checkpoints()] == [1]
    assert store.checkpoint(OTHER).size == 2
