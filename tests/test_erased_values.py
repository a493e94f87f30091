"""An Entry without its payload, which was erased or is withheld."""

import copy
import pickle

import pytest

from agent_store import Entry
from agent_store.errors import PayloadErased

HASH, PREV = bytes(range(32)), bytes(range(1, 33))
WHOLE = Entry("s", "w", 2, PREV, HASH, b"payload", 9)
ERASED = Entry("s", "w", 2, PREV, HASH, None, 9, payload_len=7)


def test_it_is_an_entry_without_a_payload() -> None:
    assert (WHOLE.erased, WHOLE.payload_len) == (False, 7)
    assert (ERASED.erased, ERASED.payload_len) == (True, 7)
    for name in ("stream", "writer", "seq", "prev_hash", "content_hash", "position"):
        assert getattr(ERASED, name) == getattr(WHOLE, name)
    with pytest.raises(PayloadErased) as told:
        _ = ERASED.payload
    assert told.value.args == ("s", "w", 2, 9)
    assert str(pickle.loads(pickle.dumps(told.value))) == str(told.value)


def test_it_compares_by_all_that_it_has() -> None:
    same = Entry("s", "w", 2, PREV, HASH, None, 9, 7)
    assert same == ERASED
    assert hash(same) == hash(ERASED)
    assert ERASED != WHOLE
    assert WHOLE != ERASED
    assert Entry("s", "w", 2, PREV, HASH, None, 9, 8) != ERASED
    assert Entry("s", "w", 2, PREV, HASH, b"", 9) != Entry("s", "w", 2, PREV, HASH, None, 9, 0)
    assert Entry("s", "w", 3, PREV, HASH, None, 9, 7) != ERASED


@pytest.mark.parametrize("value", [ERASED, Entry("s", "w", 1, None, HASH, None, 1, 0), WHOLE])
def test_it_is_copied_and_pickled_as_it_is(value: Entry) -> None:
    for again in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):
        assert again == value
        assert (again.erased, again.payload_len) == (value.erased, value.payload_len)
        assert repr(again) == repr(value)


def test_its_repr_says_how_long_it_was() -> None:
    assert "payload=erased… 7 bytes, position=9" in repr(ERASED)


def test_its_length_must_be_told_and_be_right() -> None:
    with pytest.raises(ValueError, match="payload_len must say"):
        Entry("s", "w", 2, PREV, HASH, None, 9)
    with pytest.raises(ValueError, match="0 or more"):
        Entry("s", "w", 2, PREV, HASH, None, 9, -1)
    with pytest.raises(ValueError, match="payload_len is 6"):
        Entry("s", "w", 2, PREV, HASH, b"payload", 9, 6)
    assert Entry("s", "w", 2, PREV, HASH, b"payload", 9, 7) == WHOLE
    with pytest.raises(TypeError):
        Entry("s", "w", 2, PREV, HASH, "payload", 9)  # type: ignore[arg-type]
