"""A verdict while others seal, rotate and erase is no false alarm; and what hides behind other damage is told."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent_store import Break, Store, Verdict, export, export_tiles, verify_receipt, verify_tiles
from agent_store import open as open_store
from agent_store.errors import EvidenceRefused, StoreError
from agent_store.evidence import judging
from agent_store.evidence.asked import Asked
from agent_store.evidence.concluding import Found, conclude
from notes import LOG, Sealed, entries
from receipts import holds, told
from sealing import KEY, OTHER, append


def meanwhile(monkeypatch: pytest.MonkeyPatch, place: str, work: Callable[[], object]) -> None:
    """Do `work`, once, when a verdict comes to this place, before what is done there."""
    owner: Any = judging if place == "chained_of" else judging._Judge
    before, left = getattr(owner, place), [work]

    def first(*given: Any) -> Any:
        if left:
            left.pop()()
        return before(*given)

    monkeypatch.setattr(owner, place, first)


def seal_and_erase(store: Store, key: Any, position: int) -> None:
    append(store, 1)
    store.checkpoint(key)
    store.erase([position], key)


@pytest.mark.parametrize("asked", ["keys", "checkpoint"])
def test_sealed_and_erased_since(store: Store, monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    append(store, 5)
    known = store.checkpoint(KEY)
    append(store, 1)
    meanwhile(monkeypatch, "chained_of", lambda: seal_and_erase(store, KEY, 6))
    verdict = store.verify(keys=KEY if asked == "keys" else None, checkpoint=known)
    assert (verdict.holds, verdict.breaks) == (True, ()), verdict.reasons


def rotate_and(store: Store, *, erase: bool) -> None:
    store.rotate(KEY, OTHER)
    append(store, 1)
    store.checkpoint(OTHER)
    if erase:
        store.erase([2], OTHER)


@pytest.mark.parametrize("place_", ["_rotations", "chained_of"])
@pytest.mark.parametrize("erase", [False, True])
def test_rotated_since(store: Store, monkeypatch: pytest.MonkeyPatch, place_: str, erase: bool) -> None:
    append(store, 5)
    known = store.checkpoint(KEY)
    meanwhile(monkeypatch, place_, lambda: rotate_and(store, erase=erase))
    verdict = store.verify(keys=KEY, checkpoint=known)
    assert (verdict.holds, verdict.breaks) == (True, ()), verdict.reasons


def test_rotated_between_rotations_and_checkpoints(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    append(store, 5)
    known = store.checkpoint(KEY)
    learned = judging._Judge._rotations

    def then(judge: Any) -> bool:
        found = learned(judge)
        if store.position() == 5:
            rotate_and(store, erase=False)
        return found

    monkeypatch.setattr(judging._Judge, "_rotations", then)
    verdict = store.verify(keys=KEY, checkpoint=known)
    assert (verdict.holds, verdict.breaks) == (True, ()), verdict.reasons


def test_a_thousand_breaks_hide_no_forgery() -> None:
    chains = Verdict(1, 1, 0, tuple(Break("hash", "s", "w", 1, 1, "") for _ in range(1_000)), 1_000, 1)
    found = Found()
    found.broken("fork", "two histories")
    verdict = conclude(chains, found, Asked.of(KEY, None, None, None, None))
    assert (verdict.authenticity, len(verdict.breaks), verdict.breaks_total) == ("fails", 1_000, 1_001)


def test_no_payload_passes_as_erased() -> None:
    """Else whoever shows an entry could show any payload with it."""
    sealed = Sealed(entries(3))
    for payload, right in (("bm8=", False), ("", True), (None, True)):
        entry = told(sealed.entries[1], payload=payload, erased=True)
        assert holds(sealed.receipt(1), entry) == right
    with pytest.raises(EvidenceRefused):
        verify_receipt(sealed.receipt(1), {**told(sealed.entries[1]), "payload": b"no", "erased": True}, LOG)


class Begun(io.BytesIO):
    """A file, and what is done once the first line of an export is in it."""

    def __init__(self, work: Callable[[], object]) -> None:
        super().__init__()
        self.work: Callable[[], object] | None = work

    def write(self, data: Any) -> int:
        work, self.work = self.work, None
        if work is not None:
            work()
        return super().write(data)


def test_an_export_that_no_import_would_take_is_not_made(store: Store) -> None:
    """Its first line says what is sealed, and an entry was sealed and erased after it was written."""
    append(store, 5)
    store.checkpoint(KEY)
    append(store, 1)
    file = Begun(lambda: seal_and_erase(store, KEY, 6))
    with pytest.raises(StoreError, match="begin anew"):
        export(store, file)
    assert file.work is None


def test_a_quorum_of_none_is_no_witness(tmp_path: Path) -> None:
    """Nothing fails without any, and nobody is said to have seen it."""
    policy = f"log {KEY.verifier}\nquorum none\n"
    with open_store(":memory:") as store:
        append(store, 3)
        store.checkpoint(KEY)
        export_tiles(store, tmp_path / "tiles")
        of_store = store.verify(witnesses=policy)
    for verdict in (of_store, verify_tiles(tmp_path / "tiles", KEY, witnesses=policy)):
        assert (verdict.holds, verdict.signed, verdict.witnessed, verdict.cosigners) == (True, 3, 0, ())
