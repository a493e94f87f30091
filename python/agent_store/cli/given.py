"""What the commands of evidence are given: keys, and texts in files."""

import argparse
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent_store.cli.command import Parser
from agent_store.cli.errors import UNUSABLE, Problem
from agent_store.cli.output import remark

if TYPE_CHECKING:
    from agent_store import SigningKey

LONGEST = 16 << 20  # bytes of such a file: no proof has more than a few kilobytes
VERIFIER = re.compile(r"[^\s+]+\+[0-9a-f]{8}\+\S+")
PRIVATE = "PRIVATE+KEY+"


def add_keys(parser: Parser, whose: str) -> None:
    """Whom is believed: from the caller, never from the store."""
    parser.add_argument(
        "--key",
        metavar="KEY",
        action="append",
        dest="keys",
        help=f"public key of {whose}: the line that `agent-store key` prints, or a file of such lines; may be repeated",
    )
    parser.add_argument("--origin", metavar="NAME", help="name of the store (default: the one that the keys have)")


def text_of(name: str, what: str) -> str:
    """All of a file; `-` is standard input."""
    try:
        if name == "-":
            if os.isatty(0):
                remark(f"reading {what} from the terminal; Ctrl-D ends")
            data = sys.stdin.buffer.read(LONGEST + 1)
        else:
            with open(name, "rb") as file:  # noqa: PTH123 - as the argument is
                data = file.read(LONGEST + 1)
    except OSError as error:
        raise Problem(f"{name}, which should have {what}, could not be read: {error.strerror}") from error
    where = "standard input" if name == "-" else name
    if len(data) > LONGEST:
        raise Problem(f"{where} is too long for {what}")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Problem(f"{where} is no {what}: it is no UTF-8 text") from error


def signing_key(path: str) -> "SigningKey":
    """From its file."""
    import agent_store
    from agent_store import errors

    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as the argument is
            beginning = file.read(1_000).decode(errors="replace")
        if VERIFIER.fullmatch(beginning.strip()) and not beginning.startswith(PRIVATE):
            raise Problem(f"{path} has a public key", "to sign takes the file that `agent-store key FILE NAME` made")
        return agent_store.SigningKey.load(path)
    except PermissionError as error:  # of ours, with a sentence, or of the system's
        raise Problem(str(error) if error.filename is None else f"{path} may not be read by this user") from error
    except OSError as error:
        raise Problem(f"{path}, which should have a key, could not be read: {error.strerror}") from error
    except errors.MalformedEvidence as error:
        raise Problem(f"{path}: {error}") from error


def verifier_keys(given: Sequence[str] | None) -> list[str]:
    """Each as a verifier key's text; none where none was given."""
    return [key for one in given or () for key in _keys_of(one)]


def witnesses_of(options: argparse.Namespace) -> str | list[str] | None:
    """Those of --witness, or the text of --policy."""
    if options.policy is not None and options.witnesses is not None:
        raise Problem("either --witness or --policy", "a policy names its witnesses itself", status=UNUSABLE)
    if options.policy is not None:
        return text_of(options.policy, "a policy")
    return None if options.witnesses is None else verifier_keys(options.witnesses)


def _keys_of(given: str) -> Iterator[str]:
    if VERIFIER.fullmatch(given):
        yield given
        return
    if "+" in given and not Path(given).exists():
        raise Problem(f"{given} is neither a public key nor a file with one", _HOW, status=UNUSABLE)
    lines = [line.strip() for line in text_of(given, "public keys").splitlines()]
    keys = [line for line in lines if line and not line.startswith("#")]
    if any(line.startswith(PRIVATE) for line in keys):
        raise Problem(f"{given} has a secret, which who verifies does not need", _HOW, status=UNUSABLE)
    if not keys:
        raise Problem(f"{given} has no public key in it", _HOW, status=UNUSABLE)
    yield from keys


_HOW = "`agent-store key FILE` prints the public line of a key"
