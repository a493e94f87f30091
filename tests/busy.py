"""Four who write, two who seal and one who verifies, all at once: nobody is accused, and nothing contradicts."""

import time
from contextlib import ExitStack
from pathlib import Path

import agent_store
from agent_store import Checkpoint, SigningKey
from sealers import ORIGIN, SEED, Sealer
from writers import Writer, check_written

WRITERS, SEALERS = 4, 2


def run(target: Path | str, folder: Path, seconds: float) -> tuple[int, int, int]:
    """How many entries, checkpoints and verifications there were."""
    key = SigningKey.from_seed(ORIGIN, SEED)
    agent_store.open(target).close()
    with ExitStack() as stack:
        writing = [
            stack.enter_context(Writer(target, f"w{n}", folder=folder, threads=2, timeout=30, rest=0.002))
            for n in range(WRITERS)
        ]
        for writer in writing:
            writer.begin()
        sealing = [stack.enter_context(Sealer(target, rest=0.01 * n)) for n in range(SEALERS)]
        verified, known, until = 0, None, time.monotonic() + seconds
        with agent_store.open(target, timeout=30) as store:
            while time.monotonic() < until or not verified:
                newest = next(store.checkpoints(reverse=True), None)
                if newest is None:
                    continue
                verdict = store.verify(keys=key.verifier, checkpoint=known or newest)
                assert verdict.holds, (verdict.breaks, verdict.reasons)
                assert verdict.signed >= newest.size
                entry = next(store.entries(after=newest.size - 1))
                agent_store.verify_receipt(store.receipt(entry), entry, key.verifier)
                verified, known = verified + 1, newest
        for writer in writing:
            writer.stop()
        given = [[Checkpoint(text) for text in sealer.stop()] for sealer in sealing]
    entries = check_written(target, writing)
    with agent_store.open(target, timeout=30) as store:
        final = store.checkpoint(key)
        kept = list(store.checkpoints())
        assert [checkpoint.size for checkpoint in kept] == sorted({checkpoint.size for checkpoint in kept})
        for own in given:
            assert [checkpoint.size for checkpoint in own] == sorted(checkpoint.size for checkpoint in own)
            # Whatever was handed out is in the store, and its text is the only one of its size.
            assert set(own) <= set(kept)
        for checkpoint in kept:
            store.consistency(checkpoint, final)
        verdict = store.verify(keys=key.verifier, checkpoint=final)
        assert verdict.holds, (verdict.breaks, verdict.reasons)
        assert (verdict.signed, verdict.entries) == (entries, entries)
    return entries, len(kept), verified
