"""Every text of evidence, edited at random: it reads back as it was, or is refused with an error of ours."""

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from agent_store import Checkpoint, Policy, SigningKey, errors
from agent_store.evidence import cosignature, erasure, heads, note, proof, receipt, rotation
from agent_store.evidence.facts import facts_of
from agent_store.evidence.keys import VerifierKey
from notes import LOG, WITNESS, Sealed, entries

SEALED = Sealed(entries(9), witnesses=[WITNESS])
RECORD = erasure.Record(LOG.name, 3, 7, facts_of(SEALED.entries[2]).leaf_hash(), "why")
HEAD = heads.SignedHead("s", heads.fingerprint(VerifierKey.of(LOG)), 1, bytes(32), VerifierKey.of(LOG))
TEXTS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "note": (SEALED.checkpoint(), note.parse),
    "checkpoint": (SEALED.checkpoint(), Checkpoint),
    "receipt": (SEALED.receipt(4), receipt.parse),
    "consistency": (str(proof.Consistency(3, tuple(SEALED.tree.consistency(3, 9)), SEALED.checkpoint())), proof.parse),
    "verifier key": (LOG.verifier, VerifierKey.parse),
    "cosignature": (cosignature.cosign(SEALED.checkpoint(), WITNESS, 5).line, cosignature.parse),
    "rotation": (rotation.make(LOG.name, 4, LOG, SigningKey.from_seed(LOG.name, bytes(32))), rotation.parse),
    "head": (note.sign(HEAD.text, LOG), heads.parse),
    "erasure": (RECORD.sign(LOG), erasure.parse),
    "policy": (f"log {LOG.verifier}\nwitness w {WITNESS.witness_verifier}\ngroup g 1 w\nquorum g\n", Policy.parse),
}
SECRET = f"PRIVATE+KEY+{LOG.name}+61aaf476+{b64encode(bytes([1, *range(32)])).decode()}\n"
ODD = [
    "",
    "\n",
    "\n\n",
    "=",
    "+",
    "— ",
    "—",
    " ",
    "\t",
    "\r",
    "\0",
    "\x85",
    "é",
    "\ud800",
    "0",
    "-1",
    "9" * 30,
    "A" * 90,
    "\\",
]
edits = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 4), st.sampled_from(ODD) | st.text(max_size=3)), min_size=1, max_size=3
)

# There are ten kinds of texts.
FEWER = hypothesis.settings(max_examples=max(hypothesis.settings().max_examples // 2, 1))


def edited(text: str, changes: list[tuple[float, int, str]]) -> str:
    for where, length, new in changes:
        at = int(where * len(text))
        text = text[:at] + new + text[at + length :]
    return text


def test_as_they_are(tmp_path: Path) -> None:
    for text, parse in TEXTS.values():
        parse(text)
    LOG.save(tmp_path / "key")
    assert (tmp_path / "key").read_text("utf-8") == SECRET


@pytest.mark.parametrize("name", TEXTS)
@FEWER
@hypothesis.given(changes=edits)
def test_edited(name: str, changes: list[tuple[float, int, str]]) -> None:
    whole, parse = TEXTS[name]
    text = edited(whole, changes)
    try:
        parsed = parse(text)
    except (errors.MalformedEvidence, errors.EvidenceRefused):
        return
    if name in {"note", "checkpoint", "consistency", "verifier key"} or (name == "receipt" and "extra" not in text):
        assert str(parsed) == text
    elif name == "cosignature":
        assert "".join(one.line for one in parsed).removesuffix("\n") == text.removesuffix("\n")
    elif name in {"rotation", "head"}:
        # Whoever's lines stand below, what was signed is what is read.
        assert parsed.text == note.parse(whole).text


@FEWER
@hypothesis.given(changes=edits)
def test_a_key_file(changes: list[tuple[float, int, str]]) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "key"
        file.touch(0o600)
        file.write_bytes(edited(SECRET, changes).encode(errors="surrogatepass"))
        try:
            key = SigningKey.load(file)
        except errors.MalformedEvidence:
            return
        key.save(again := file.with_name("again"))
        assert again.read_bytes().removesuffix(b"\n") == file.read_bytes().removesuffix(b"\n")
