"""Key files: one line, as Go's golang.org/x/mod/sumdb/note writes a private key."""

import os
import stat
from pathlib import Path

from agent_store._core import Ed25519
from agent_store.errors import MalformedEvidence
from agent_store.evidence.keys import KEY, SIGNS, VerifierKey
from agent_store.evidence.note import is_name
from agent_store.evidence.text import base64, from_base64

PREFIX = "PRIVATE+KEY+"
LONGEST = 4_096  # bytes
_WHAT = "key file"


def write_key(path: "str | os.PathLike[str]", key: VerifierKey, seed: bytes) -> None:
    """Into a new file, whole and on disk, or none; FileExistsError where there is one."""
    line = f"{PREFIX}{key.name}+{key.key_id.hex()}+{base64(bytes([SIGNS]) + seed)}\n".encode()
    # Made with its permissions: between open and chmod somebody could open it.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(path)
    except BaseException:
        Path(path).unlink()
        raise


def read_key(path: "str | os.PathLike[str]") -> tuple[str, bytes]:
    """Its name and its seed."""
    with Path(path).open("rb") as file:
        if os.name == "posix":
            _check_permissions(path, os.fstat(file.fileno()))
        data = file.read(LONGEST + 1)
    # No part of what is there is shown: it may be a secret with one byte wrong.
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise MalformedEvidence(_WHAT, "it is no UTF-8 text") from None
    name, _, rest = text.removesuffix("\n").removeprefix(PREFIX).partition("+")
    key_id, _, encoded = rest.partition("+")
    if not text.startswith(PREFIX) or len(data) > LONGEST or not is_name(name):
        raise MalformedEvidence(_WHAT, f"its one line is not {PREFIX}<name>+<key id>+<base64>")
    try:
        secret = from_base64(encoded, _WHAT)
    except MalformedEvidence:
        raise MalformedEvidence(_WHAT, "what should be the key is no base64") from None
    if secret[0] != SIGNS or len(secret) != 1 + KEY:
        raise MalformedEvidence(_WHAT, f"it is of type 0x{secret[0]:02x} with {len(secret) - 1} bytes, no Ed25519 key")
    key = VerifierKey(name, Ed25519(secret[1:]).public_key)
    if key.key_id.hex() != key_id:
        raise MalformedEvidence(_WHAT, f"the id of this key of {name!r} is {key.key_id.hex()}, the file says another")
    return name, secret[1:]


def _check_permissions(path: "str | os.PathLike[str]", facts: os.stat_result) -> None:
    """As OpenSSH: of one's own file. Who put another's there for this program to read knows who else may."""
    if facts.st_uid == os.getuid() and facts.st_mode & 0o077:
        mode = stat.S_IMODE(facts.st_mode)
        raise PermissionError(f"{os.fspath(path)!r} is a secret that others may use (mode {mode:04o}): chmod 600 it")


def _sync_folder(path: "str | os.PathLike[str]") -> None:
    """So that a power cut does not take the file again."""
    if os.name != "posix":
        return
    folder = os.open(Path(path).parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
