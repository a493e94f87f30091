"""`store.erase`: a payload is gone for good, the entry stays and proves what it did."""

import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from agent_store import Entry, Erasure, Head, SigningKey, Store, verify_receipt
from agent_store.errors import (
    ChainBroken,
    EvidenceRefused,
    NotSealed,
    PayloadErased,
    TransactionConflict,
)
from agent_store.evidence import erasing, erasure, note
from agent_store.evidence.facts import facts_of
from sealing import KEY, OTHER, STRANGER
from stores import Place

WHY = "Art. 17, на право"


def filled(store: Store) -> list[Entry]:
    """Two logs that take turns, ten entries, one of them empty, all sealed."""
    store.append_many([("s", "ab"[number % 2], b"" if number == 5 else b"secret %d" % number) for number in range(10)])
    store.checkpoint(KEY)
    return list(store.entries())


def erased_at(entries: Sequence[Entry]) -> list[int]:
    return [entry.position for entry in entries if entry.erased]


def test_the_payload_is_gone_and_the_entry_stays(store: Store) -> None:
    before = filled(store)
    erasure_ = store.erase([before[2], 7], KEY, reason=WHY)
    assert len(erasure_.notes) == 2
    after = list(store.entries())
    assert erased_at(after) == [3, 7]
    for old, new in zip(before, after, strict=True):
        assert facts_of(new) == facts_of(old)
        assert new.payload_len == len(old.payload)
        if not new.erased:
            assert new == old
    with pytest.raises(PayloadErased) as told:
        _ = after[2].payload
    assert (told.value.stream, told.value.writer, told.value.seq, told.value.position) == ("s", "a", 2, 3)
    assert str(told.value).startswith(
        "stream 's', writer 'a', seq 2: the payload of the entry at position 3 was erased"
    )
    assert after[2] != before[2]
    assert after[2] == pickle.loads(pickle.dumps(after[2]))
    assert hash(after[2]) == hash(before[2])
    assert "erased" in repr(after[2])
    assert "secret" not in repr(after[2])


def test_every_way_to_read_shows_it(store: Store) -> None:
    filled(store)
    store.erase([3, 9], KEY)
    log = store.log("s", "a")
    ways: dict[str, Callable[[], list[Entry]]] = {
        "all": lambda: list(store.entries()),
        "backwards": lambda: list(store.entries(reverse=True))[::-1],
        "near": lambda: list(store.entries(after=2)),
        "of a writer": lambda: list(store.entries(writer="a")),
        "of a stream": lambda: list(store.entries(stream="s")),
        "near, of a writer": lambda: list(store.entries(after=1, writer="a")),
        "of a log": lambda: list(log.entries()),
        "of a log, backwards": lambda: list(log.entries(reverse=True))[::-1],
        "watched": lambda: list(store.watch(after=0, timeout=0)) if store._binding.backend.owned else [],
    }
    for way, read in ways.items():
        found = read()
        assert erased_at(found) == ([3, 9] if found else []), way
        assert all(entry.payload_len == 8 for entry in found if entry.erased), way
    one, head = log.entry(2), log.head()
    assert one is not None
    assert one.erased
    assert head is not None
    assert head.erased
    with store.transaction():
        assert erased_at(list(log.entries())) == [3, 9]


def test_what_verifies_goes_on_to(store: Store) -> None:
    before = filled(store)
    receipt = store.receipt(before[2])
    store.erase([3, 9], KEY)
    log = store.log("s", "a")
    head = log.head()
    assert head is not None
    assert log.verify() == Head("s", "a", 5, before[8].content_hash)
    assert log.verify(since=before[2], contains=before[4]) is not None
    plain, keyed = store.verify(), store.verify(keys=KEY)
    assert plain.holds
    assert (plain.erased, plain.entries_hold) == (2, 10)
    assert keyed.holds, keyed
    assert (keyed.erased, keyed.signed) == (2, 10)
    gone = log.entry(2)
    assert gone is not None
    for text in (receipt, store.receipt(gone)):
        assert verify_receipt(text, gone, KEY.verifier).size == 10
        assert verify_receipt(text, before[2], KEY.verifier).size == 10
    entry = log.append(b"after an erased head", expected=head)
    assert entry.prev_hash == before[8].content_hash
    assert store.checkpoint(KEY).size == 11
    assert store.verify(keys=KEY).holds


def test_the_record_says_what_was_removed_and_why(store: Store) -> None:
    before = filled(store)
    (text,) = store.erase(before[2], KEY, reason=WHY).notes
    record = erasure.parse(text)
    assert record == (KEY.name, 3, 8, facts_of(before[2]).leaf_hash(), WHY)
    assert note.verify(note.parse(text), [_verifier(KEY)])
    (bare,) = store.erase(before[5], KEY).notes
    assert erasure.parse(bare).reason == ""
    empty = store.log("s", "b").entry(3)
    assert empty is not None
    assert (empty.erased, empty.payload_len) == (True, 0)
    assert store.verify(keys=KEY).holds


def _verifier(key: SigningKey) -> Any:
    from agent_store.evidence.keys import VerifierKey

    return VerifierKey.of(key)


def test_erased_twice_it_has_one_record(store: Store) -> None:
    before = filled(store)
    first = store.erase([3, 4], KEY, reason=WHY)
    again = store.erase([*store.entries(after=2)][:3], KEY, reason="another")
    assert again.notes[:2] == first.notes
    assert len(again.notes) == 3
    assert store.erase([before[3], 3, 3], KEY).notes == first.notes
    assert store.erase([], KEY).notes == ()
    assert store.verify(keys=KEY).erased == 3


def test_in_several_transactions(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "MOST", 3)
    filled(store)
    assert len(store.erase(range(1, 9), KEY).notes) == 8
    assert erased_at(list(store.entries())) == [*range(1, 9)]
    assert store.verify(keys=KEY).holds


def test_only_what_is_sealed_can_be_erased(store: Store) -> None:
    store.log("s", "w").append(b"x")
    with pytest.raises(NotSealed) as told:
        store.erase(1, KEY)
    assert (told.value.position, told.value.size) == (1, 0)
    store.checkpoint(KEY)
    entry = store.log("s", "w").append(b"y")
    with pytest.raises(NotSealed) as told:
        store.erase([1, entry], KEY)
    assert (told.value.position, told.value.size) == (2, 1)
    assert erased_at(list(store.entries())) == []
    store.checkpoint(KEY)
    store.erase([1, entry], KEY)
    assert erased_at(list(store.entries())) == [1, 2]


@pytest.mark.parametrize("key", [OTHER, STRANGER], ids=["another key", "another origin"])
def test_only_the_stores_key_may_erase(store: Store, key: SigningKey) -> None:
    filled(store)
    with pytest.raises(EvidenceRefused, match="signer"):
        store.erase(3, key)
    assert erased_at(list(store.entries())) == []


def test_what_does_not_stand_there_is_refused(store: Store) -> None:
    before = filled(store)
    e = before[2]
    other = Entry(e.stream, e.writer, e.seq, e.prev_hash, bytes(32), e.payload, e.position)
    withheld = Entry(e.stream, e.writer, e.seq, e.prev_hash, e.content_hash, None, e.position, 9)
    for wrong in (other, withheld):
        with pytest.raises(EvidenceRefused):
            store.erase([1, wrong], KEY)
    assert erased_at(list(store.entries())) == []
    store.erase(Entry(e.stream, e.writer, e.seq, e.prev_hash, e.content_hash, None, e.position, 8), KEY)
    assert erased_at(list(store.entries())) == [3]


def test_arguments(store: Store) -> None:
    filled(store)
    for wrong in ("3", [3.0], [True], [None], None):
        with pytest.raises(TypeError):
            store.erase(wrong, KEY)  # type: ignore[arg-type]
    for position in (0, -1, 1 << 63):
        with pytest.raises(ValueError, match="begin at 1"):
            store.erase(position, KEY)
    with pytest.raises(TypeError, match="reason"):
        store.erase(3, KEY, reason=b"x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="surrogates"):
        store.erase(3, KEY, reason="\ud800")
    with store.transaction(), pytest.raises(TransactionConflict):
        store.erase(3, KEY)
    assert erased_at(list(store.entries())) == []


@pytest.mark.differs("no second opening")
def test_damage_is_not_erased(place: Place) -> None:
    """It would hide it."""
    with place.open() as store:
        filled(store)
    place.damage(
        "UPDATE _agent_store_entries SET payload = CAST('altered' AS {blob}) WHERE position = 3".format(
            blob="bytea" if place.kind in {"postgres", "psycopg"} else "BLOB"
        )
    )
    with place.open() as store:
        for wanted in (3, [1, 3], [3, 4]):
            with pytest.raises(ChainBroken, match="hash"):
                store.erase(wanted, KEY)
        assert erased_at(list(store.entries())) == []
        store.erase(4, KEY)
        assert not store.verify(keys=KEY).holds


@pytest.mark.differs("no second opening")
def test_an_empty_payload_without_a_record_is_a_broken_hash(place: Place) -> None:
    with place.open() as store:
        filled(store)
    place.damage("UPDATE _agent_store_entries SET payload = substr(payload, 1, 0) WHERE position = 3")
    with place.open() as store:
        assert [(each.kind, each.position) for each in store.verify().breaks] == [("hash", 3)]
        with pytest.raises(ChainBroken, match="content_hash is"):
            store.log("s", "a").verify()
        assert erased_at(list(store.entries())) == []


PUT_BACK = """UPDATE _agent_store_entries SET payload = (
    SELECT payload FROM _agent_store_entries WHERE position = 2
) WHERE position = 3"""


@pytest.mark.differs("no second opening")
@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (PUT_BACK, "8 bytes of it are there"),
        ("UPDATE _agent_store_erasures SET payload_len = 9", "says otherwise"),
        ("UPDATE _agent_store_erasures SET position = 5", "8 bytes of it are there"),
        ("UPDATE _agent_store_erasures SET position = 50", "where no entry stands"),
        ("UPDATE _agent_store_erasures SET note = 'gone'", "no signed record"),
        ("UPDATE _agent_store_erasures SET position = 6", "of another position"),
    ],
)  # fmt: skip
def test_a_record_that_does_not_fit_is_found(place: Place, sql: str, said: str) -> None:
    with place.open() as store:
        filled(store)
        store.erase(3, KEY)
    place.damage(sql)
    with place.open() as store:
        found = [each for each in store.verify().breaks if each.kind == "erasure"]
        assert [said in each.detail for each in found] == [True], found
        assert not store.verify(keys=KEY).holds


@pytest.mark.differs("no second opening")
@pytest.mark.parametrize("how", ["another key", "another entry", "another origin", "not signed"])
def test_a_forged_record_is_found_by_who_has_the_keys(place: Place, how: str) -> None:
    with place.open() as store:
        before = filled(store)
        store.erase(3, KEY)
    leaf = facts_of(before[3 if how == "another entry" else 2]).leaf_hash()
    record = erasure.Record(STRANGER.name if how == "another origin" else KEY.name, 3, 8, leaf)
    forged = record.sign({"another key": OTHER, "another origin": STRANGER}.get(how, KEY))
    if how == "not signed":
        text, _, line = forged.rpartition("\n\n")
        forged = f"{text}\n\n{line[:-12]}AAAAAAAA{line[-4:]}"
    place.damage(f"UPDATE _agent_store_erasures SET note = '{forged}'")
    with place.open() as store:
        assert store.verify().holds
        verdict = store.verify(keys=KEY)
        assert [(each.kind, each.position) for each in verdict.breaks] == [("erasure", 3)]
        assert (verdict.integrity, verdict.authenticity) == ("fails", "fails")


def test_a_key_that_was_replaced_has_erased_for_good(store: Store) -> None:
    filled(store)
    store.erase(3, KEY)
    store.rotate(KEY, OTHER)
    with pytest.raises(EvidenceRefused):
        store.erase(4, KEY)
    store.erase(4, OTHER)
    store.log("s", "w").append(b"x")
    store.checkpoint(OTHER)
    store.erase(11, OTHER)
    verdict = store.verify(keys=[KEY.verifier])
    assert verdict.holds, verdict
    assert verdict.erased == 3


def test_the_answer(store: Store) -> None:
    filled(store)
    answer = store.erase(3, KEY)
    assert isinstance(answer, Erasure)
    assert answer.gone in {True, None}
    assert store.position() == 10


@pytest.mark.differs("one connection")
def test_two_who_erase_at_once_leave_one_record(store: Store) -> None:
    store.append_many([("s", "w", b"secret %d" % number) for number in range(200)])
    store.checkpoint(KEY)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: store.erase(range(1, 201), KEY).notes, range(4)))
    assert len(answers[0]) == 200
    assert all(notes == answers[0] for notes in answers)
    assert store.verify(keys=KEY).holds


@pytest.mark.differs("one connection")
def test_others_write_and_verify_meanwhile(store: Store) -> None:
    """Nobody sees a hash that is broken, nor half of an erasure."""
    rows = [("s", f"w{number % 5}", b"secret %d" % number) for number in range(2_000)]
    store.append_many(rows)
    store.checkpoint(KEY)
    over = Event()

    def look() -> list[str]:
        wrong: list[str] = []
        while not over.is_set():
            wrong += [str(each) for each in store.verify().breaks]
            wrong += [str(entry) for entry in store.entries() if not entry.erased and not entry.payload]
        return wrong

    def write() -> None:
        while not over.is_set():
            store.log("other", "w").append(b"more")

    with ThreadPoolExecutor(2) as pool:
        looking, writing = pool.submit(look), pool.submit(write)
        try:
            for start in range(1, 2_000, 400):
                store.erase(range(start, start + 200, 3), KEY)
        finally:
            over.set()
        assert looking.result() == []
        writing.result()
    store.checkpoint(KEY)
    assert store.verify(keys=KEY).holds
