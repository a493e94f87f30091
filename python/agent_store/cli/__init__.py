"""The `agent-store` command.

A new command is a file here with a COMMAND, and its line in COMMANDS. Only the file of the command that runs is
imported, and each imports what it needs when it needs it: starting is what most calls consist of.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword
from typing import TYPE_CHECKING

from agent_store.cli import errors
from agent_store.cli.command import Parser
from agent_store.cli.output import Output, abandon

if TYPE_CHECKING:
    from agent_store.cli.command import Command

COMMANDS = {
    "append": "append lines, or one payload, to a log",
    "show": "print the entries of a log",
    "tail": "print the newest entries of all logs, with -f also those that come",
    "exec": "run a command for each entry, those that come too",
    "heads": "list the logs, each with its newest entry",
    "verify": "recompute every hash of a store, or of one log; with --key check what is sealed and signed",
    "key": "make a key that signs, or print the public line of one",
    "checkpoint": "seal and sign all that is there, or print the newest checkpoint",
    "receipt": "print the proof that an entry is sealed, for people without the store",
    "cosign": "be a witness: cosign the checkpoint of another store",
    "erase": "remove payloads for good, and leave the entries provable",
    "generation": "read or raise a counter",
    "backup": "copy a store to a new file while others write, and verify the copy",
    "copy": "copy a store into another, of any kind, and verify that; repeated, it adds what is new",
    "export": "write all of a store to a new file, or to standard output",
    "import": "read what export wrote into a store, whole or not at all, and verify it",
    "info": "say what a store is and how much is in it",
}
EPILOG = f"""\
commands:
{chr(10).join(f"  {name:<12}{what}" for name, what in COMMANDS.items())}

exit status:
  0    done; for verify, backup, copy and import: all holds
  1    failed, or the store could not be opened; for verify, backup, copy and import: something is broken
       or not proven;
       for exec: that of the command that failed, 126 and 127 of one that cannot be run
  2    wrong usage; for verify also: it could not be checked
  130  interrupted (Ctrl-C)
  141  whoever read the output went away

`agent-store VERB --help` tells more, with examples. DB is the path of a store, or its URL on a server of PostgreSQL:
postgresql://user@host/database?schema=name, with all that libpq takes. The password is better not in it, where others
see it in the list of processes, but in PGPASSWORD or in ~/.pgpass.

Of all commands only append, import, generation with a change, exec (how far it is), checkpoint with a key or a
cosignature, cosign, erase, and copy in its target write to a store: the others leave it as it is, a file byte for byte.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    failed = errors.FAILED
    try:
        if sys.stdout is None:
            raise errors.Problem("standard output is closed")
        try:
            verb, rest = _verb(sys.argv[1:] if arguments is None else arguments)
            command: Command = import_module(f"agent_store.cli.{verb}{'_' * iskeyword(verb)}").COMMAND
            failed = command.failed
            options = command.parse(verb, COMMANDS[verb], rest)
            return command.run(options, Output(json=options.json))
        finally:
            sys.stdout.flush()
    except SystemExit as ended:  # argparse, after --help and --version
        return int(ended.code or 0)
    except BrokenPipeError:
        abandon()
        return errors.PIPE
    except BaseException as error:  # noqa: BLE001 - whatever it is, one line is what a user can read
        if isinstance(error, OSError) and error.filename is None:
            abandon()
        return errors.tell(error, failed)


def _verb(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Which command, and what is left to it."""
    parser = Parser(
        prog="agent-store",
        usage="agent-store VERB [options] DB [arguments]",
        description="Append-only, hash-chained logs and rising counters, in one file or on a server of PostgreSQL.",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action=_Version, help="show the version and exit")
    parser.add_argument("verb", metavar="VERB", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs=argparse.REMAINDER, default=[], help=argparse.SUPPRESS).required = False
    options = parser.parse_args(arguments)
    if options.verb not in COMMANDS:
        what = "a VERB is missing" if options.verb is None else f"there is no command {options.verb!r}"
        parser.error(f"{what}; there are {', '.join(COMMANDS)}")
    return options.verb, options.rest


class _Version(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:  # noqa: A002
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"agent-store {version('agent-store')}")  # noqa: T201 - before there is an Output
        parser.exit()
