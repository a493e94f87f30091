"""The verdict on a directory of tiles: what its files prove, against what the caller has from elsewhere."""

import os
import time
from typing import TYPE_CHECKING

from agent_store.errors import EvidenceRefused, MalformedEvidence
from agent_store.evidence import cosignature
from agent_store.evidence.asked import Asked
from agent_store.evidence.auditing import Audit
from agent_store.evidence.checkpoint import Checkpoint, verified
from agent_store.evidence.concluding import Found, conclude
from agent_store.evidence.directory import Directory
from agent_store.ticker import Ticker
from agent_store.verdict import Verdict

if TYPE_CHECKING:
    from agent_store.evidence.keys import Keys, VerifierKey
    from agent_store.evidence.policy import Policy, Witnesses
    from agent_store.ticker import Progress


def verify_tiles(
    directory: "str | os.PathLike[str]",
    keys: "Keys",
    *,
    origin: str | None = None,
    checkpoint: str | None = None,
    witnesses: "Witnesses | None" = None,
    max_age: float | None = None,
    progress: "Progress | None" = None,
) -> Verdict:
    """Whether a directory that export_tiles wrote is whole, and what was signed; what is not is in the verdict.

    No store is needed. Every leaf is hashed again and compared with the tree, the tree with the checkpoint, the
    checkpoint with `keys`; and in each log every entry with the one before it. The payloads are not there: that they
    are those of the hashes, a verification of the store tells. The other arguments are those of `Store.verify`.

    FileNotFoundError and NotADirectoryError where there is no directory; other OSError where a file cannot be read.
    """
    asked = Asked.of(keys, origin, checkpoint, witnesses, max_age)
    files = Directory(directory)
    os.scandir(files.path).close()
    found = Found()
    said = _checkpoint(files, found)
    audit = Audit(files, said.size, said.root) if said is not None else Audit(files, 0, None)
    ticker = Ticker(progress, audit.size)
    audit.run([] if asked.held is None else [asked.held.size], ticker)
    if said is not None:
        _judge(said, audit, asked, found)
    if asked.held is not None:
        _compare(asked.held, audit, asked, found)
    ticker.end()
    chains = Verdict(
        entries=audit.entries,
        logs=len(audit.links),
        entries_hold=audit.entries_hold,
        breaks=tuple(audit.breaks),
        breaks_total=audit.breaks_total,
        broken_logs=len(audit.broken),
    )
    return conclude(chains, found, asked)


def _checkpoint(files: Directory, found: Found) -> Checkpoint | None:
    """What it says is not verified yet."""
    try:
        text = files.checkpoint()
        if text is not None:
            return Checkpoint(text)
        found.unauthentic.append("there is no checkpoint in the directory")
    except MalformedEvidence as error:
        found.broken("signature", f"its checkpoint is none: {error}")
    found.incomplete.append("nothing says how many entries there are to be")
    return None


def _judge(said: Checkpoint, audit: Audit, asked: Asked, found: Found) -> None:
    """The checkpoint, against the tree and against keys and witnesses."""
    root = audit.roots.get(said.size)
    if root is None:
        found.incomplete.append("leaves and tiles are missing, so that the root of the tree cannot be told")
    elif root != said.root:
        found.broken("seal", "the tree has another root than its checkpoint")
    whole = root == said.root and not audit.breaks_total
    found.chained = found.sealed = said.size if whole else min(_first(audit), said.size)
    if asked.keys is None:
        return
    try:
        found.checkpoint = verified(said, asked.keys, asked.origin)
    except EvidenceRefused as error:
        found.unauthentic.append(f"the checkpoint in the directory is not to be trusted: {error.detail}")
        found.incomplete.append("without a checkpoint to be trusted anything can have been removed")
        return
    found.signed = found.sealed if root == said.root else 0
    if asked.policy is not None:
        _witnessed(said, asked.policy, asked.max_age, found)


def _first(audit: Audit) -> int:
    """How many leaves there are before the first break: none where nobody can say where one is."""
    return min((0 if each.position is None else each.position - 1 for each in audit.breaks), default=0)


def _witnessed(said: Checkpoint, policy: "Policy", max_age: float | None, found: Found) -> None:
    times: dict[VerifierKey, int] = {}
    try:
        times = cosignature.times(said, policy.witnesses.values())
    except EvidenceRefused as error:
        found.unauthentic.append(f"of the cosignatures one is not to be trusted: {error.detail}")
    if policy.satisfied_by(times):
        found.witnessed = found.signed if times else 0
        found.cosigners = tuple((key.name, when) for key, when in times.items())
    elif not found.unauthentic:
        found.unauthentic.append("not enough of the given witnesses have cosigned the checkpoint")
    if max_age is not None:
        now = time.time()
        if not policy.satisfied_by([key for key, when in times.items() if abs(now - when) <= max_age]):
            found.stale.append(f"not enough of the given witnesses have seen it in the last {max_age:g} seconds")


def _compare(held: Checkpoint, audit: Audit, asked: Asked, found: Found) -> None:
    """With the checkpoint that the caller has."""
    if asked.keys is not None:
        try:
            verified(held, asked.keys, asked.origin)
        except EvidenceRefused as error:
            wrong = f"the checkpoint that was given is not to be trusted: {error.detail}"
            found.unauthentic.append(wrong)
            found.stale.append(wrong)
            return
    root = audit.roots.get(held.size)
    if root == held.root:
        return
    if held.size > audit.size:
        wrong = f"the checkpoint that was given covers {held.size} entries, and the one in the directory {audit.size}"
    elif root is None:
        wrong = (
            f"whether it extends the given checkpoint of size {held.size} cannot be told: leaves and tiles are missing"
        )
    else:
        wrong = f"positions 1 to {held.size} are not those of the checkpoint that was given: it has another history"
        if not audit.breaks_total and not found.breaks:
            found.broken("fork", wrong)
    found.stale.append(wrong)
    found.incomplete.append(wrong)
