"""The text of a receipt, byte by byte, and the facts that come with it, of whatever type."""

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from agent_store import Checkpoint, errors, verify_receipt
from agent_store.evidence import receipt
from agent_store.evidence.checkpoint import text_of
from notes import LOG, WITNESS, Sealed, mutations, resigned
from receipts import EXAMPLE, REFUSED, SEALED, holds, told


def test_no_byte_can_be_changed() -> None:
    """But in the signature of a key that nobody asked for, and its bytes are not even looked at."""
    entry = told(SEALED.entries[5])
    text = SEALED.receipt(5)
    asked_for = text.index(f"— {WITNESS.name}")
    assert holds(text, entry, LOG, WITNESS)
    for changed in mutations(text):
        assert not holds(changed, entry, LOG, WITNESS), changed
    for changed in mutations(text[:asked_for]):
        assert not holds(changed + text[asked_for:], entry, LOG), changed


def test_an_extra_line_is_passed_over_and_a_second_is_not() -> None:
    first, rest = SEALED.receipt(5).split("\n", 1)
    entry = told(SEALED.entries[5])
    assert holds(f"{first}\nextra YWdl\n{rest}", entry)
    assert not holds(f"{first}\nextra YWdl\nextra YWdl\n{rest}", entry)
    assert not holds(f"{first}\nextra no base64\n{rest}", entry)
    assert not holds(f"{first}\n{rest.replace('index 5', 'index 5' + chr(10) + 'extra YWdl')}", entry)


@pytest.mark.parametrize(
    "index", ["05", "+5", "-5", "5 ", " 5", "", "5.0", "\N{ARABIC-INDIC DIGIT FIVE}", "9" * 5_000, str(1 << 63)]
)
def test_numbers_have_one_spelling(index: str) -> None:
    entry = told(SEALED.entries[5])
    assert not holds(SEALED.receipt(5).replace("index 5", f"index {index}"), entry)
    text = text_of(LOG.name, 11, SEALED.tree.root(11)).replace("\n11\n", f"\n{index}\n")
    with pytest.raises((*REFUSED, ValueError)):
        resigned(text, LOG)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_hash_has_32_bytes(length: int) -> None:
    encoded = base64.b64encode(bytes(length)).decode()
    first = SEALED.receipt(5).split("\n")[2]
    with pytest.raises(errors.MalformedEvidence):
        receipt.parse(SEALED.receipt(5).replace(first, encoded))
    root = base64.b64encode(SEALED.checkpoint().root).decode()
    with pytest.raises(errors.MalformedEvidence):
        Checkpoint(SEALED.checkpoint().replace(root, encoded))


def test_a_number_is_no_truth() -> None:
    """Though Python takes True for 1, and a leaf made of it is the same."""
    with pytest.raises(errors.MalformedEvidence, match="seq is no integer"):
        verify_receipt(SEALED.receipt(0), told(SEALED.entries[0], seq=True), LOG)


def test_a_size_up_to_the_greatest() -> None:
    """No index or size makes it anything but refused, or slow."""
    for size in (1 << 62, (1 << 63) - 1):
        for index in (0, 5, size - 1):
            checkpoint = resigned(text_of(LOG.name, size, bytes(32)), LOG)
            for hashes in ([], [bytes(32)] * 62, [bytes(32)] * 63):
                assert not holds(receipt.write(index, hashes, checkpoint), told(SEALED.entries[5], position=None))


@hypothesis.given(st.text(), st.sampled_from(SEALED.receipt(5).split("\n")), st.integers(0, 20), st.integers(0, 20))
def test_any_text_is_a_receipt_or_refused(text: str, line: str, cut: int, put: int) -> None:
    lines = SEALED.receipt(5).split("\n")
    for whole in (
        text,
        SEALED.receipt(5)[:cut] + text,
        "\n".join([*lines[:put], text, *lines[put:]]),
        "\n".join([*lines[:put], line, *lines[put:]]),
        "\n".join([*lines[:put], *lines[put + 1 :]]),
    ):
        if holds(whole, told(SEALED.entries[5]), LOG, WITNESS):
            # With lines of signatures more, which name nobody who is known, or the same once more.
            assert receipt.parse(whole).checkpoint.note.text == SEALED.checkpoint().note.text


JSON = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.lists(st.none(), max_size=1)
)
FIELDS = ("stream", "writer", "seq", "prev_hash", "content_hash", "payload", "payload_len", "position", "erased")


@hypothesis.given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=3), st.sets(st.sampled_from(FIELDS)))
def test_any_facts_are_refused_or_the_same(changed: dict[str, Any], left_out: set[str]) -> None:
    entry = {name: value for name, value in told(SEALED.entries[5], **changed).items() if name not in left_out}
    try:
        verify_receipt(SEALED.receipt(5), entry, LOG)
    except REFUSED:
        return
    same = told(SEALED.entries[5])
    assert all(entry[name] == same[name] for name in ("stream", "writer", "seq", "prev_hash", "content_hash"))


def run(tmp_path: Path, text: str, entry: object, *words: str) -> "subprocess.CompletedProcess[str]":
    (tmp_path / "it.tlog-proof").write_text(text, "utf-8", newline="")
    (tmp_path / "it.json").write_text(json.dumps(entry))
    command: list[str | Path] = [
        sys.executable,
        "-W",
        "error",
        EXAMPLE,
        tmp_path / "it.tlog-proof",
        tmp_path / "it.json",
        *words,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_example_as_a_program(tmp_path: Path) -> None:
    words = (LOG.verifier, "--witness", WITNESS.witness_verifier)
    done = run(tmp_path, SEALED.receipt(5), told(SEALED.entries[5]), *words)
    assert (done.returncode, done.stderr) == (0, "")
    place = f"entry 3 of 'orders' by 'agent-1' is among the first 11 entries of {LOG.name}"
    assert done.stdout.startswith(f"proven: {place}\n")
    for text, entry, why in (
        (SEALED.receipt(4), told(SEALED.entries[5]), "another position"),
        (SEALED.receipt(5).replace("\n", "\r\n"), told(SEALED.entries[5]), "control characters"),
        (Sealed(SEALED.entries).receipt(5), told(SEALED.entries[5]), f"'{WITNESS.name}' has not cosigned"),
        (SEALED.receipt(5), [], "has not the facts of an entry"),
    ):
        done = run(tmp_path, text, entry, *words)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("not proven: ")
        assert why in done.stderr


def test_the_example_imports_nothing_of_the_package() -> None:
    assert "agent_store" not in EXAMPLE.read_text("utf-8")
    assert "import agent" not in EXAMPLE.read_text("utf-8")
    code = f"import runpy, sys; runpy.run_path({str(EXAMPLE)!r}); print('agent_store' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
