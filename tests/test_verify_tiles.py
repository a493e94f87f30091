"""A directory of tiles, verified: what holds, every alteration of a file, and what whoever has it could do."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import agent_store
from agent_store import Checkpoint, SigningKey, Verdict, verify_tiles
from agent_store.evidence import cosignature, note
from sealing import KEY, OTHER, STRANGER, WITNESS
from tile_files import Files, files_of, leaves_of, read, signed, written


def some(entries: int, payload: bytes = b"%d") -> list[bytes]:
    """Leaves of three logs in turn."""
    with agent_store.open(":memory:") as store:
        store.append_many([("s", f"w{number % 3}", payload % number) for number in range(entries)])
        return leaves_of(store.entries())


LEAVES = some(70_000)
OTHERS = some(600, b"another %d")


def of(size: int, directory: Path) -> Path:
    return written(directory, files_of(LEAVES[:size], signed(LEAVES[:size], KEY)))


def verdict_of(directory: Path, **given: object) -> Verdict:
    return verify_tiles(directory, KEY.verifier, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 700, 65_535, 65_536, 70_000])
def test_what_is_whole_holds(tmp_path: Path, size: int) -> None:
    verdict = verdict_of(of(size, tmp_path))
    assert verdict.holds, verdict
    assert verdict.breaks == ()
    assert verdict.entries == verdict.entries_hold == verdict.chained == verdict.sealed == verdict.signed == size
    assert (verdict.logs, verdict.witnessed) == (min(size, 3), 0)
    assert verdict.checkpoint == signed(LEAVES[:size], KEY)
    found = (verdict.integrity, verdict.completeness, verdict.authenticity, verdict.freshness)
    assert found == ("holds", "holds", "holds", "not asked")


def test_the_full_file_stands_for_a_partial_one(tmp_path: Path) -> None:
    """Another export may have gone on since, and partial files may be gone then."""
    of(700, tmp_path)
    for name in read(tmp_path):
        if ".p/" in name or name == "checkpoint":
            (tmp_path / name).unlink()
    of(1_100, tmp_path)
    (tmp_path / "checkpoint").write_text(signed(LEAVES[:700], KEY))
    (tmp_path / "tile/1/000.p/2").write_bytes((tmp_path / "tile/1/000.p/4").read_bytes()[:64])
    verdict = verdict_of(tmp_path)
    assert verdict.holds, verdict
    assert verdict.entries == 700


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """To be altered, and made whole again."""
    return of(600, tmp_path_factory.mktemp("tiles"))


FILES = files_of(LEAVES[:600], signed(LEAVES[:600], KEY))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from(sorted(FILES)))
def test_no_altered_file_holds(whole: Path, data: st.DataObject, name: str) -> None:
    before = FILES[name]
    at = data.draw(st.integers(0, len(before) - 1))
    how: Callable[[], bytes] = data.draw(st.sampled_from([
        lambda: before[:at] + bytes([before[at] ^ 1 << at % 8]) + before[at + 1 :],
        lambda: before[:at],
        lambda: before[:at] + before[at + 1 :],
        lambda: before[:at] + b"\0" + before[at:],
        lambda: before + before[at:],
        lambda: b"",
    ]))  # fmt: skip
    (whole / name).write_bytes(how())
    try:
        verdict = verdict_of(whole)
        assert not verdict.holds
        assert verdict.reasons
    finally:
        (whole / name).write_bytes(before)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_missing_file_is_named(whole: Path, name: str) -> None:
    (whole / name).unlink()
    try:
        verdict = verdict_of(whole)
    finally:
        (whole / name).write_bytes(FILES[name])
    assert not verdict.holds
    said = " ".join([*verdict.reasons, *(found.detail for found in verdict.breaks)])
    assert {
        "checkpoint": "there is no checkpoint",
        "tile/0/000": "tile 0 of level 0 is missing",
        "tile/0/001": "tile 1 of level 0 is missing",
        "tile/0/002.p/88": "tile 2 of level 0 is missing",
        "tile/1/000.p/2": "tile 0 of level 1 is missing",
        "tile/entries/000": "the bundle of positions 1 to 256 is missing",
        "tile/entries/001": "the bundle of positions 257 to 512 is missing",
        "tile/entries/002.p/88": "the bundle of positions 513 to 600 is missing",
    }[name] in said


def test_a_lost_bundle_is_one_break(tmp_path: Path) -> None:
    """What its tile has holds the tree together, and what comes after is no gap of its log."""
    of(700, tmp_path)
    (tmp_path / "tile/entries/001").unlink()
    verdict = verdict_of(tmp_path)
    assert [(found.kind, found.position) for found in verdict.breaks] == [("gap", 257)]
    assert (verdict.completeness, verdict.authenticity) == ("fails", "holds")
    assert (verdict.entries, verdict.chained) == (700 - 256, 256)


def test_an_altered_leaf_is_named_by_its_place(tmp_path: Path) -> None:
    files = files_of(LEAVES[:700], signed(LEAVES[:700], KEY))
    bundle = files["tile/entries/001"]
    leaf = LEAVES[300]
    written(tmp_path, {**files, "tile/entries/001": bundle.replace(leaf, leaf[:-1] + b"\xff")})
    verdict = verdict_of(tmp_path)
    (found,) = verdict.breaks
    assert (found.kind, found.stream, found.writer, found.seq, found.position) == ("seal", "s", "w0", 101, 301)
    assert (verdict.integrity, verdict.entries_hold, verdict.chained) == ("fails", 699, 300)


@pytest.mark.parametrize("name", ["tile/0/001", "tile/0/002.p/188", "tile/1/000.p/2", "tile/entries/002.p/188"])
def test_one_alteration_is_one_break(tmp_path: Path, name: str) -> None:
    """Whatever else hangs on it."""
    of(700, tmp_path)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    (found,) = verdict_of(tmp_path).breaks
    assert (found.kind, found.position) == ("seal", {"tile/0/001": 512, "tile/1/000.p/2": 257}.get(name, 700))


def test_a_full_tile_above_the_leaves(tmp_path: Path) -> None:
    of(70_000, tmp_path)
    tile = (tmp_path / "tile/1/000").read_bytes()
    (tmp_path / "tile/1/000").write_bytes(tile[:320] + bytes(32) + tile[352:])
    (found,) = verdict_of(tmp_path).breaks
    assert (found.kind, found.position) == ("seal", 2_561)
    assert found.detail == "tile 0 of level 1 is not made of the roots of the tiles below it"


def test_everything_recomputed_after_an_edit_under_the_old_checkpoint(tmp_path: Path) -> None:
    """By whoever can write the files, and has not the key."""
    written(tmp_path, files_of(LEAVES[1:301], signed(LEAVES[:300], KEY)))
    verdict = verdict_of(tmp_path)
    assert (verdict.integrity, verdict.signed) == ("fails", 0)
    assert "the tree has another root than its checkpoint" in [found.detail for found in verdict.breaks]
    written(tmp_path, files_of(OTHERS[:300], signed(LEAVES[:300], KEY)))
    (found,) = verdict_of(tmp_path).breaks
    assert (found.kind, found.detail) == ("seal", "the tree has another root than its checkpoint")


def resigned(leaves: list[bytes], key: SigningKey, directory: Path) -> Path:
    return written(directory, files_of(leaves, signed(leaves, key)))


@pytest.mark.parametrize(
    ("leaves", "kind", "position", "detail"),
    [
        ([*LEAVES[:5], *LEAVES[6:20]], "gap", 8, "entry 2 is missing"),
        ([*LEAVES[:5], *LEAVES[4:20]], "order", 6, "it stands after entry 2 of its log"),
        ([*LEAVES[:3], LEAVES[597]], "gap", 4, "entries 2 to 199 are missing"),
        ([*LEAVES[:3], LEAVES[3][:-60] + b"\1" + LEAVES[3][-59:]], "link", 4, "prev_hash is not the content_hash"),
        ([*LEAVES[:3], b"a leaf of another program"], "malformed", 4, "the leaf is not that of an entry"),
        ([*LEAVES[:3], LEAVES[3] + b"\0"], "malformed", 4, "the leaf is not that of an entry"),
    ],
)
def test_what_was_signed_and_is_no_chain(
    tmp_path: Path, leaves: list[bytes], kind: str, position: int, detail: str
) -> None:
    """Whoever has the key can sign anything; that it is no history can be seen all the same."""
    verdict = verdict_of(resigned(leaves, KEY, tmp_path))
    assert not verdict.holds
    first = verdict.breaks[0]
    assert (first.kind, first.position) == (kind, position)
    assert detail in first.detail
    assert verdict.authenticity == "holds"
    assert verdict.entries_hold == len(leaves) - len({found.position for found in verdict.breaks})


@pytest.mark.parametrize("key", [OTHER, STRANGER])
def test_somebody_elses_tree(tmp_path: Path, key: SigningKey) -> None:
    """Recomputed after an edit, by whoever has not the key; and another's, under its own name."""
    verdict = verdict_of(resigned(LEAVES[1:400], key, tmp_path))
    assert not verdict.holds
    assert (verdict.authenticity, verdict.completeness, verdict.signed) == ("fails", "fails", 0)
    assert any("is not to be trusted" in reason for reason in verdict.reasons)


def test_a_signature_stripped_and_a_signature_of_something_else(tmp_path: Path) -> None:
    of(300, tmp_path)
    text, _, _ = signed(LEAVES[:300], KEY).partition("\n\n")
    older = signed(LEAVES[:200], KEY).partition("\n\n")[2]
    for forged in (f"{text}\n", f"{text}\n\n", f"{text}\n\n{older}", "", "\xff"):
        (tmp_path / "checkpoint").write_text(forged)
        verdict = verdict_of(tmp_path)
        assert (verdict.holds, verdict.authenticity, verdict.completeness) == (False, "fails", "fails"), forged
    (tmp_path / "checkpoint").write_bytes(b"\xff\xfe\n")
    assert verdict_of(tmp_path).authenticity == "fails"


@pytest.mark.parametrize("size", [1_000, 70_000, 2**63 - 1])
def test_a_size_that_nobody_could_read(tmp_path: Path, size: int) -> None:
    """Signed or not: it takes no longer than what is there, and not all that is missing is listed."""
    for key in (KEY, OTHER):
        written(tmp_path, {**files_of(LEAVES[:300], ""), "checkpoint": signed(LEAVES[:300], key, size=size).encode()})
        verdict = verdict_of(tmp_path)
        assert (verdict.holds, verdict.integrity, verdict.completeness) == (False, "fails", "fails")
        assert 4 <= len(verdict.breaks) <= 1_000


def test_an_older_export_put_back(tmp_path: Path) -> None:
    of(300, tmp_path)
    assert verdict_of(tmp_path, checkpoint=signed(LEAVES[:300], KEY)).freshness == "holds"
    assert verdict_of(tmp_path, checkpoint=signed(LEAVES[:7], KEY)).freshness == "holds"
    assert verdict_of(tmp_path, checkpoint=signed([], KEY)).freshness == "holds"
    verdict = verdict_of(tmp_path, checkpoint=signed(LEAVES[:301], KEY))
    assert (verdict.freshness, verdict.completeness, verdict.authenticity) == ("fails", "fails", "holds")
    assert "covers 301 entries, and the one in the directory 300" in " ".join(verdict.reasons)


@pytest.mark.parametrize("size", [2, 255, 256, 257, 300])
def test_a_second_history(tmp_path: Path, size: int) -> None:
    """Equal size and another root, or a beginning that is another: both are signed."""
    of(300, tmp_path)
    verdict = verdict_of(tmp_path, checkpoint=signed(OTHERS[:size], KEY))
    assert not verdict.holds
    assert [found.kind for found in verdict.breaks] == ["fork"]
    assert (verdict.freshness, verdict.authenticity) == ("fails", "fails")


def test_a_given_checkpoint_that_is_not_the_stores(tmp_path: Path) -> None:
    of(300, tmp_path)
    verdict = verdict_of(tmp_path, checkpoint=signed(LEAVES[:200], OTHER))
    assert not verdict.holds
    assert "the checkpoint that was given is not to be trusted" in " ".join(verdict.reasons)
    with pytest.raises(ValueError, match="origin"):
        verdict_of(tmp_path, checkpoint=signed(LEAVES[:200], STRANGER))


def cosigned(text: str, key: SigningKey, when: int) -> bytes:
    checkpoint = Checkpoint(text)
    line = cosignature.cosign(checkpoint, key, when)
    return str(note.Note(checkpoint.note.text, (*checkpoint.note.signatures, line))).encode()


def test_witnesses(tmp_path: Path) -> None:
    of(300, tmp_path)
    vkey, now = WITNESS.witness_verifier, int(time.time())
    verdict = verdict_of(tmp_path, witnesses=vkey)
    assert (verdict.holds, verdict.authenticity, verdict.witnessed) == (False, "fails", 0)
    (tmp_path / "checkpoint").write_bytes(cosigned(signed(LEAVES[:300], KEY), WITNESS, now - 1_000))
    verdict = verdict_of(tmp_path, witnesses=vkey, max_age=5_000)
    assert (verdict.holds, verdict.witnessed, verdict.freshness) == (True, 300, "holds")
    assert verdict.cosigners == ((WITNESS.name, now - 1_000),)
    verdict = verdict_of(tmp_path, witnesses=vkey, max_age=500)
    assert (verdict.holds, verdict.witnessed, verdict.freshness) == (False, 300, "fails")
    either = f"witness a {vkey}\nwitness b {OTHER.witness_verifier}\ngroup one any a b\nquorum one\n"
    assert verdict_of(tmp_path, witnesses=either).witnessed == 300
    assert verdict_of(tmp_path, witnesses=[vkey, OTHER.witness_verifier]).witnessed == 0


def test_what_is_no_directory(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        verdict_of(tmp_path / "nothing")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        verdict_of(tmp_path / "file")
    with pytest.raises(ValueError, match="keys has no key"):
        verify_tiles(tmp_path, [])
    verdict = verdict_of(tmp_path)
    assert (verdict.holds, verdict.entries, verdict.completeness, verdict.authenticity) == (False, 0, "fails", "fails")


def test_directories_where_files_should_be(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    assert not verdict_of(tmp_path).holds
    (tmp_path / "checkpoint").rmdir()
    of(300, tmp_path)
    (tmp_path / "tile/0/000").unlink()
    (tmp_path / "tile/0/000").mkdir()
    verdict = verdict_of(tmp_path)
    assert [found.detail for found in verdict.breaks] == ["tile 0 of level 0 is missing"]


def test_what_is_not_of_this_tree_is_not_looked_at(tmp_path: Path) -> None:
    """Partial files of earlier exports, and what an export left that was killed."""
    of(300, tmp_path)
    of(200, tmp_path / "other")
    more: Files = {"tile/0/000.p/200": b"?", "tile/0/001.p/7": b"?", "tile/0/002-unfinished-00": b"?", "x": b"?"}
    written(tmp_path, more)
    assert verdict_of(tmp_path).holds
