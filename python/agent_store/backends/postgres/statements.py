"""The statements for one schema, as the server takes them."""

import hashlib
import itertools
import re
from functools import cached_property

from agent_store.backends.common.statements import of

_WITHIN = re.compile(r"\{\{(\w+)\}\}")
_PLACE = re.compile(r"%s|\{(\w+)\}")


def quoted(name: str) -> str:
    """A name as SQL writes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL writes it, whatever the server takes a backslash for."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f" E'{escaped}'" if "\\" in text else f"'{escaped}'"


class Statement:
    """One statement, and the name under which it may be prepared: it is of the text, so no other has it."""

    def __init__(self, text: str) -> None:
        self.text = text.encode()

    @cached_property
    def name(self) -> bytes:
        """Who meets it already prepared, by another connection through a pooler, meets the same statement."""
        return b"agent_store_" + hashlib.blake2b(self.text, digest_size=16).hexdigest().encode()


BEGIN = Statement("BEGIN ISOLATION LEVEL READ COMMITTED")
BEGIN_READING = Statement("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
BEGIN_QUERY = Statement("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY")
COMMIT = Statement("COMMIT")
ROLLBACK = Statement("ROLLBACK")


class Statements:
    """All of them, each made when it is first used."""

    def __init__(self, schema: str) -> None:
        self.schema = schema
        self._made: dict[str, Statement] = {}

    def __getitem__(self, name: str) -> Statement:
        statement = self._made.get(name)
        if statement is None:
            statement = self._made[name] = Statement(self.script(name))
        return statement

    def script(self, name: str, **numbers: int) -> str:
        """The text of a file, with those that it names in it, this schema, and numbers for what can be no parameter."""
        texts = of("postgres")
        text = _WITHIN.sub(lambda found: texts[found[1]].strip(), texts[name].strip())
        table = literal(f"{quoted(self.schema)}._agent_store_entries")
        words = {"schema": quoted(self.schema), "entries": f"{table}::pg_catalog.regclass"}
        words.update({key: _number(value) for key, value in numbers.items()})
        params = itertools.count(1)
        # All in one pass: the schema's name may have such places in it.
        return _PLACE.sub(lambda found: words[found[1]] if found[1] else f"${next(params)}", text)


def _number(value: int) -> str:
    # The least of all is for SQL the negative of a number that is too large.
    return f"({value})" if value > -(2**63) else f"({value + 1} - 1)"
