"""Which logs and witnesses are trusted, and how many witnesses it takes.

The format is C2SP's tlog-policy (https://c2sp.org/tlog-policy).
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from agent_store.errors import EvidenceRefused, MalformedEvidence
from agent_store.evidence import cosignature
from agent_store.evidence.checkpoint import Checkpoint
from agent_store.evidence.keys import COSIGNS, SIGNS, Keys, VerifierKey, as_keys
from agent_store.evidence.text import short

if TYPE_CHECKING:
    from collections.abc import Iterable

_WHAT = "policy"
NONE = "none"
_REFUSED = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_ITEM = re.compile(r"[^ \t]+")


class Group(NamedTuple):
    """Counts as a witness where `least` of its members do, which are names of witnesses and of groups before it."""

    least: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class Policy:
    """What a checkpoint needs to be accepted: the signature of a log, and cosignatures of enough witnesses.

    `logs` may be empty, where the log's keys are given otherwise. `witnesses` and `groups` are by the names that the
    policy gives them, `quorum` is one of those names, or "none".
    """

    logs: tuple[VerifierKey, ...]
    witnesses: dict[str, VerifierKey]
    groups: dict[str, Group]
    quorum: str

    @classmethod
    def parse(cls, text: str) -> "Policy":
        """MalformedEvidence for a text that is none, with the number of its line."""
        return _Parser().policy(text)

    @classmethod
    def of(cls, witnesses: "Witnesses") -> "Policy":
        """A policy, its text, or keys of witnesses (type 0x04), all of which are needed."""
        if isinstance(witnesses, Policy):
            return witnesses
        if isinstance(witnesses, str) and _is_text(witnesses):
            return cls.parse(witnesses)
        keys = {f"w{number}": key for number, key in enumerate(as_keys(witnesses, COSIGNS), 1)}
        return cls((), keys, {"all": Group(len(keys), tuple(keys))}, "all")

    def satisfied_by(self, witnesses: "Collection[VerifierKey]") -> bool:
        """Whether these, if they have cosigned, are enough."""
        counts = {NONE: True}
        counts |= {name: key in witnesses for name, key in self.witnesses.items()}
        # Each group stands after its members, so no group asks for one that is not counted yet.
        for name, group in self.groups.items():
            counts[name] = sum(counts[member] for member in group.members) >= group.least
        return counts[self.quorum]

    def check(self, checkpoint: "str | Checkpoint") -> dict[VerifierKey, int]:
        """Which witnesses have cosigned it and when; EvidenceRefused where they are not enough, or one is wrong.

        Of the logs it asks nothing: `verified` of a checkpoint does.
        """
        times = cosignature.times(Checkpoint(checkpoint), self.witnesses.values())
        if not self.satisfied_by(times):
            have = ", ".join(sorted(name for name, key in self.witnesses.items() if key in times))
            detail = f"its witnesses are not enough for the quorum {self.quorum!r} ({have or 'none'} cosigned it)"
            raise EvidenceRefused("checkpoint", detail)
        return times


Witnesses: TypeAlias = Policy | Keys


def logs_of(logs: Policy | Keys) -> tuple[VerifierKey, ...]:
    """Of a policy, its text, or keys of logs (type 0x01); ValueError where it names none."""
    if isinstance(logs, str) and _is_text(logs):
        logs = Policy.parse(logs)
    if not isinstance(logs, Policy):
        return as_keys(logs, SIGNS)
    if not logs.logs:
        raise ValueError("the policy names no log")
    return logs.logs


def _is_text(given: str) -> bool:
    """Of a policy: it has a quorum line, which has a space in it, and a key has none."""
    return re.search(r"[ \t\n]", given) is not None


class _Parser:
    def __init__(self) -> None:
        self.logs: list[VerifierKey] = []
        self.witnesses: dict[str, VerifierKey] = {}
        self.groups: dict[str, Group] = {}
        self.members: set[str] = set()
        self.quorum: str | None = None
        self.number = 0

    def policy(self, text: str) -> Policy:
        if not isinstance(text, str):
            raise TypeError(f"a policy is a str, not {type(text).__name__}")
        for self.number, line in enumerate(text.split("\n"), 1):
            if _REFUSED.search(line):
                raise self.wrong("it has a control character in it")
            keyword, *items = _ITEM.findall(line) or [""]
            if keyword and not keyword.startswith("#"):
                self.line(keyword, items)
        if self.quorum is None:
            raise MalformedEvidence(_WHAT, "it has no quorum line")
        return Policy(tuple(self.logs), self.witnesses, self.groups, self.quorum)

    def line(self, keyword: str, items: list[str]) -> None:
        match keyword, items:
            case "log", [key] | [key, _]:
                self.logs.append(self.key(key, SIGNS, self.logs))
            case "witness", [name, key] | [name, key, _]:
                self.check_new(name)
                self.witnesses[name] = self.key(key, COSIGNS, self.witnesses.values())
            case "group", [name, least, *members] if members:
                self.check_new(name)
                for member in members:
                    self.check_known(member)
                    if member in self.members:
                        raise self.wrong(f"{short(member)} is a member already")
                    self.members.add(member)
                self.groups[name] = Group(self.least(least, len(members)), tuple(members))
            case "quorum", [name]:
                if self.quorum is not None:
                    raise self.wrong("it is the second quorum line")
                if name != NONE:
                    self.check_known(name)
                self.quorum = name
            case _:
                raise self.wrong("it is no line of a log, a witness, a group or the quorum")

    def key(self, text: str, kind: int, others: "Iterable[VerifierKey]") -> VerifierKey:
        try:
            key = VerifierKey.parse(text, kind)
        except MalformedEvidence as error:
            raise self.wrong(str(error)) from None
        if any(key.public_key == other.public_key for other in others):
            raise self.wrong(f"the public key of {key.name!r} stands there already")
        return key

    def least(self, text: str, members: int) -> int:
        if text in {"any", "all"}:
            return 1 if text == "any" else members
        least = int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0
        if not 1 <= least <= members:
            raise self.wrong(f"{short(text)} is not all, any, or a number from 1 to {members}")
        return least

    def check_new(self, name: str) -> None:
        if name == NONE or name in self.witnesses or name in self.groups:
            raise self.wrong(f"{short(name)} is a name that is taken")

    def check_known(self, name: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise self.wrong(f"{short(name)} is no witness or group on a line before")

    def wrong(self, detail: str) -> MalformedEvidence:
        return MalformedEvidence(_WHAT, f"line {self.number}: {detail}")
