"""Policies: their text, and how many witnesses it takes. The format is C2SP's tlog-policy."""

from itertools import combinations

import hypothesis
import pytest
from hypothesis import strategies as st

from agent_store import Policy, SigningKey, errors
from agent_store.evidence import cosignature, note
from agent_store.evidence.checkpoint import Checkpoint
from agent_store.evidence.keys import as_key, cosigned_message
from notes import LOG, OTHER, TIME, WITNESS, Sealed, entries, witnesses

X1, X2, X3, Y1, Y2, Y3 = SIX = witnesses(6)
NAMES = ("X1", "X2", "X3", "Y1", "Y2", "Y3")
LINES = [f"witness {name} {key.witness_verifier}" for name, key in zip(NAMES, SIX, strict=True)]
# https://c2sp.org/tlog-policy, "Example policy".
EXAMPLE = f"""
log {LOG.verifier}

{LINES[0]}
{LINES[1]}
{LINES[2]}
group X-witnesses 2 X1 X2 X3

{LINES[3]}
{LINES[4]}
{LINES[5]}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""
KEYS = [as_key(key, 4) for key in SIX]


def cosigned(*keys: SigningKey) -> Checkpoint:
    return Sealed(entries(3), witnesses=keys).checkpoint()


def test_the_example_of_the_format() -> None:
    policy = Policy.parse(EXAMPLE)
    assert [key.name for key in policy.logs] == [LOG.name]
    assert list(policy.witnesses) == list(NAMES)
    assert policy.quorum == "X-and-Y"
    for count in range(7):
        for some in combinations(range(6), count):
            enough = sum(number < 3 for number in some) >= 2 and any(number >= 3 for number in some)
            assert policy.satisfied_by([KEYS[number] for number in some]) == enough


def test_k_of_n_of_a_checkpoint() -> None:
    policy = Policy.parse("\n".join([*LINES, "group g 3 X1 X2 X3 Y1 Y2 Y3", "quorum g"]))
    assert policy.check(cosigned(X3, Y1, Y3)) == {KEYS[2]: TIME, KEYS[3]: TIME, KEYS[5]: TIME}
    for few in (cosigned(), cosigned(X1, X2), cosigned(X1, WITNESS, OTHER)):
        with pytest.raises(errors.EvidenceRefused, match="not enough for the quorum 'g'"):
            policy.check(few)


def test_a_witness_counts_once_however_often_it_signs() -> None:
    policy = Policy.parse("\n".join([*LINES, "group g 2 X1 X2 X3 Y1 Y2 Y3", "quorum g"]))
    made = cosigned(X1)
    later = cosignature.cosign(made, X1, TIME + 60)
    twice = Checkpoint(str(note.Note(made.note.text, (*made.note.signatures, later))))
    with pytest.raises(errors.EvidenceRefused):
        policy.check(twice)
    assert Policy.of(X1).check(twice) == {KEYS[0]: TIME + 60}
    assert Policy.of(X1).check(cosignature.add(made, [later])) == {KEYS[0]: TIME + 60}
    assert cosignature.add(made, [later]) != twice


def test_a_wrong_cosignature_of_a_witness_refuses_all() -> None:
    made, other = cosigned(X1), Sealed(entries(4), witnesses=[X2]).checkpoint()
    stolen = [one for one in other.note.signatures if one.name == X2.name]
    policy = Policy.parse("\n".join([*LINES, "group g any X1 X2", "quorum g"]))
    policy.check(made)
    with pytest.raises(errors.EvidenceRefused, match=f"{X2.name}' is wrong"):
        policy.check(cosignature.add(made, stolen))
    Policy.of(X1).check(cosignature.add(made, stolen))  # Who does not know that witness has no opinion.


@pytest.mark.parametrize("time", [0, TIME, (1 << 63) - 1])
def test_the_time_is_signed(time: int) -> None:
    made = cosigned()
    right = cosignature.cosign(made, X1, time)
    assert Policy.of(X1).check(cosignature.add(made, [right])) == {KEYS[0]: time}
    other = right._replace(blob=(time ^ 1).to_bytes(8) + right.blob[8:])
    with pytest.raises(errors.EvidenceRefused, match="is wrong"):
        Policy.of(X1).check(cosignature.add(made, [other]))


def test_a_time_ends_at_2_to_the_63() -> None:
    made, time = cosigned(), 1 << 63
    blob = time.to_bytes(8) + X1.sign(cosigned_message(time, made.note.text))
    with pytest.raises(errors.EvidenceRefused, match="is wrong"):
        Policy.of(X1).check(cosignature.add(made, [note.Signature(X1.name, KEYS[0].key_id, blob)]))


def test_none_and_a_single_witness() -> None:
    assert Policy.parse("quorum none\n").check(cosigned()) == {}
    single = Policy.parse(f"{LINES[0]} https://w.example/\nquorum X1")
    single.check(cosigned(X1))
    with pytest.raises(errors.EvidenceRefused):
        single.check(cosigned(X2))


def test_keys_are_a_policy_that_needs_all_of_them() -> None:
    for given in ([X1, X2], [X1.witness_verifier, X2.witness_verifier], iter([X1, X2])):
        policy = Policy.of(given)
        policy.check(cosigned(X1, X2, X3))
        with pytest.raises(errors.EvidenceRefused):
            policy.check(cosigned(X1, X3))
    assert Policy.of(X1.witness_verifier) == Policy.of(X1) == Policy.of([X1])
    assert Policy.of(EXAMPLE) == Policy.of(Policy.parse(EXAMPLE)) == Policy.parse(EXAMPLE)
    with pytest.raises(ValueError, match="no key"):
        Policy.of([])
    with pytest.raises(errors.MalformedEvidence):
        Policy.of("quorum")
    with pytest.raises(errors.MalformedEvidence, match="and not for cosignatures"):
        Policy.of(X1.verifier)


def test_blanks_comments_and_names_of_any_kind() -> None:
    text = f" \t\n#log\n  # quorum none\n\twitness \t any {X1.witness_verifier} \t\nwitness é {X2.witness_verifier}\n"
    policy = Policy.parse(f"{text}group all all any é\nquorum all")
    policy.check(cosigned(X1, X2))
    # Only space and tab separate.
    assert list(Policy.parse(f"witness a\N{NO-BREAK SPACE}b {X1.witness_verifier}\nquorum none").witnesses) == [
        "a\N{NO-BREAK SPACE}b"
    ]


def test_as_many_as_the_format_asks_for() -> None:
    many = witnesses(100)
    lines = [f"witness w{number} {key.witness_verifier}" for number, key in enumerate(many)]
    groups = ["group g0 1 w0", *(f"group g{number} all g{number - 1} w{number}" for number in range(1, 100))]
    policy = Policy.parse("\n".join([*lines, *groups, "quorum g99"]))
    keys = [as_key(key, 4) for key in many]
    assert policy.satisfied_by(keys)
    assert not policy.satisfied_by(keys[1:])


WRONG = {
    "no quorum": LINES[0],
    "empty": "",
    "two quorums": "quorum none\nquorum none",
    "a quorum of nobody": "quorum X1",
    "a quorum before its witness": f"quorum X1\n{LINES[0]}",
    "a quorum of two": f"{LINES[0]}\n{LINES[1]}\nquorum X1 X2",
    "a member of nobody": f"{LINES[0]}\ngroup g any X1 X2\nquorum g",
    "a member before": f"group g any X1\n{LINES[0]}\nquorum g",
    "a group of itself": f"{LINES[0]}\ngroup g any X1 g\nquorum g",
    "a member twice": f"{LINES[0]}\ngroup g any X1 X1\nquorum g",
    "a member of two groups": f"{LINES[0]}\ngroup g any X1\ngroup h any X1\nquorum h",
    "none as a member": f"{LINES[0]}\ngroup g any X1 none\nquorum g",
    "no member": f"{LINES[0]}\ngroup g any\nquorum none",
    "none of n": f"{LINES[0]}\ngroup g 0 X1\nquorum g",
    "more than n": f"{LINES[0]}\ngroup g 2 X1\nquorum g",
    "minus": f"{LINES[0]}\ngroup g -1 X1\nquorum g",
    "no number": f"{LINES[0]}\ngroup g most X1\nquorum g",
    "a number of another script": f"{LINES[0]}\ngroup g \N{ARABIC-INDIC DIGIT ONE} X1\nquorum g",
    "an endless number": f"{LINES[0]}\ngroup g {'1' * 5_000} X1\nquorum g",
    "a name twice": f"{LINES[0]}\nwitness X1 {X2.witness_verifier}\nquorum none",
    "a name of a group and a witness": f"{LINES[0]}\ngroup X1 any X1\nquorum none",
    "the name none": f"witness none {X1.witness_verifier}\nquorum none",
    "a group none": f"{LINES[0]}\ngroup none any X1\nquorum none",
    "a witness twice": f"{LINES[0]}\nwitness again {X1.witness_verifier}\nquorum none",
    "a witness twice by another name": f"{LINES[0]}\nwitness again "
    f"{SigningKey.from_seed('another', bytes([1]) * 32).witness_verifier}\nquorum none",
    "a log twice": f"log {LOG.verifier}\nlog {LOG.verifier}\nquorum none",
    "a witness with a log's key": f"witness X1 {X1.verifier}\nquorum none",
    "a log with a witness's key": f"log {LOG.witness_verifier}\nquorum none",
    "no key": "witness X1 key\nquorum none",
    "a log with too much": f"log {LOG.verifier} https://a b\nquorum none",
    "a witness with too little": f"witness {X1.witness_verifier}\nquorum none",
    "another keyword": "quorum none\nlogs",
    "another case": "Quorum none",
    "a carriage return": "quorum none\r\n",
    "a control character": "# \x1b[0m\nquorum none",
    "DEL": "# \x7f\nquorum none",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_no_policy(text: str) -> None:
    with pytest.raises(errors.MalformedEvidence, match="this is no policy"):
        Policy.parse(text)


def test_what_is_wrong_is_said_with_its_line() -> None:
    with pytest.raises(errors.MalformedEvidence, match="line 3: 'X9' is no witness or group on a line before"):
        Policy.parse(f"{LINES[0]}\n\nquorum X9\n")
    with pytest.raises(TypeError):
        Policy.parse(b"quorum none")  # type: ignore[arg-type]


@hypothesis.given(
    st.lists(st.sampled_from([*EXAMPLE.split("\n"), "quorum none", "group a", "\t", "log x", "witness"]) | st.text())
)
def test_any_text_is_a_policy_or_malformed(lines: list[str]) -> None:
    try:
        policy = Policy.parse("\n".join(lines))
    except errors.MalformedEvidence:
        return
    # Whatever a quorum is, it is not reached without anybody, if it is of anybody.
    assert policy.satisfied_by([]) == (policy.quorum == "none")
    assert policy.satisfied_by(list(policy.witnesses.values()))
