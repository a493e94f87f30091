"""agent-store key."""

import argparse

from agent_store.cli.command import Command, Parser
from agent_store.cli.errors import UNUSABLE, Problem
from agent_store.cli.given import signing_key
from agent_store.cli.output import Output

ABOUT = """
With NAME, a new Ed25519 key of that name is made in FILE, which only its owner may read, and which must not be there.
Printed is its public line, the verifier key, for all who are to check what it signs: they must have it from you by
another way than what it signs. Without NAME, FILE is there, and its public line is printed.

The name of a store's key is its origin: one that nobody else has, as a domain of yours and a path, without spaces
and `+`. Who has FILE can sign in its name: keep it where those who write to the store cannot read it.
"""
EXAMPLES = """
  agent-store key db1.key audit.example/db1
  agent-store key db1.key > db1.pub
  agent-store key --witness w1.key                   the public line of its cosignatures: a witness's, for policies
  agent-store key --json alice.key | jq -r .fingerprint      the name of a writer that signs by this key
"""


def arguments(parser: Parser) -> None:
    """What comes after FILE."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="make a key of this name in FILE")
    parser.add_argument(
        "--witness", action="store_true", help="print the public line by which cosignatures of this key are verified"
    )


def run(options: argparse.Namespace, out: Output) -> int:
    """Make a key if it has a name; print what is public of it."""
    import agent_store

    if options.name is None:
        key = signing_key(options.db)
    else:
        try:
            key = agent_store.SigningKey.generate(options.name)
            key.save(options.db)
        except FileExistsError as error:
            raise Problem(f"{options.db}: a key writes over nothing, and this is there already") from error
        except ValueError as error:
            raise Problem(str(error), status=UNUSABLE) from error
        except OSError as error:
            raise Problem(f"{options.db} could not be made: {error.strerror}") from error
    if out.json:
        fingerprint = agent_store.Fingerprint.from_ed25519_public_key(key.public_key).hex
        facts = {"name": key.name, "verifier": key.verifier, "witness": key.witness_verifier}
        out.record({**facts, "fingerprint": fingerprint})
    else:
        out.line(key.witness_verifier if options.witness else key.verifier)
    return 0


COMMAND = Command(ABOUT, EXAMPLES, arguments, run, db="FILE", about_db="path of the key", waits=False)
