"""Whatever is changed in a store behind its back, `verify` says what and where."""

import time

import pytest
from _pytest.mark import ParameterSet

from agent_store import Store, Verdict
from stores import Place, Schema
from tamper_cases import CASES, ON_POSTGRES, Case
from tampering import LOGS, fill

pytestmark = [pytest.mark.timeout(20), pytest.mark.differs("no second opening")]


def marked(case: Case) -> ParameterSet:
    """With a mark where it cannot be on every kind."""
    never = case.postgres is not None and case.postgres.startswith("of ")
    return pytest.param(case, marks=[pytest.mark.differs(case.postgres)] if never else [], id=case.name)


def verify(store: Store, seconds: float = 5) -> Verdict:
    """One that takes longer is told as such."""
    end = time.monotonic() + seconds

    def within(done: int, total: int) -> None:
        if time.monotonic() > end:
            raise TimeoutError(f"verify was at {done} of {total} after {seconds} s")

    return store.verify(progress=within)


def names(log: int | None) -> tuple[str | None, str | None]:
    if log is None:
        return None, None
    return ("room", "new") if log == 4 else LOGS[log - 1]


@pytest.mark.parametrize("case", [marked(case) for case in CASES])
def test_found(place: Place, case: Case) -> None:
    sql = case.sql if isinstance(case.sql, str) else case.sql()
    if case.postgres is not None and isinstance(place, Schema):
        sql = case.postgres
    find(place, case, sql)


@pytest.mark.differs("of a server")
@pytest.mark.parametrize("case", ON_POSTGRES, ids=lambda case: case.name)
def test_found_on_a_server(place: Place, case: Case) -> None:
    assert isinstance(case.sql, str)
    find(place, case, case.sql)


@pytest.mark.parametrize("table", ["tiles", "notes", "erasures"])
def test_a_table_of_evidence_that_is_not_there_is_found(place: Place, table: str) -> None:
    with place.open() as store:
        fill(store)
    place.damage(f"DROP TABLE _agent_store_{table}", guards=False)
    with place.open() as store:
        kinds = {found.kind for found in verify(store).breaks}
        assert kinds == {"schema"}


def find(place: Place, case: Case, sql: str) -> None:
    with place.open() as store:
        fill(store)
    place.damage(sql, guards=case.guards, loose=case.loose, detach=case.detach)
    options = {"read_only": True} if place.kind in {"file", "postgres"} else {}
    with place.open(**options) as store:
        verdict = verify(store)
        told = [(found.kind, found.stream, found.writer, found.seq) for found in verdict.breaks]
        assert told == [(kind, *names(log), seq) for kind, log, seq in case.breaks]
        assert verdict.breaks_total == len(told)
        assert not verdict.holds
        if case.position is not None:
            assert verdict.breaks[0].position == case.position
        if case.hold is not None:
            assert verdict.entries_hold == case.hold
        broken = {log for _, log, _ in case.breaks if log is not None}
        for log, name in enumerate(LOGS, 1):
            if log not in broken:
                store.log(*name).verify()
        if case.raised is not None:
            of = case.log or case.breaks[0][1]
            seq = case.seq or next(seq for _, log, seq in case.breaks if log == of)
            stream, writer = names(of)
            assert stream is not None
            assert writer is not None
            with pytest.raises(case.raised) as raised:
                store.log(stream, writer).verify()
            assert raised.type is case.raised
            assert (raised.value.stream, raised.value.writer, raised.value.seq) == (stream, writer, seq)  # type: ignore[attr-defined]
