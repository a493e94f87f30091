"""`log.sign`: who runs the store cannot speak for a writer that signs its own head."""

import base64
from collections.abc import Callable

import pytest

from agent_store import Fingerprint, SigningKey, Store
from agent_store.errors import ChainBroken, EvidenceRefused, MalformedEvidence, TransactionConflict
from agent_store.evidence import heads, note
from agent_store.evidence.keys import as_key
from agent_store.evidence.shelf import Noted
from sealing import KEY, append
from stores import Place

ALICE = SigningKey.from_seed("alice@laptop", bytes([7] * 32))
NAME = Fingerprint.from_ed25519_public_key(ALICE.public_key).hex
BOB = SigningKey.from_seed("bob", bytes([8] * 32))


def test_the_note(store: Store) -> None:
    log = store.log("a stream\n", NAME)
    log.append_many([b"1", b"2"])
    head = log.head()
    assert head is not None
    text = log.sign(ALICE)
    lines = text.splitlines()
    assert lines[:6] == [
        "agent-store/head/v1",
        base64.b64encode(b"a stream\n").decode(),
        NAME,
        "2",
        base64.b64encode(head.content_hash).decode(),
        ALICE.verifier,
    ]
    assert lines[6] == ""
    assert heads.parse(text)[:4] == (log.stream, log.writer, 2, head.content_hash)
    assert log.sign(ALICE) == text


def test_verify_holds_each_against_its_log(store: Store) -> None:
    log = store.log("s", NAME)
    for number in range(3):
        log.append(b"%d" % number)
        log.sign(ALICE)
    append(store, 2)
    store.checkpoint(KEY)
    verdict = store.verify(keys=KEY)
    assert (verdict.holds, verdict.written) == (True, 3)
    assert store.verify().written == 0


def test_only_the_writer_signs_its_log(store: Store) -> None:
    store.log("s", NAME).append(b"1")
    with pytest.raises(ValueError, match="signs its own log"):
        store.log("s", NAME).sign(BOB)
    store.log("s", "alice").append(b"1")
    with pytest.raises(ValueError, match=NAME):
        store.log("s", "alice").sign(ALICE)
    with pytest.raises(ValueError, match="is empty"):
        store.log("other", NAME).sign(ALICE)
    with store.transaction(), pytest.raises(TransactionConflict):
        store.log("s", NAME).sign(ALICE)
    assert store.verify(keys=KEY).written == 0


@pytest.mark.differs("no second opening")
@pytest.mark.parametrize("seq", [1, 3])
def test_a_chain_that_is_damaged_is_not_signed(place: Place, seq: int) -> None:
    """What was signed before has been looked at before: only what follows it is."""
    with place.open() as store:
        store.log("s", NAME).append_many([b"1", b"2"])
        store.log("s", NAME).sign(ALICE)
        store.log("s", NAME).append_many([b"3", b"4"])
    place.damage(
        place.sql(
            "UPDATE _agent_store_entries SET payload = (SELECT payload FROM _agent_store_entries WHERE seq = 4) "
            f"WHERE seq = {seq}"
        )
    )
    with place.open() as store:
        if seq == 3:
            with pytest.raises(ChainBroken):
                store.log("s", NAME).sign(ALICE)
        else:
            assert heads.parse(store.log("s", NAME).sign(ALICE)).seq == 4


@pytest.mark.differs("no second opening")
def test_another_history_than_was_signed(place: Place) -> None:
    """Whoever runs the store computes everything anew, and seals it with its own key."""
    with place.open() as store:
        store.log("s", NAME).append_many([b"1", b"2"])
        signed = store.log("s", NAME).sign(ALICE)
        store.log("forged", NAME).append_many([b"1", b"3"])
    place.damage(place.sql("UPDATE _agent_store_logs SET stream = 'gone' WHERE stream = 's'"))
    with place.open() as store:
        store.checkpoint(KEY)
        verdict = store.verify(keys=KEY)
        assert [(each.kind, each.stream, each.writer, each.seq) for each in verdict.breaks] == [
            ("signature", "s", NAME, 2)
        ]
        assert "no such entry" in verdict.breaks[0].detail
        assert (verdict.authenticity, verdict.integrity, verdict.written) == ("fails", "holds", 0)
    place.damage(place.sql("UPDATE _agent_store_logs SET stream = 's' WHERE stream = 'forged'"))
    with place.open() as store:
        (found,) = [each for each in store.verify(keys=KEY).breaks if each.kind == "signature"]
        assert "signed another entry 2" in found.detail
        with pytest.raises(ChainBroken):
            store.log("s", NAME).sign(ALICE)
    assert heads.parse(signed).seq == 2


@pytest.mark.differs("no second opening")
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n2\n", "\n1\n"),
        lambda text: text.replace(NAME, Fingerprint.from_ed25519_public_key(BOB.public_key).hex),
        lambda text: text.partition("\n\n")[0] + "\n",
        lambda text: "",
    ],
    ids=["seq", "writer", "stripped", "empty"],
)
def test_a_note_that_is_not_what_was_signed(place: Place, change: Callable[[str], str]) -> None:
    with place.open() as store:
        store.log("s", NAME).append_many([b"1", b"2"])
        text = change(store.log("s", NAME).sign(ALICE))
        store.checkpoint(KEY)
    quoted = text.replace("'", "''")
    place.damage(place.sql("UPDATE _agent_store_notes SET note = '%s' WHERE kind = 'head'") % quoted)
    with place.open() as store:
        verdict = store.verify(keys=KEY)
        assert [each.kind for each in verdict.breaks] == ["signature"]
        with pytest.raises((EvidenceRefused, MalformedEvidence)):
            store.log("s", NAME).sign(ALICE)


def test_a_head_of_somebody_elses(store: Store) -> None:
    """A key that is named in the note, and is not that of the writer, has no say; nor has a note kept as another's."""
    store.log("s", NAME).append_many([b"1", b"2"])
    head = heads.parse(store.log("s", NAME).sign(ALICE))
    forged = head._replace(key=as_key(BOB))
    with pytest.raises(EvidenceRefused, match="not that of the writer"):
        heads.parse(note.sign(forged.text, BOB))
    with pytest.raises(EvidenceRefused, match="kept as another"):
        heads.stored(Noted(head.name, 1, note.sign(head.text, ALICE)))
    assert heads.stored(Noted(head.name, 2, note.sign(head.text, ALICE))) == head
