"""What each call of the checker takes and says: rows that wait and their answers, wrong types, copies, positions."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_store import _core
from agent_store.errors import BackendError
from feeding import chain, copied, found


def test_only_what_follows_nothing_known_waits() -> None:
    rows = chain([b"a", b"b", b"c", b"d"])
    checker = _core.Checker(None)
    checker.rows(rows[1:])
    assert checker.waiting == [(1, 2)]
    assert checker.held > 0
    assert checker.entries == 3
    with pytest.raises(ValueError, match="wait"):
        checker.findings(1, {})
    checker.answer([(1, 2, 1, rows[0][3], 1)])
    assert checker.waiting == []
    assert checker.held == 0
    assert checker.findings(1, {}).entries_hold == 3


def test_what_is_asked_and_not_answered_is_not_there() -> None:
    checker = _core.Checker(None)
    checker.rows(chain([b"a", b"b"])[1:])
    assert checker.waiting
    checker.answer([])
    [(kind, _, _, seq, position, detail)] = checker.findings(1, {}).breaks
    assert (kind, seq, position, detail) == ("gap", 1, 2, "entry 1 is missing")


def test_only_what_was_listed_is_answered() -> None:
    rows = chain([b"a", b"b"])
    checker = _core.Checker(None)
    checker.rows([rows[1]])
    assert len(checker.waiting) == 1
    checker.rows([(3, 2, 2, rows[1][3], b"b")])
    checker.answer([(1, 2, 1, rows[0][3], 1)])
    assert checker.waiting == [(2, 2)]
    checker.answer([(2, 2, 1, rows[0][3], 2)])
    checker.answer([])  # of nothing
    assert checker.findings(2, {}).breaks == []


def test_an_answer_must_go_before_what_it_answers() -> None:
    checker = _core.Checker(None)
    with pytest.raises(ValueError, match="does not go before"):
        checker.answer([(1, 2, 2, bytes(32), 1)])


@pytest.mark.parametrize(
    ("column", "value", "detail"),
    [
        (0, None, "position is 0, below 1"),
        (0, "1", "position is 0, below 1"),
        (1, None, "log or seq is not an integer"),
        (1, 1.0, "log or seq is not an integer"),
        (2, "2", "log or seq is not an integer"),
        (2, 2**63, "log or seq is not an integer"),
        (3, None, "content_hash is not a blob"),
        (3, "x" * 32, "content_hash is not a blob"),
        (3, bytes(31), "content_hash has 31 bytes instead of 32"),
        (4, None, "payload is not a blob"),
        (4, 5, "payload is not a blob"),
    ],
)
def test_a_value_of_a_wrong_type_is_a_finding(column: int, value: object, detail: str) -> None:
    row = list(chain([b"a"])[0])
    row[column] = value
    checker = _core.Checker(1)
    checker.rows([(row[0], row[1], row[2], row[3], row[4])])
    findings = checker.findings(1, {})
    assert [(found[0], found[5]) for found in findings.breaks] == [("malformed", detail)]
    assert (findings.entries, findings.entries_hold) == (1, 0)


@pytest.mark.parametrize("buffer", [bytearray, memoryview])
def test_other_buffers_hold_as_bytes_do(buffer: Callable[[bytes], object]) -> None:
    [(position, log, seq, content_hash, payload)] = chain([b"a"])
    checker = _core.Checker(1)
    checker.rows([(position, log, seq, buffer(content_hash), buffer(payload))])
    assert checker.findings(1, {}).entries_hold == 1


@pytest.mark.parametrize("row", [(1, 1, 1, bytes(32)), [1, 1, 1, bytes(32), b""], None])
def test_what_is_no_row_is_an_error_of_the_feeder(row: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        _core.Checker(1).rows([row])


def test_a_copy_is_read_as_it_is_written() -> None:
    rows = _core.extend(1, 1, 0, None, [b"a", b""])
    assert copied([*rows]) == _core.copy_block(rows)


def test_nulls_of_a_copy_are_malformed() -> None:
    stream = bytearray(_core.copy_block([]))
    stream[-2:] = b"\0\5" + b"\xff" * 20 + b"\xff\xff"
    checker = _core.Checker(1)
    checker.copy([bytes(stream)])
    checker.end_copy()
    [(kind, *_, detail)] = checker.findings(0, {}).breaks
    assert (kind, detail) == ("malformed", "log or seq is not an integer")


def test_a_copy_that_is_not_whole_is_an_error() -> None:
    stream = _core.copy_block(_core.extend(1, 1, 0, None, [b"a"]))
    checker = _core.Checker(1)
    checker.copy([stream[:-3]])
    with pytest.raises(ValueError, match="COPY"):
        checker.findings(1, {})
    with pytest.raises(BackendError, match="cut off"):
        checker.end_copy()
    for wrong in (b"2026\t1", stream[:19] + b"\0\4", stream + b"\0"):
        with pytest.raises(BackendError, match="COPY"):
            _core.Checker(1).copy([wrong])


def test_one_copy_may_follow_another() -> None:
    rows = _core.extend(1, 1, 0, None, [b"a", b"b", b"c"])
    checker = _core.Checker(1)
    for part in (rows[:2], [], rows[2:]):
        checker.copy([_core.copy_block(part)])
        checker.end_copy()
    assert found(checker.findings(1, {}, (3, rows[2][3]))) == {
        "entries": 3,
        "entries_hold": 3,
        "logs": 1,
        "breaks": [],
        "breaks_total": 0,
        "broken_logs": 0,
        "head": (3, rows[2][3]),
        "root": None,
        "erased": 0,
    }


def test_positions_must_go_on_to_the_last() -> None:
    checker = _core.Checker(1)
    checker.rows(chain([b"a", b"b"]))
    checker.finish(4)
    [(kind, *_, position, detail)] = checker.findings(1, {}).breaks
    assert (kind, position) == ("gap", 3)
    assert detail.startswith("positions 3 to 4 are missing")


def test_positions_below_one_make_no_holes() -> None:
    rows = chain([b"a", b"b"])
    checker = _core.Checker(1)
    checker.rows([(-5, 9, 1, bytes(32), b""), *rows])
    checker.finish(2)
    [(kind, *_, position, detail)] = checker.findings(1, {}).breaks
    assert (kind, position, detail) == ("malformed", -5, "position is -5, below 1")


def test_positions_that_cannot_be_read_are_a_finding_and_no_gap() -> None:
    rows = chain([b"a", b"b", b"c", b"d"])
    checker = _core.Checker(1)
    checker.rows(rows[:1])
    checker.unreadable(2, 3, "bad page")
    checker.rows(rows[3:])
    assert checker.waiting == [(1, 4)]
    checker.answer([(1, 4, 3, rows[2][3], 3)])
    checker.finish(4)
    [(kind, *_, position, detail)] = checker.findings(1, {}).breaks
    assert (kind, position, detail) == ("corrupt", 2, "positions 2 to 3 could not be read: bad page")


def test_what_the_feeder_found_is_told_with_its_names() -> None:
    checker = _core.Checker(1)
    kinds = ("schema", "index", "gap", "hash", "link", "order", "orphan", "malformed", "corrupt")
    for log, kind in enumerate(kinds):
        checker.report(kind, log or None, 1, None, f"a {kind}")
    with pytest.raises(ValueError, match="no kind"):
        checker.report("kind", None, None, None, "")
    assert checker.broken == [*range(1, 9)]
    findings = checker.findings(9, {1: ("s", "w")})
    told = [(kind, stream, writer, detail) for kind, stream, writer, _, _, detail in findings.breaks]
    assert told == [(kind, *(("s", "w") if kind == "index" else (None, None)), f"a {kind}") for kind in kinds]
    assert findings.broken_logs == 8


@settings(max_examples=50)
@given(st.binary(max_size=200), st.integers(1, 50), st.booleans())
def test_no_bytes_at_all_do_harm(stream: bytes, size: int, begun: bool) -> None:
    stream = _core.copy_block([])[:-2] * begun + stream
    checker = _core.Checker(1)
    try:
        for start in range(0, len(stream), size):
            checker.copy([stream[start : start + size]])
        checker.end_copy()
    except BackendError:
        return
    assert stream.endswith(b"\xff\xff")
