"""The values that calls return, the hashes in them, the errors, and the policy."""

import pickle
from pathlib import Path

import pytest

import agent_store
from agent_store import CommitEvent, Entry, Fingerprint, Head, Store, StorePolicy, errors
from blake3_rule import blake3, chain

EMPTY = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
# The published vectors: the input is 0, 1, … 250, 0, 1, … of that length.
VECTORS = {
    0: EMPTY,
    1: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
    2: "7b7015bb92cf0b318037702a6cdd81dee41224f734684c2c122cd6359cb1ee63",
    64: "4eed7141ea4a5cd4b788606bd23f46e212af9cacebacdc7d1f4c6dc7f2511b98",
    1_023: "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11",
    1_024: "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
    1_025: "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
    2_048: "e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a",
}
HASH, OTHER = bytes(range(32)), bytes(32)
ENTRY = Entry(stream="s", writer="w", seq=2, prev_hash=OTHER, content_hash=HASH, payload=b"p" * 17, position=9)
HEAD = Head(stream="s", writer="w", seq=2, content_hash=HASH)
EVENT = CommitEvent(stream="s", writer="w", seq=2, content_hash=HASH, position=9)
FINGERPRINT = Fingerprint(HASH)
VALUES = [ENTRY, HEAD, EVENT, FINGERPRINT]


def pattern(length: int) -> bytes:
    return bytes(number % 251 for number in range(length))


@pytest.mark.parametrize("length", VECTORS)
def test_the_first_hash_is_the_published_blake3_of_the_payload(store: Store, length: int) -> None:
    entry = store.log("s", "w").append(pattern(length))
    assert (entry.content_hash.hex(), entry.prev_hash) == (VECTORS[length], None)
    assert blake3(pattern(length)).hex() == VECTORS[length]


def test_a_chain_hashes_the_hash_before_and_the_payload(store: Store) -> None:
    payloads = [b"", b"", b"hello", b"\0", pattern(32), pattern(992), b""]
    log = store.log("s", "w")
    half = [log.append(payload) for payload in payloads[:3]]
    log.append_many(payloads[3:])
    hashes = chain(payloads)
    assert hashes[0].hex() == EMPTY
    assert [entry.content_hash for entry in log.entries()] == hashes
    assert [entry.prev_hash for entry in log.entries()] == [None, *hashes[:-1]]
    assert list(log.entries(stop=4)) == half


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_are_equal_to_their_pickle_and_hash_alike(value: object) -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(value, protocol))
        assert type(again) is type(value)
        assert again == value
        assert hash(again) == hash(value)
        assert repr(again) == repr(value)
        assert len({again, value}) == 1
    assert value != object()
    assert all((value == other) is (value is other) for other in VALUES)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_are_immutable(value: object) -> None:
    for name in (*getattr(value, "__match_args__", ("hex",)), "erased", "another"):
        with pytest.raises(AttributeError):
            setattr(value, name, None)


@pytest.mark.parametrize("name", Entry.__match_args__)
def test_each_field_of_an_entry_counts_in_comparison(name: str) -> None:
    fields = {field: getattr(ENTRY, field) for field in Entry.__match_args__}
    others = {
        "stream": "x",
        "writer": "x",
        "seq": 3,
        "prev_hash": None,
        "content_hash": OTHER,
        "payload": b"",
        "position": 8,
    }
    assert Entry(**fields) == ENTRY
    assert Entry(**{**fields, name: others[name]}) != ENTRY


@pytest.mark.parametrize("length", [0, 31, 33])
def test_hashes_have_32_bytes(length: int) -> None:
    with pytest.raises(ValueError, match="32"):
        Head("s", "w", 1, bytes(length))
    with pytest.raises(ValueError, match="32"):
        Entry("s", "w", 1, bytes(length), HASH, b"", 1)
    with pytest.raises(ValueError, match="32"):
        CommitEvent("s", "w", 1, bytes(length), 1)
    with pytest.raises(ValueError, match="32"):
        Fingerprint(bytes(length))
    with pytest.raises(ValueError, match="32"):
        Fingerprint.from_ed25519_public_key(bytes(length))


def test_reprs_show_little_of_payload_and_hashes() -> None:
    text = repr(ENTRY)
    assert "stream='s', writer='w', seq=2" in text
    assert "b'" + "p" * 16 + "'" in text
    assert "17 bytes" in text
    assert "position=9" in text
    for value in (ENTRY, HEAD, EVENT):
        shown = repr(value)
        assert shown.startswith(type(value).__name__ + "(")
        assert HASH.hex()[:8] in shown
        assert HASH.hex()[:10] not in shown
    assert "bytes" not in repr(Entry("s", "w", 1, None, HASH, b"p" * 16, 1))


def test_entries_match_and_are_not_erased(store: Store) -> None:
    entry = store.log("s", "w").append(b"hello")
    assert entry.erased is False
    match entry:
        case Entry(stream, writer, 1, None, content_hash, payload, position):
            assert (stream, writer, content_hash, payload, position) == ("s", "w", blake3(b"hello"), b"hello", 1)
        case _:
            pytest.fail("no match")


def test_a_fingerprint_is_the_blake3_of_the_key() -> None:
    made = Fingerprint.from_ed25519_public_key(pattern(32))
    assert bytes(made) == blake3(pattern(32))
    assert made.hex == str(made) == blake3(pattern(32)).hex()
    assert Fingerprint.from_hex(made.hex) == made == Fingerprint(bytes(made))
    assert hash(Fingerprint.from_hex(made.hex)) == hash(made)
    assert made.hex in repr(made)
    for wrong in ("", "0" * 63, "0" * 65, "g" * 64):
        with pytest.raises(ValueError, match="64 hex digits"):
            Fingerprint.from_hex(wrong)


@pytest.mark.parametrize(
    "error",
    [
        errors.StoreError("x"),
        errors.BackendError("x"),
        errors.ChainBroken("s", "w", 3, "x"),
        errors.MalformedRow(None, None, None, "x"),
        errors.NonMonotonicGeneration("k", 5, 4),
        errors.HeadMoved("s", "w", None, (1, HASH)),
        errors.BusyError("the lock", 1.5),
        errors.OutcomeUnknown("x", [HEAD], 1),
        errors.TransactionConflict("x"),
        errors.ReadOnlyStore("x"),
        errors.CorruptDatabase("x"),
        errors.StoreReplaced("x"),
        errors.StoreClosed(),
        errors.ForkedStore(),
        errors.UnsupportedFormat("x"),
        errors.PayloadErased("s", "w", 3, 7),
        errors.MalformedEvidence("checkpoint", "x"),
        errors.EvidenceRefused("receipt", "x"),
        errors.NotSealed(7, 3),
        errors.WitnessBehind("o", 7, 3),
        errors.ForkFound("o", 7, "ours", "theirs"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_keep_their_facts_in_a_pickle(error: errors.StoreError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, errors.StoreError)
    assert type(again) is type(error)
    assert (vars(again), again.args, str(again)) == (vars(error), error.args, str(error))
    assert str(error)


def test_every_error_is_a_store_error() -> None:
    found = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert len(found) == 23
    assert all(issubclass(error, errors.StoreError) for error in found)


def test_errors_that_were_raised_can_be_pickled(store: Store) -> None:
    log = store.log("s", "w")
    log.append(b"a")
    store.generation("g").set(5)
    with pytest.raises(errors.HeadMoved) as moved:
        log.append(b"b", expected=None)
    with pytest.raises(errors.NonMonotonicGeneration) as fell:
        store.generation("g").set(4)
    for error in (moved.value, fell.value):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), vars(again)) == (type(error), vars(error))


def test_a_policy_opens_targets_of_its_backend_only(path: Path) -> None:
    assert StorePolicy() == StorePolicy.from_mapping({}) == StorePolicy.from_mapping({"backend": "sqlite", "x": 1})
    with StorePolicy.from_mapping({"backend": "sqlite"}).open(path, durability="normal") as store:
        assert store.info()["durability"] == "normal"
    with pytest.raises(ValueError, match="postgres"):
        StorePolicy().open("postgresql://localhost/x")
    with pytest.raises(ValueError, match="sqlite"):
        StorePolicy("postgres").open(path)
    with pytest.raises(ValueError, match="mysql"):
        StorePolicy.from_mapping({"backend": "mysql"})


def test_a_policy_is_a_value() -> None:
    policy = StorePolicy.from_mapping({"backend": "postgres"})
    assert pickle.loads(pickle.dumps(policy)) == policy == StorePolicy("postgres") != StorePolicy()
    with pytest.raises(AttributeError):
        setattr(policy, "backend", "sqlite")  # noqa: B010 - for the type checker it cannot be assigned


def test_a_postgres_target_makes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.BackendError):
        agent_store.open("postgresql://localhost/x")
    assert not list(tmp_path.iterdir())
