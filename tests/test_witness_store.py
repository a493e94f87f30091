"""What a witness knows is in its store: before it answers, for others, and after it was opened again."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from agent_store import Checkpoint, Policy, Store, errors
from agent_store.evidence import cosignature
from cosigning import FORGED, HONEST, cosign
from notes import LOG, WITNESS, Sealed, entries
from stores import Place
from tasks import Run, opening


def test_inside_a_transaction_it_answers_nothing(store: Store) -> None:
    witness = store.witness(WITNESS, LOG)
    with store.transaction(), pytest.raises(errors.TransactionConflict):
        witness.cosign(HONEST.checkpoint(3))
    assert (witness.seen(LOG.name), witness.forks()) == (None, [])


class Failing:
    """A signer that fails, or looks at what the store has while it signs."""

    name, public_key = WITNESS.name, WITNESS.public_key

    def __init__(self, look: Callable[[], object]) -> None:
        self.look = look

    def sign(self, message: bytes) -> bytes:
        self.look()
        return WITNESS.sign(message)


@pytest.mark.differs("no second opening")
def test_what_it_cosigns_is_there_for_others_before_it_signs(place: Place) -> None:
    with place.open() as store, place.open() as other:
        seen: list[Checkpoint | None] = []
        signer = Failing(lambda: seen.append(other.witness(WITNESS).seen(LOG.name)))
        store.witness(signer, LOG).cosign(HONEST.checkpoint(3))
        assert seen == [HONEST.checkpoint(3)]


def test_a_signer_that_fails_is_asked_again(store: Store) -> None:
    def fail() -> None:
        raise OSError("no hardware")

    with pytest.raises(OSError, match="no hardware"):
        store.witness(Failing(fail), LOG).cosign(HONEST.checkpoint(3))
    line = store.witness(WITNESS, LOG).cosign(HONEST.checkpoint(3))
    Policy.of(WITNESS).check(cosignature.add(HONEST.checkpoint(3), cosignature.parse(line)))


@pytest.mark.differs("no second opening")
def test_it_remembers_when_it_is_opened_again(place: Place) -> None:
    with place.open() as store:
        cosign(store.witness(WITNESS, LOG), 0, 10)
        with pytest.raises(errors.ForkFound):
            cosign(store.witness(WITNESS, LOG), 10, 10, FORGED)
    with place.open() as store:
        witness = store.witness(WITNESS, LOG)
        assert witness.seen(LOG.name) == HONEST.checkpoint(10)
        assert [fork.size for fork in witness.forks()] == [10]
        with pytest.raises(errors.ForkFound):
            cosign(witness, 10, 10, FORGED)


@pytest.mark.differs("no second opening")
@pytest.mark.parametrize("text", ["'no note'", "replace(note, 'audit', 'other')"])
def test_a_witness_whose_memory_was_damaged_cosigns_nothing(place: Place, text: str) -> None:
    with place.open() as store:
        cosign(store.witness(WITNESS, LOG), 0, 10)
    place.damage(f"UPDATE _agent_store_notes SET note = {text} WHERE kind = 'witnessed'")
    with place.open() as store:
        witness = store.witness(WITNESS, LOG)
        for attempt in (
            lambda: witness.seen(LOG.name),
            lambda: cosign(witness, 10, 20),
            lambda: cosign(witness, 10, 10),
        ):
            with pytest.raises(errors.ChainBroken, match="size 10 is damaged"):
                attempt()


@pytest.mark.differs("one connection")
def test_threads_that_ask_at_once_get_one_history(place: Place) -> None:
    """Two histories at one size, many times over: one is cosigned, the other is always a fork."""
    with place.open() as store:
        answers: list[object] = []

        def ask(sealed: Sealed) -> None:
            witness = store.witness(WITNESS, LOG)
            try:
                answers.append(sealed.checkpoint(10).root if witness.cosign(sealed.checkpoint(10)) else None)
            except errors.ForkFound:
                answers.append("fork")

        threads = [threading.Thread(target=ask, args=(sealed,)) for sealed in (HONEST, FORGED) * 8]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers.count("fork") == 8
        assert len(set(answers)) == 2


CHILD = """
import sys, agent_store
from notes import LOG, WITNESS, Sealed, entries
mine = Sealed(entries(30, sys.argv[2].encode()))
with agent_store.open(sys.argv[1], timeout=60) as store:
    witness = store.witness(WITNESS, LOG)
    print("ready", flush=True)
    sys.stdin.readline()
    for size in range(1, 31):
        seen = witness.seen(LOG.name)
        old = seen.size if seen else 0
        try:
            witness.cosign(mine.checkpoint(size), mine.tree.consistency(old, size) if old <= size else ())
        except agent_store.errors.StoreError as error:
            continue
        print(size, mine.checkpoint(size).root.hex())
"""


@pytest.mark.differs("no second opening", "one connection")
def test_processes_that_ask_at_once_get_one_history(place: Place) -> None:
    """Each with a fork of its own: what is cosigned is a chain of consistent checkpoints, whoever got which."""
    with place.open():
        pass
    command = [sys.executable, "-c", CHILD, place.target]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    children = [
        subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for name in ("one", "two", "two")
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    outputs = []
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        outputs.append(child.communicate(timeout=100)[0])
        assert child.returncode == 0
    answers = {tuple(line.split()) for output in outputs for line in output.splitlines()}
    assert answers
    sealed = {name: Sealed(entries(30, name)) for name in (b"one", b"two")}
    histories = {
        name for name, one in sealed.items() for size, root in answers if one.tree.root(int(size)).hex() == root
    }
    assert len(histories) == 1


@pytest.mark.differs("lent", "no second opening")
def test_a_store_that_may_not_write_is_no_witness_but_tells_what_it_saw(place: Place) -> None:
    with place.open() as store:
        cosign(store.witness(WITNESS, LOG), 0, 10)
    with place.open(read_only=True) as store:
        witness = store.witness(WITNESS, LOG)
        assert witness.seen(LOG.name) == HONEST.checkpoint(10)
        with pytest.raises(errors.ReadOnlyStore):
            cosign(witness, 10, 20)


@pytest.mark.differs("lent")
def test_on_an_event_loop(place: Place, run: Run) -> None:
    async def main() -> None:
        async with opening(place) as store:
            witness = store.witness(WITNESS, LOG)
            line = await witness.cosign(HONEST.checkpoint(10))
            Policy.of(WITNESS).check(cosignature.add(HONEST.checkpoint(10), cosignature.parse(line)))
            assert await witness.seen(LOG.name) == HONEST.checkpoint(10)
            with pytest.raises(errors.ForkFound):
                await witness.cosign(FORGED.checkpoint(10))
            assert [fork.theirs for fork in await witness.forks()] == [FORGED.checkpoint(10)]
            assert (witness.name, witness.verifier) == (WITNESS.name, WITNESS.witness_verifier)
            assert repr(witness) == f"AsyncWitness('{WITNESS.witness_verifier}')"

    run(main())
