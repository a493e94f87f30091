"""Evidence in an export that was altered is refused, with the line; or, where a signature is, found with the keys."""

import hashlib
import io
import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import agent_store
from agent_store import SigningKey, Store
from agent_store.errors import MalformedExport
from agent_store.evidence import note
from agent_store.evidence.checkpoint import text_of
from agent_store.evidence.erasure import Record
from agent_store.evidence.facts import facts_of
from agent_store.evidence.heads import SignedHead
from agent_store.evidence.keys import VerifierKey
from carried import ADA, NEW, WRITER, carried, kept, sealed
from moving import exported

Lines = list[dict[str, Any]]
NOTHING: tuple[Any, ...] = ([], [])


def original() -> Lines:
    with agent_store.open(":memory:") as store:
        return [json.loads(line) for line in exported(sealed(store)).splitlines()]


LINES = original()


def whole(lines: Lines) -> bytes:
    """With counts and an end that fit: whoever writes an export by other means."""
    *before, end = lines
    text = b"".join(json.dumps(line).encode() + b"\n" for line in before)
    counts = {"entries": sum("payload" in line for line in before), "evidence": sum("note" in line for line in before)}
    return text + json.dumps(end | counts | {"sha256": hashlib.sha256(text).hexdigest()}).encode() + b"\n"


def where(**fields: Any) -> int:
    """The first line that has these."""
    return next(at for at, line in enumerate(LINES) if all(line.get(name) == value for name, value in fields.items()))


ERASED = where(position=7)
LAST = where(evidence="checkpoint", number=300)


def altered(at: int, **fields: Any) -> Callable[[Lines], Lines]:
    """One line with other fields; those that are `...` are taken away."""

    def alter(lines: Lines) -> Lines:
        changed = lines[at] | fields
        lines[at] = {name: value for name, value in changed.items() if value is not ...}
        return lines

    return alter


def without(kind: str, number: int | None = None) -> Callable[[Lines], Lines]:
    return lambda lines: [
        line for line in lines if line.get("evidence") != kind or number not in {None, line.get("number")}
    ]


def replaced(at: int, old: str, new: str, field: str = "note") -> Callable[[Lines], Lines]:
    return altered(at, **{field: LINES[at][field].replace(old, new)})


def swapped(one: int, other: int) -> Callable[[Lines], Lines]:
    def swap(lines: Lines) -> Lines:
        lines[one], lines[other] = lines[other], lines[one]
        return lines

    return swap


def unerased(position: int, key: SigningKey) -> Callable[[Lines], Lines]:
    """What somebody would write who says of an entry that was never erased that it was."""
    entry = LINES[where(position=position)]
    size = len(b64decode(entry["payload"]))
    leaf = facts_of(entry | {"payload": None, "payload_len": size}).leaf_hash()
    record = Record(key.name, position, size, leaf).sign(key)
    return altered(where(position=position), payload=None, payload_len=size, erasure=record)


STRANGER = SigningKey.from_seed(NEW.name, bytes([9]) * 32)
FORGED = note.sign(text_of(NEW.name, 300, bytes(32)), NEW)
UNDER_ANOTHER_NAME = note.sign(text_of(WRITER.name, 300, bytes(32)), WRITER)
OF_ANOTHER = Record(NEW.name, 7, LINES[ERASED]["payload_len"], bytes(32)).sign(NEW)
OTHER_HEAD = note.sign(SignedHead("signed", ADA, 10, bytes(32), VerifierKey.of(WRITER)).text, WRITER)
OF_NEXT = LINES[ERASED + 1]["erasure"]
HEAD, ROTATION = where(evidence="head"), where(evidence="rotation")
COSIGNED, WITNESSED, FORK = where(evidence="cosignature"), where(evidence="witnessed"), where(evidence="fork")
END = len(LINES) - 1
ATTACKS: dict[str, tuple[Callable[[Lines], Lines], int | None, str]] = {
    "an erased entry without its record": (altered(ERASED, erasure=...), ERASED, "not known are 'payload_len'"),
    "with no record and no length": (altered(ERASED, erasure=..., payload_len=...), ERASED, "payload is no base64"),
    "with an empty payload": (altered(ERASED, erasure=..., payload_len=..., payload=""), ERASED, "content_hash is"),
    "with a payload beside its record": (altered(ERASED, payload=""), ERASED, "payload must be null in an entry"),
    "with a record that is none": (altered(ERASED, erasure="x"), ERASED, "record of an erasure"),
    "with a record that is a number": (altered(ERASED, erasure=7), ERASED, "erasure must be a string, not 7"),
    "with the record of the next": (altered(ERASED, erasure=OF_NEXT), ERASED, "it is of another entry"),
    "with the record of another leaf": (altered(ERASED, erasure=OF_ANOTHER), ERASED, "it is of another entry"),
    "with another length": (altered(ERASED, payload_len=5_000), ERASED, "it is of another entry"),
    "with a length too large": (altered(ERASED, payload_len=1 << 30), ERASED, "payload_len must be at most 512 MiB"),
    "of another stream": (altered(ERASED, stream="other"), None, "comes after none of its log"),
    "erased under another origin": (unerased(20, WRITER), None, "and the checkpoints are of 'audit"),
    "erased without a checkpoint over it": (unerased(305, STRANGER), None, "305 is erased, and 300 are sealed"),
    "a checkpoint with another root": (altered(LAST, note=FORGED), LAST, "its root is not that of the first 300"),
    "a checkpoint of another origin": (
        altered(LAST, name=WRITER.name, note=UNDER_ANOTHER_NAME), LAST, "one store, one origin"),
    "a checkpoint kept as another": (altered(LAST, number=299), LAST, "another origin or size than it is kept as"),
    "no newest checkpoint": (without("checkpoint", 300), None, "it is of no checkpoint that is there"),
    "neither it nor its cosignature": (
        lambda lines: without("cosignature")(without("checkpoint", 300)(lines)), None, "of size 300, which is to"),
    "no evidence at all": (lambda lines: [line for line in lines if "note" not in line], None, "300 entries are said"),
    "a header that says less": (altered(0, sealed=290), LAST, "it is of size 300, and 290 is the newest"),
    "a header that says nothing": (altered(0, sealed=0), LAST - 2, "it is of size 280, and 0 is the newest"),
    "a header that says more": (altered(0, sealed=310), None, "of size 310, which is to be the newest, is not there"),
    "a header beyond the entries": (altered(0, sealed=321), 0, "what is not there cannot be sealed"),
    "a header without it": (altered(0, sealed=...), 0, "missing or not known are 'sealed'"),
    "a cosignature before its checkpoint": (swapped(COSIGNED, LAST), LAST, "it is of no checkpoint that is there"),
    "a cosignature of another witness": (replaced(COSIGNED, "w1", "w2"), COSIGNED, "or of another witness"),
    "a cosignature that is none": (altered(COSIGNED, note="x"), COSIGNED, "cosignature"),
    "a head of another entry": (replaced(HEAD, "\n10\n", "\n9\n"), HEAD, "head"),
    "a head kept as another": (altered(HEAD, number=9), HEAD, "was kept as another"),
    "a head of another hash": (altered(HEAD, note=OTHER_HEAD), HEAD, "its writer signed another entry 10"),
    "a head by another key": (altered(HEAD, note=LINES[ROTATION]["note"]), HEAD, "head"),
    "a rotation by one key": (
        altered(ROTATION, note=LINES[ROTATION]["note"].rpartition("— ")[0]), ROTATION, "rotation"),
    "a rotation kept as another": (altered(ROTATION, number=280), ROTATION, "was kept as another"),
    "a witnessed checkpoint kept as another": (altered(WITNESSED, number=9), WITNESSED, "than it is kept as"),
    "a fork kept as another": (altered(FORK, name="other"), FORK, "than it is kept as"),
    "another kind": (altered(FORK, evidence="forged"), FORK, "there is no evidence of kind 'forged'"),
    "a kind that is a list": (altered(FORK, evidence=["fork"]), FORK, "there is no evidence of kind ['fork']"),
    "a note that is no text": (altered(FORK, note=None), FORK, "note must be a string, not None"),
    "a number below 0": (altered(FORK, number=-1), FORK, "number must be a whole number from 0"),
    "evidence among the entries": (swapped(FORK, 30), 30, "its fields are not those of any line"),
    "an entry among the evidence": (swapped(30, HEAD), 30, "its fields are not those of any line"),
}  # fmt: skip


def refused(store: Store, data: bytes) -> MalformedExport:
    with pytest.raises(MalformedExport) as caught:
        agent_store.import_(store, io.BytesIO(data))
    assert (list(store.entries()), kept(store)) == NOTHING
    return caught.value


@pytest.mark.parametrize("how", ATTACKS)
def test_an_attack(how: str) -> None:
    attack, at, said = ATTACKS[how]
    with agent_store.open(":memory:") as store:
        error = refused(store, whole(attack(LINES.copy())))
        assert said in str(error)
        if at is not None:
            assert error.line == at + 1


@pytest.mark.parametrize("how", ["with the record of another leaf", "a checkpoint with another root"])
def test_nothing_is_kept_in_any_kind_of_store(store: Store, how: str) -> None:
    attack, _, _ = ATTACKS[how]
    refused(store, whole(attack(LINES.copy())))
    agent_store.import_(store, io.BytesIO(whole(LINES)))
    assert store.verify(keys=NEW, checkpoint=list(store.checkpoints())[-1]).holds


def test_counts_that_do_not_fit() -> None:
    data = whole(LINES).replace(b'"evidence": 9, "position"', b'"evidence": 8, "position"')
    with agent_store.open(":memory:") as store:
        error = refused(store, data)
        assert "evidence and position are said to be (320, 0, 8, 320), and are (320, 0, 9, 320)" in str(error)
        assert error.line == END + 1


def test_cut_anywhere_in_the_evidence() -> None:
    data = whole(LINES)
    first = data.index(b'{"evidence"')
    with agent_store.open(":memory:") as store:
        for end in range(first, len(data), 97):
            refused(store, data[:end])


FORGERIES: dict[str, Callable[[Lines], Lines]] = {
    "a checkpoint signed by another key": lambda lines: altered(
        LAST, note=note.sign(lines[LAST]["note"].partition("\n\n")[0] + "\n", STRANGER)
    )(lines),
    "an erasure signed by another key": lambda lines: altered(
        ERASED, erasure=note.sign(lines[ERASED]["erasure"].partition("\n\n")[0] + "\n", STRANGER)
    )(lines),
}


@pytest.mark.parametrize("how", FORGERIES)
def test_who_signed_is_told_with_the_keys(how: str) -> None:
    with agent_store.open(":memory:") as store:
        assert agent_store.import_(store, io.BytesIO(whole(FORGERIES[how](LINES.copy())))).holds
        last = list(store.checkpoints())[-1]
        verdict = store.verify(keys=NEW, checkpoint=last)
        assert not verdict.holds
        assert verdict.reasons


@settings(max_examples=60)
@given(st.sampled_from([ERASED, LAST, COSIGNED, FORK, HEAD, ROTATION, WITNESSED]), st.data())
def test_a_byte_altered_anywhere(at: int, data: st.DataObject) -> None:
    """Refused, or of no consequence for who has no keys, and found by who has them."""
    field = "erasure" if at == ERASED else data.draw(st.sampled_from(["note", "name"]))
    text: str = LINES[at][field]
    place = data.draw(st.integers(0, len(text) - 1))
    other = text[:place] + data.draw(st.text(max_size=2)) + text[place + 1 :]
    with agent_store.open(":memory:") as store:
        try:
            agent_store.import_(store, io.BytesIO(whole(altered(at, **{field: other})(LINES.copy()))))
        except MalformedExport:
            assert (list(store.entries()), kept(store)) == NOTHING
        else:
            assert len(carried(store)[0]) == 320
