"""Signed notes: what is one, whose signatures count, and that nothing in one can be changed."""

import base64

import hypothesis
import pytest
from hypothesis import strategies as st

from agent_store import Checkpoint, SigningKey, errors
from agent_store.evidence import note
from agent_store.evidence.checkpoint import verified
from agent_store.evidence.keys import VerifierKey, as_keys
from notes import LOG, OTHER, WITNESS, Sealed, entries, mutations

TEXT = "first\n\nsecond: é\n"
SIGNED = note.sign(TEXT, LOG, OTHER)
ALONE = note.sign(TEXT, LOG)
LINE = ALONE.rpartition("\n\n")[2]
SPACES = ["\N{NO-BREAK SPACE}", "\N{EM SPACE}", "\N{IDEOGRAPHIC SPACE}", "\x85", "\N{LINE SEPARATOR}"]


def verify(text: str, *keys: SigningKey) -> list[str]:
    return [found.key.name for found in note.verify(note.parse(text), as_keys(keys))]


def key_id(key: SigningKey) -> bytes:
    return VerifierKey.of(key).key_id


def line(name: str, data: bytes) -> str:
    return f"— {name} {base64.b64encode(data).decode()}\n"


def test_what_is_signed_is_verified_by_those_who_know_a_key() -> None:
    assert verify(SIGNED, LOG, OTHER) == [LOG.name, OTHER.name]
    assert verify(SIGNED, OTHER) == [OTHER.name]
    assert verify(SIGNED, WITNESS, LOG) == [LOG.name]
    assert str(note.parse(SIGNED)) == SIGNED


def test_who_knows_none_of_the_keys_is_told_so() -> None:
    with pytest.raises(errors.EvidenceRefused, match=f"no key that was given has signed it .'{WITNESS.name}'."):
        verify(SIGNED, WITNESS)
    with pytest.raises(errors.EvidenceRefused, match="none was given"):
        note.verify(note.parse(SIGNED), [])


def test_unknown_signatures_are_passed_over_even_with_the_name_or_the_id_of_a_known_key() -> None:
    ours = LINE.removesuffix("\n")
    data = base64.b64decode(ours.rpartition(" ")[2])
    others = line(LOG.name, b"\0\0\0\0" + data[4:]) + line("another", data) + line("short", b"12345")
    assert verify(f"{TEXT}\n{others}{LINE}", LOG) == [LOG.name]
    with pytest.raises(errors.EvidenceRefused, match="no key"):
        verify(f"{TEXT}\n{others}", LOG)


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("blob", [bytes(64), b"", bytes(63), bytes(65)], ids=len)
def test_a_wrong_signature_of_a_known_key_refuses_the_whole_note(where: str, blob: bytes) -> None:
    wrong = line(LOG.name, key_id(LOG) + (blob or b"\0"))
    both = f"{TEXT}\n{wrong}{LINE}" if where == "before" else f"{TEXT}\n{LINE}{wrong}"
    with pytest.raises(errors.EvidenceRefused, match="is wrong"):
        verify(both, LOG)
    good = note.sign(TEXT, OTHER).rpartition("\n\n")[2]
    with pytest.raises(errors.EvidenceRefused, match=f"{LOG.name}' is wrong"):
        verify(f"{TEXT}\n{good}{wrong}", LOG, OTHER)


def test_a_signature_is_of_one_kind() -> None:
    """The same key, asked for as a witness's: its signature is no cosignature, and has another id."""
    cosigns = as_keys(LOG, 4)
    assert cosigns[0].key_id != key_id(LOG)
    with pytest.raises(errors.EvidenceRefused, match="no key"):
        note.verify(note.parse(ALONE), cosigns)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "\n\n",
        TEXT,
        f"{TEXT}\n",
        LINE,
        f"{TEXT}{LINE}",
        ALONE.removesuffix("\n"),
        f"{ALONE}\n",
        f"{ALONE}text\n",
        ALONE.replace("— ", "- "),
        ALONE.replace("— ", "—"),
        ALONE.replace("— ", "—  "),
        ALONE.replace(" Y", "  Y"),
        ALONE.replace("=\n", "\n"),
        ALONE.replace("=\n", "==\n"),
        ALONE.replace("=\n", "= \n"),
        ALONE.replace("\n", "\r\n"),
        ALONE.replace("second", "sec\tond"),
        ALONE.replace("second", "sec\0ond"),
        ALONE.replace("second", "sec\x1bond"),
        ALONE.replace("second", "sec\ud800ond"),
        f"{TEXT}\n{line('', bytes(68))}",
        f"{TEXT}\n{line('a+b', bytes(68))}",
        f"{TEXT}\n{line('name', bytes(4))}",
        f"{TEXT}\n— name \n",
        f"{TEXT}\n— name\n",
        *(f"{TEXT}\n{line(f'a{space}b', bytes(68))}" for space in SPACES),
    ],
)
def test_malformed(text: str) -> None:
    with pytest.raises(errors.MalformedEvidence):
        note.parse(text)


def test_base64_has_one_spelling() -> None:
    """The last character before `=` has bits that no byte has."""
    name, _, encoded = LINE.removesuffix("\n").rpartition(" ")
    assert encoded.endswith("=")
    for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/":
        changed = f"{name} {encoded[:-2]}{last}=\n"
        if changed != LINE:
            with pytest.raises((errors.MalformedEvidence, errors.EvidenceRefused)):
                verify(f"{TEXT}\n{changed}", LOG)


def test_a_hundred_signatures_and_no_more() -> None:
    others = "".join(line(f"key{number}", bytes(68)) for number in range(99))
    assert verify(f"{TEXT}\n{others}{LINE}", LOG) == [LOG.name]
    with pytest.raises(errors.MalformedEvidence, match="101 signatures"):
        note.parse(f"{TEXT}\n{others}{LINE}{LINE}")


def test_only_text_is_a_note() -> None:
    for given in (SIGNED.encode(), None, 1):
        with pytest.raises(TypeError, match="is a str"):
            note.parse(given)


def test_what_is_signed_is_a_note() -> None:
    for text in ("", "no line end", "a\tb\n"):
        with pytest.raises((ValueError, errors.MalformedEvidence)):
            note.sign(text, LOG)


@pytest.mark.parametrize(("size", "witnesses"), [(4, []), (4, [WITNESS])])
def test_no_byte_of_a_checkpoint_can_be_changed(size: int, witnesses: list[SigningKey]) -> None:
    """Not even in its lines of other keys, for who knows those too."""
    checkpoint = Sealed(entries(size), witnesses=witnesses).checkpoint()
    keys = (*as_keys(LOG), *as_keys(witnesses or WITNESS, 4))
    for text in mutations(checkpoint):
        try:
            changed = Checkpoint(text)
            found = note.verify(changed.note, keys)
            verified(changed, keys, LOG.name)
        except (errors.MalformedEvidence, errors.EvidenceRefused):
            continue
        # What is left is a checkpoint with a signature fewer, by a key whose name or id is another now.
        assert changed.note.text == checkpoint.note.text
        assert len(found) < len(keys)


@hypothesis.given(st.text())
def test_any_text_is_a_note_or_malformed(text: str) -> None:
    for whole in (text, f"{text}\n\n{LINE}", f"{TEXT}\n— {text}\n", f"{TEXT}\n{LINE}{text}"):
        try:
            parsed = note.parse(whole)
        except errors.MalformedEvidence:
            continue
        assert str(parsed) == whole


@hypothesis.given(st.text(alphabet="a é+\t\n\x00\u2003\ud800—", max_size=5))
def test_a_name_is_one_where_a_note_with_it_can_be_read(name: str) -> None:
    try:
        note.parse(f"{TEXT}\n{line(name, bytes(68))}")
    except errors.MalformedEvidence:
        with pytest.raises(ValueError):
            SigningKey.from_seed(name, bytes(32))
    else:
        assert VerifierKey.parse(SigningKey.from_seed(name, bytes(32)).verifier).name == name
