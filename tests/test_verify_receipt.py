"""Receipts that somebody would like to say something else, before the package and before the example's one file."""

import base64
from typing import Any

import pytest

from agent_store import Entry, SigningKey, errors, verify_receipt
from agent_store.evidence import cosignature, receipt
from agent_store.evidence.checkpoint import Checkpoint, text_of
from notes import LOG, OTHER, WITNESS, Sealed, entries, facts, resigned, witnesses
from receipts import SEALED, holds, told


def test_every_entry_of_trees_of_every_shape() -> None:
    sealed = Sealed(entries(70))
    for size in [*range(1, 20), 31, 32, 33, 63, 64, 65, 70]:
        for index in range(size):
            text = sealed.receipt(index, size)
            assert holds(text, told(sealed.entries[index]))
            assert not holds(text, told(sealed.entries[(index + 1) % 70], position=index + 1))


def test_with_the_entry_itself() -> None:
    for index, entry in enumerate(SEALED.entries):
        checkpoint = verify_receipt(SEALED.receipt(index), entry, LOG, policy=WITNESS)
        assert checkpoint == SEALED.checkpoint()
        assert type(checkpoint) is Checkpoint


@pytest.mark.parametrize(
    "changed",
    [
        {"stream": "other"},
        {"stream": ""},
        {"stream": "ordersa", "writer": "gent-1"},
        {"stream": "o" * 65_536},
        {"writer": "agent-0"},
        {"writer": None},
        {"writer": "\ud800"},
        {"seq": 2},
        {"seq": 0},
        {"seq": "3"},
        {"seq": 1 << 64},
        {"seq": -3},
        {"prev_hash": None},
        {"prev_hash": "0" * 64},
        {"prev_hash": ""},
        {"content_hash": "0" * 64},
        {"content_hash": "0" * 62},
        {"content_hash": None},
        {"payload_len": 8},
        {"payload_len": 1 << 64},
        {"position": 5},
        {"payload": "bm8gcGF5bG9hZA=="},
        {"payload": "no base64"},
        {"payload": None, "payload_len": None},
        {"payload": None, "payload_len": 6},
        {"payload": "", "payload_len": 0},
    ],
    ids=str,
)
def test_facts_of_another_entry(changed: dict[str, Any]) -> None:
    assert holds(SEALED.receipt(5), told(SEALED.entries[5]))
    assert not holds(SEALED.receipt(5), told(SEALED.entries[5], **changed))


def test_a_payload_that_is_not_the_one_that_was_hashed() -> None:
    """The leaf has its hash and not it: who is shown it must compute that."""
    entry = told(SEALED.entries[5], payload=base64.b64encode(b"PAYLOAD").decode())
    with pytest.raises(errors.EvidenceRefused, match="content_hash is not that of this payload"):
        verify_receipt(SEALED.receipt(5), entry, LOG)
    one = SEALED.entries[5]
    forged = Entry(one.stream, one.writer, one.seq, one.prev_hash, one.content_hash, b"PAYLOAD", one.position)
    with pytest.raises(errors.EvidenceRefused, match="content_hash is not that of this payload"):
        verify_receipt(SEALED.receipt(5), forged, LOG)


@pytest.mark.parametrize(
    "entry",
    [facts(SEALED.entries[5]), told(SEALED.entries[5]), told(SEALED.entries[5], payload="", erased=True)],
    ids=["withheld", "whole", "erased"],
)
def test_entries_with_and_without_payload(entry: dict[str, Any]) -> None:
    assert holds(SEALED.receipt(5), entry)
    assert holds(SEALED.receipt(5), {**entry, "position": None, "more": "of nothing"})
    raw = {**entry, "prev_hash": SEALED.entries[5].prev_hash, "content_hash": SEALED.entries[5].content_hash}
    verify_receipt(SEALED.receipt(5), raw, LOG)


def test_a_first_entry_has_no_hash_before_it() -> None:
    assert holds(SEALED.receipt(0), told(SEALED.entries[0]))
    assert not holds(SEALED.receipt(0), told(SEALED.entries[0], prev_hash="0" * 64))


def test_only_an_entry_is_one() -> None:
    wrong: Any
    for wrong in (None, "entry", 5, [told(SEALED.entries[5])]):
        with pytest.raises(TypeError, match="an Entry or a mapping"):
            verify_receipt(SEALED.receipt(5), wrong, LOG)


def test_the_receipt_of_another_place_or_size() -> None:
    entry = told(SEALED.entries[5], position=None)
    for index in range(11):
        proof = receipt.write(index, SEALED.tree.inclusion(5, 11), SEALED.checkpoint())
        assert holds(proof, entry) == (index == 5)
    for size in range(1, 12):
        proof = receipt.write(5, SEALED.tree.inclusion(5, 11), SEALED.checkpoint(size))
        assert holds(proof, entry) == (size == 11)


def test_hashes_too_many_or_too_few() -> None:
    entry, hashes = told(SEALED.entries[5]), SEALED.tree.inclusion(5, 11)
    for wrong in ([], hashes[:-1], hashes[1:], [*hashes, hashes[0]], hashes[::-1], hashes * 20, [bytes(32)] * 64):
        assert not holds(receipt.write(5, wrong, SEALED.checkpoint()), entry)


def test_a_leaf_is_no_node() -> None:
    """Without the zero before a leaf, two siblings would pass for one entry."""
    top = receipt.write(0, SEALED.tree.inclusion(0, 11)[1:], resigned(text_of(LOG.name, 6, SEALED.tree.root(11)), LOG))
    assert not holds(top, told(SEALED.entries[0]))


def test_another_key() -> None:
    stranger = SigningKey.generate(LOG.name)
    assert not holds(SEALED.receipt(5), told(SEALED.entries[5]), stranger)
    assert not holds(Sealed(SEALED.entries, stranger).receipt(5), told(SEALED.entries[5]), LOG)


def test_a_swapped_key_under_the_same_name() -> None:
    """Both signatures are there; only the one that is known counts, and only on its own text."""
    made = SEALED.checkpoint()
    forged = Sealed(entries(11, b"forged!"), SigningKey.generate(LOG.name))
    stolen = [one for one in made.note.signatures if one.name == LOG.name]
    both = cosignature.add(forged.checkpoint(), stolen)
    assert not holds(receipt.write(5, forged.tree.inclusion(5, 11), both), told(forged.entries[5]))


def test_a_key_speaks_for_its_own_origin() -> None:
    """Somebody whose key is known too signs a checkpoint of another store's name."""
    text = text_of(LOG.name, 11, SEALED.tree.root(11))
    forged = receipt.write(5, SEALED.tree.inclusion(5, 11), resigned(text, OTHER))
    for keys in ([LOG, OTHER], [OTHER]):
        with pytest.raises(errors.EvidenceRefused):
            verify_receipt(forged, SEALED.entries[5], keys, LOG.name)
    with pytest.raises(errors.EvidenceRefused, match=f"it is of '{LOG.name}', and not of '{OTHER.name}'"):
        verify_receipt(forged, SEALED.entries[5], OTHER)
    assert not holds(forged, told(SEALED.entries[5]), OTHER)


def test_the_origin_is_the_callers() -> None:
    for origin in (OTHER.name, "", LOG.name.upper()):
        with pytest.raises(errors.EvidenceRefused, match="and not of"):
            verify_receipt(SEALED.receipt(5), SEALED.entries[5], LOG, origin)
    with pytest.raises(ValueError, match="give origin="):
        verify_receipt(SEALED.receipt(5), SEALED.entries[5], [LOG, OTHER])
    verify_receipt(SEALED.receipt(5), SEALED.entries[5], [LOG, OTHER], LOG.name)


def test_a_stripped_cosignature() -> None:
    text = Sealed(SEALED.entries).receipt(5)
    assert holds(text, told(SEALED.entries[5]))
    assert not holds(text, told(SEALED.entries[5]), LOG, WITNESS)


def test_a_cosignature_of_another_checkpoint() -> None:
    made = Sealed(SEALED.entries).checkpoint()
    stolen = [one for one in SEALED.checkpoint(10).note.signatures if one.name == WITNESS.name]
    text = receipt.write(5, SEALED.tree.inclusion(5, 11), cosignature.add(made, stolen))
    assert holds(text, told(SEALED.entries[5]))
    assert not holds(text, told(SEALED.entries[5]), LOG, WITNESS)


def test_the_logs_of_a_policy_are_asked_too() -> None:
    other = SigningKey.generate(LOG.name)
    verify_receipt(SEALED.receipt(5), SEALED.entries[5], LOG, policy=f"log {LOG.verifier}\nquorum none")
    with pytest.raises(errors.EvidenceRefused):
        verify_receipt(SEALED.receipt(5), SEALED.entries[5], LOG, policy=f"log {other.verifier}\nquorum none")


def test_k_of_n_witnesses() -> None:
    three = witnesses(3)
    lines = [f"witness w{number} {key.witness_verifier}" for number, key in enumerate(three)]
    policy = "\n".join([*lines, "group g 2 w0 w1 w2", "quorum g"])
    for some, enough in ((three, True), (three[:2], True), (three[1:], True), (three[:1], False), ([], False)):
        text = Sealed(SEALED.entries, witnesses=some).receipt(5)
        if enough:
            verify_receipt(text, SEALED.entries[5], LOG, policy=policy)
        else:
            with pytest.raises(errors.EvidenceRefused, match="not enough"):
                verify_receipt(text, SEALED.entries[5], LOG, policy=policy)


def test_an_erased_entry() -> None:
    one = SEALED.entries[5]
    erased = Entry(one.stream, one.writer, one.seq, one.prev_hash, one.content_hash, None, one.position, payload_len=7)
    assert erased.erased
    verify_receipt(SEALED.receipt(5), erased, LOG)
    longer = Entry(one.stream, one.writer, one.seq, one.prev_hash, one.content_hash, None, one.position, payload_len=8)
    with pytest.raises(errors.EvidenceRefused, match="do not lead"):
        verify_receipt(SEALED.receipt(5), longer, LOG)
