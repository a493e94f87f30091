"""The known answers of the formats of evidence, which two other implementations accepted, and those of other people."""

from pathlib import Path

import pytest

import agent_store
from agent_store import Checkpoint, Policy, SigningKey, errors, verify_receipt
from agent_store.evidence import cosignature, note, proof, receipt
from agent_store.evidence.checkpoint import text_of, verified
from agent_store.evidence.facts import facts_of
from agent_store.evidence.keys import VerifierKey, as_keys
from notes import LOG, TIME, VECTORS, WITNESS, Sealed, facts, known_entries

# https://c2sp.org/signed-note and /tlog-policy have these.
POEM = """Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRw\
NtIc=
"""
# A private key of golang.org/x/mod/sumdb/note, which its documentation has, and its verifier key.
PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz\n"


def test_keys() -> None:
    assert (LOG.verifier, WITNESS.witness_verifier) == (VECTORS["log_vkey"], VECTORS["witness_vkey"])
    for text in (VECTORS["log_vkey"], VECTORS["witness_vkey"], VECTORS["foreign_note"]["vkey"]):
        assert str(VerifierKey.parse(text)) == text


def test_a_key_file_of_another_program(tmp_path: Path) -> None:
    file, foreign = tmp_path / "key", VECTORS["foreign_note"]
    file.write_bytes(PRIVATE.encode())
    file.chmod(0o600)
    key = SigningKey.load(file)
    assert key.verifier == foreign["vkey"]
    assert note.sign(foreign["text"], key) == f"{foreign['text']}\n— PeterNeumann {foreign['signature']}\n"
    key.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == PRIVATE.encode()


def test_a_note_of_another_program() -> None:
    foreign = VECTORS["foreign_note"]
    parsed = note.parse(f"{foreign['text']}\n— PeterNeumann {foreign['signature']}\n")
    (found,) = note.verify(parsed, as_keys(foreign["vkey"]))
    assert (parsed.text, str(found.key)) == (foreign["text"], foreign["vkey"])
    assert note.parse(POEM).text == POEM.rpartition("\n\n")[0] + "\n"  # The text may have empty lines.


def test_leaves_and_root() -> None:
    sealed = Sealed(known_entries())
    assert [agent_store._core.leaf(*facts_of(entry)[:6]).hex() for entry in sealed.entries] == VECTORS["leaves"]
    assert [sealed.tree.root(size).hex() for size in (2, 4)] == [VECTORS["root_size_2"], VECTORS["root"]]


def test_a_checkpoint_with_a_cosignature() -> None:
    sealed = Sealed(known_entries(), witnesses=[WITNESS])
    checkpoint = sealed.checkpoint()
    assert checkpoint == VECTORS["checkpoint"]
    assert (checkpoint.origin, checkpoint.size, checkpoint.root.hex()) == (LOG.name, 4, VECTORS["root"])
    assert checkpoint.signers == (LOG.name, WITNESS.name)
    verified(checkpoint, as_keys(VECTORS["log_vkey"]), LOG.name)
    assert list(Policy.of(VECTORS["witness_vkey"]).check(checkpoint).values()) == [TIME]
    alone = Sealed(known_entries()).checkpoint()
    (line,) = cosignature.parse(VECTORS["checkpoint"].removeprefix(alone))
    assert cosignature.add(alone, [line]) == checkpoint


def test_a_receipt() -> None:
    entry = known_entries()[2]
    assert Sealed(known_entries(), witnesses=[WITNESS]).receipt(2) == VECTORS["receipt_index_2"]
    for told in (entry, facts(entry), {**facts(entry), "payload": "eyJuIjoyfQ=="}):
        found = verify_receipt(
            VECTORS["receipt_index_2"], told, VECTORS["log_vkey"], LOG.name, policy=VECTORS["witness_vkey"]
        )
        assert found == VECTORS["checkpoint"]
    assert [one.hex() for one in receipt.parse(VECTORS["receipt_index_2"]).hashes] == VECTORS["inclusion_index_2"]


def test_a_consistency_proof() -> None:
    text = str(
        proof.Consistency(
            2, tuple(map(bytes.fromhex, VECTORS["consistency_2_to_4"])), Checkpoint(VECTORS["checkpoint"])
        )
    )
    assert text.startswith("old 2\n8mMvCAwH7r0f85xBLbPOZF9dZVVSZ4M9riSGkhy/5nU=\n\naudit")
    assert str(proof.parse(text)) == text
    old, hashes, checkpoint = proof.parse(text)
    assert agent_store._core.check_consistency(
        old, checkpoint.size, bytes.fromhex(VECTORS["root_size_2"]), checkpoint.root, list(hashes)
    )


def test_the_text_of_a_checkpoint() -> None:
    assert text_of(LOG.name, 4, bytes.fromhex(VECTORS["root"])) == VECTORS["checkpoint"].rpartition("\n\n")[0] + "\n"


def test_a_foreign_checkpoint_may_have_more_lines_and_another_kind_of_origin() -> None:
    """Of C2SP's tlog-checkpoint; ours have neither."""
    text = f"A log of theirs\n0\n{'A' * 43}=\nan extension\n\n— key AAAAAAAA\n"
    assert (Checkpoint(text).origin, Checkpoint(text).size) == ("A log of theirs", 0)
    with pytest.raises(errors.MalformedEvidence):
        Checkpoint(text.replace("an extension\n", "an extension\n\nanother\n"))
