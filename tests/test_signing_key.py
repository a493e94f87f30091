"""Keys: secrets that do not get out, files for their owner only, and whoever else can sign."""

import copy
import os
import pickle
import stat
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest

import agent_store
from agent_store import Signer, SigningKey, errors
from agent_store.evidence import cosignature, note
from agent_store.evidence.keys import VerifierKey, as_keys, origin_of
from notes import LOG, OTHER, TIME, VECTORS, WITNESS, Sealed, entries

SEED = bytes(range(32))
posix = pytest.mark.skipif(os.name != "posix", reason="the permissions of files are others there")


class Kms:
    """A key that is somewhere else."""

    def __init__(self, key: SigningKey, says: bytes | None = None) -> None:
        self.name, self.public_key, self._key, self._says = key.name, key.public_key, key, says

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message) if self._says is None else self._says


def test_a_generated_key_is_new_and_signs() -> None:
    keys = [SigningKey.generate("example.com/log") for _ in range(20)]
    assert len({key.public_key for key in keys}) == 20
    text = note.sign("text\n", keys[0])
    assert note.verify(note.parse(text), as_keys(keys[0].verifier))


def test_no_seed_in_what_is_printed() -> None:
    key = SigningKey.from_seed("example.com/log", SEED)
    for shown in (repr(key), str(key), f"{key}", key.verifier, repr([key])):
        assert SEED.hex() not in shown.lower()
        assert repr(SEED)[2:-1] not in shown
    assert not hasattr(key, "__dict__")


def test_no_key_is_pickled_or_copied() -> None:
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="secret"):
            take(LOG)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\N{EM SPACE}b", "a\nb", "a\0b", "\ud800"])
def test_names_that_no_key_has(name: str) -> None:
    with pytest.raises(ValueError, match="a key's name"):
        SigningKey.from_seed(name, SEED)


def test_wrong_arguments() -> None:
    wrong: Any
    for wrong in (bytes(31), bytes(33), b""):
        with pytest.raises(ValueError, match="32 bytes"):
            SigningKey.from_seed("a", wrong)
    for wrong in (SEED.hex(), None, bytearray(32)):
        with pytest.raises(TypeError):
            SigningKey.from_seed("a", wrong)
    with pytest.raises(TypeError):
        SigningKey.from_seed(b"a", SEED)  # type: ignore[arg-type]


@posix
@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_a_key_file_is_its_owners(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        LOG.save(tmp_path / "key")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert SigningKey.load(str(tmp_path / "key")).verifier == LOG.verifier


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o777])
def test_a_key_file_that_others_may_use_is_not_read(tmp_path: Path, mode: int) -> None:
    LOG.save(tmp_path / "key")
    (tmp_path / "key").chmod(mode)
    with pytest.raises(PermissionError, match="chmod 600"):
        SigningKey.load(tmp_path / "key")
    (tmp_path / "key").chmod(0o400)
    assert SigningKey.load(tmp_path / "key").name == LOG.name


def test_a_key_file_is_never_replaced(tmp_path: Path) -> None:
    LOG.save(tmp_path / "key")
    with pytest.raises(FileExistsError):
        OTHER.save(tmp_path / "key")
    assert SigningKey.load(tmp_path / "key").name == LOG.name


@posix
def test_a_key_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        LOG.save(tmp_path / "key")
    assert not (tmp_path / "elsewhere").exists()


@posix
def test_nothing_is_left_of_a_key_file_that_could_not_be_written(tmp_path: Path) -> None:
    """In a process that may write files of ten bytes."""
    code = """
import resource, signal, sys, agent_store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
try:
    agent_store.SigningKey.from_seed("a", bytes(32)).save(sys.argv[1])
except OSError as error:
    print(type(error).__name__)
"""
    run = subprocess.run([sys.executable, "-c", code, tmp_path / "key"], capture_output=True, text=True, check=True)
    assert (run.stdout, list(tmp_path.iterdir())) == ("OSError\n", [])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("PRIVATE+KEY+", "PUBLIC+KEY+"),
        ("PRIVATE+KEY+audit.example", "PRIVATE+KEY+audit example"),
        ("+61aaf476+", "+61aaf477+"),
        ("+61aaf476+", "+"),
        ("+61aaf476+AQ", "+61aaf476+BA"),
        ("\n", "\n\n"),
        ("\n", " \n"),
        ("AQ", "ÿQ"),
        ("A", ""),
    ],
)
def test_what_is_no_key_file_says_so_and_shows_no_secret(tmp_path: Path, old: str, new: str) -> None:
    LOG.save(tmp_path / "key")
    text = (tmp_path / "key").read_text()
    (tmp_path / "key").write_bytes(text.replace(old, new).encode())
    secret = text.rpartition("+")[2]
    with pytest.raises(errors.MalformedEvidence) as raised:
        SigningKey.load(tmp_path / "key")
    assert secret[4:20] not in "".join(traceback.format_exception(raised.value))


def test_files_that_are_no_keys(tmp_path: Path) -> None:
    for number, data in enumerate((b"", b"\xff" * 80, b"PRIVATE+KEY+" + b"a" * (1 << 20), LOG.verifier.encode())):
        file = tmp_path / f"{number}"
        file.write_bytes(data)
        file.chmod(0o600)
        with pytest.raises(errors.MalformedEvidence):
            SigningKey.load(file)
    with pytest.raises(FileNotFoundError):
        SigningKey.load(tmp_path / "none")


def test_a_signer_of_the_callers_is_as_good() -> None:
    signer = Kms(LOG)
    assert isinstance(signer, Signer)
    assert isinstance(LOG, Signer)
    assert note.sign("text\n", signer) == note.sign("text\n", LOG)
    checkpoint = Sealed(entries(3)).checkpoint()
    assert cosignature.cosign(checkpoint, Kms(WITNESS), TIME) == cosignature.cosign(checkpoint, WITNESS, TIME)
    assert as_keys(signer) == as_keys(LOG.verifier) == as_keys([LOG, LOG.verifier])


@pytest.mark.parametrize("says", [bytes(64), b"", OTHER.sign(b"text\n")], ids=["zeros", "nothing", "another key's"])
def test_a_signer_that_signs_wrong_is_found_out_at_once(says: bytes) -> None:
    with pytest.raises(errors.EvidenceRefused, match="not right under its own public key"):
        note.sign("text\n", Kms(LOG, says))
    with pytest.raises(errors.EvidenceRefused, match="not right under its own public key"):
        cosignature.cosign(Sealed(entries(3)).checkpoint(), Kms(WITNESS, says), TIME)


def test_what_is_no_signer() -> None:
    class Half:
        name, public_key = "a", bytes(32)

    for wrong in (Half(), object(), None):
        with pytest.raises(TypeError):
            VerifierKey.of(wrong)  # type: ignore[arg-type]
    for name, public_key in (("a b", bytes(32)), ("a", bytes(31)), ("a", "0" * 32)):
        signer = Kms(LOG)
        signer.name, signer.public_key = name, public_key  # type: ignore[assignment]
        with pytest.raises(ValueError):
            VerifierKey.of(signer)


def vkey(changed: str, to: str) -> str:
    text: str = VECTORS["log_vkey"]
    assert changed in text
    return text.replace(changed, to, 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "++",
        "a+61aaf476",
        vkey("audit", "Audit"),
        vkey("audit.", "audit "),
        vkey("+61aaf476", "+61AAF476"),
        vkey("+61aaf476", "+61aaf475"),
        vkey("+61aaf476", "+061aaf476"),
        vkey("+61aaf476", ""),
        vkey("AQOh", "AgOh"),
        vkey("AQOh", "BAOh"),
        vkey("AQOh", "AQOi"),
        vkey("TG4", "TG"),
        vkey("TG4", "TG4="),
        vkey("TG4", "TG5"),
        vkey("TG4", "TG4\n"),
        vkey("TG4", "TG4 "),
    ],
)
def test_no_verifier_key(text: str) -> None:
    with pytest.raises(errors.MalformedEvidence):
        VerifierKey.parse(text)


def test_keys_of_one_kind_are_not_taken_for_the_other() -> None:
    with pytest.raises(errors.MalformedEvidence, match="and not for signatures"):
        as_keys(WITNESS.witness_verifier)
    with pytest.raises(errors.MalformedEvidence, match="and not for cosignatures"):
        as_keys(WITNESS.verifier, 4)


def test_keys_are_given_one_or_several() -> None:
    wrong: Any
    assert [key.name for key in as_keys([LOG, OTHER.verifier])] == [LOG.name, OTHER.name]
    with pytest.raises(ValueError, match="no key"):
        as_keys([])
    for wrong in (None, 5, [None], b"key"):
        with pytest.raises(TypeError):
            as_keys(wrong)
    assert origin_of(as_keys([LOG, SigningKey.generate(LOG.name)])) == LOG.name
    assert origin_of(as_keys([LOG, OTHER]), "third") == "third"
    with pytest.raises(ValueError, match="give origin="):
        origin_of(as_keys([LOG, OTHER]))


def test_importing_the_package_imports_nothing_of_this() -> None:
    code = (
        "import sys, agent_store; print([name for name in sys.modules if 'evidence' in name], "
        "'SigningKey' in dir(agent_store))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[] True\n"
    for name in ("Checkpoint", "Policy", "Signer", "SigningKey", "verify_receipt"):
        assert getattr(agent_store, name).__module__.startswith("agent_store.evidence.")


def test_errors_can_be_pickled_and_have_their_facts() -> None:
    for error in (
        errors.MalformedEvidence("receipt", "why"),
        errors.EvidenceRefused("receipt", "why"),
        errors.NotSealed(7, 5),
        errors.WitnessBehind("origin", 3, 5),
        errors.ForkFound("origin", 3, "ours", "theirs"),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), vars(again), str(again)) == (type(error), vars(error), str(error))
        assert isinstance(again, errors.StoreError)
        assert len(again.args) == len(vars(again)) >= 2


def test_checkpoints_can_be_pickled_and_are_their_text() -> None:
    checkpoint = Sealed(entries(3), witnesses=[WITNESS]).checkpoint()
    for again in (pickle.loads(pickle.dumps(checkpoint)), copy.copy(checkpoint), copy.deepcopy(checkpoint)):
        assert (type(again), again, again.size, again.root) == (
            type(checkpoint),
            checkpoint,
            checkpoint.size,
            checkpoint.root,
        )
    assert type(str(checkpoint)) is str
    assert len({checkpoint, str(checkpoint)}) == 1
    assert repr(checkpoint) == f"Checkpoint(origin='{LOG.name}', size=3, root={checkpoint.root[:4].hex()}…)"
    with pytest.raises(AttributeError):
        checkpoint.size = 4  # type: ignore[misc]
