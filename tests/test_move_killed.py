"""Copies, exports and imports that are killed or interrupted, whenever: what is left is whole, and they go on."""

import random
import signal
import sys
import time
from itertools import count
from pathlib import Path

import pytest

import agent_store
from agent_store import Store
from agent_store.moving import arrival
from cli import TIMEOUT, run, start, until
from moving import everything
from stores import a_schema
from test_interrupt import Interrupt

HALF_WAY = 4  # copies at least that are killed when some entries have arrived, or as many as it takes to the end
ENTRIES = 60_000


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("moved") / "source.db"
    with agent_store.open(path, durability="normal") as store:
        store.append_many((f"s{number % 50}", f"w{number % 7}", b"%d" % number) for number in range(ENTRIES))
        store.generation("g").set(7)
    return path


@pytest.mark.parametrize("kind", ["file", "postgres"])
def test_a_copy_killed_at_any_moment_goes_on(
    request: pytest.FixtureRequest, source: Path, tmp_path: Path, kind: str
) -> None:
    """Each killed a little later than the one before, until entries arrive; from then on at about that moment."""
    if kind == "file":
        killed_again_and_again(source, str(tmp_path / "target.db"))
    else:
        with a_schema(kind, request.getfixturevalue("postgres")) as place:
            killed_again_and_again(source, place.url)


def killed_again_and_again(source: Path, target: str) -> None:
    with agent_store.open(source) as store:
        entries, generations = everything(store)
    chosen = random.Random(7)
    reached = [0]
    began = time.monotonic()
    run("heads", target)  # As long as starting and connecting take, nothing arrives.
    delay = time.monotonic() - began
    while (arrived := len(set(reached))) < HALF_WAY and reached[-1] < ENTRIES:
        delay += 0.1 if arrived == 1 else 0
        assert delay < TIMEOUT, "nothing ever arrives"
        with start("copy", source, target, "--durability", "normal") as process:
            time.sleep(delay * chosen.uniform(0.9, 1.2))
            process.kill()
            process.wait(TIMEOUT)
        if "://" not in target and not Path(target).exists():
            continue
        with agent_store.open(target) as store:
            there, values = everything(store)
            assert there == entries[: len(there)]
            assert values in ({}, generations)
            assert values or not there
            reached.append(len(there))
    assert reached == sorted(reached)
    assert any(0 < entries < ENTRIES for entries in reached), f"none was killed half way: {reached}"
    status, output, errors = run("copy", source, target)
    assert (status, errors) == (0, "")
    assert output.startswith(f"copied {ENTRIES - reached[-1]:,} entries\n")
    with agent_store.open(target) as store:
        assert everything(store) == (entries, generations)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_export_that_is_ended_leaves_no_file_under_its_name(
    source: Path, tmp_path: Path, how: signal.Signals
) -> None:
    def sizes() -> list[int]:
        return [file.stat().st_size for file in tmp_path.iterdir()]

    with start("export", source, tmp_path / "app.jsonl") as process:
        until(lambda: max(sizes(), default=0) > 1_000_000)
        process.send_signal(how)
        output, errors = process.communicate(timeout=TIMEOUT)
    left = [file.name for file in tmp_path.iterdir()]
    if how == signal.SIGINT:
        assert (process.returncode, output, errors, left) == (130, b"", b"agent-store: interrupted\n", [])
    else:
        assert [name[:21] for name in left] == ["app.jsonl-unfinished-"]
    assert run("export", source, tmp_path / "app.jsonl")[0] == 0
    assert (tmp_path / "app.jsonl").exists()


@pytest.fixture(scope="module")
def exported(source: Path) -> Path:
    path = source.with_name("app.jsonl")
    with agent_store.open(source, read_only=True) as store:
        agent_store.export(store, path)
    return path


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("kind", ["file", "postgres"])
def test_an_import_that_is_ended_leaves_nothing(
    request: pytest.FixtureRequest, source: Path, exported: Path, tmp_path: Path, kind: str, how: signal.Signals
) -> None:
    if kind == "file":
        ended_half_way(source, exported, str(tmp_path / "target.db"), how)
    else:
        with a_schema(kind, request.getfixturevalue("postgres")) as place:
            ended_half_way(source, exported, place.url, how)


def ended_half_way(source: Path, exported: Path, target: str, how: signal.Signals) -> None:
    data = exported.read_bytes()
    with start("import", target) as process:
        assert process.stdin is not None
        process.stdin.write(data[: len(data) // 2])  # It has read all of that but what a pipe holds.
        process.send_signal(how)
        output, errors = process.communicate(timeout=TIMEOUT)
    if how == signal.SIGINT:
        assert (process.returncode, output, errors) == (130, b"", b"agent-store: interrupted\n")
    with agent_store.open(target) as store:
        assert everything(store) == ([], {})
    assert run("import", target, exported)[0] == 0
    with agent_store.open(source) as store, agent_store.open(target) as other:
        assert everything(other) == everything(store)


def test_ctrl_c_ends_a_copy_which_can_go_on(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.db"
    with start("copy", source, target) as process:
        until(lambda: max((file.stat().st_size for file in tmp_path.glob("target.db-wal")), default=0) > 3_000_000)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, output, errors) == (130, b"", b"agent-store: interrupted\n")
    with agent_store.open(target) as store:
        assert 0 < store.position() < ENTRIES
    assert run("copy", source, target)[0] == 0
    with agent_store.open(source) as store, agent_store.open(target) as other:
        assert everything(other) == everything(store)


@pytest.mark.parametrize("place", ["file", "memory"], indirect=True)
def test_an_interrupt_at_any_place(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What had been committed is there, nothing is locked, and the next copy goes on."""
    monkeypatch.setattr(arrival, "ENTRIES", 3)
    monkeypatch.setattr("agent_store.moving.source.LARGEST_PAGE", 2)
    with agent_store.open(":memory:") as source:
        source.append_many((f"s{number % 3}", "w", b"x") for number in range(10))
        source.generation("g").set(5)
        entries, generations = everything(source)
        for place in count(1):
            interrupt = Interrupt(place)
            before = store.position()
            try:
                sys.setprofile(interrupt)
                agent_store.copy(source, store)
                sys.setprofile(None)
            except KeyboardInterrupt:
                sys.setprofile(None)
                there, values = everything(store)
                assert there == entries[: len(there)], interrupt.at
                assert values in ({}, generations), interrupt.at
                assert len(there) >= before, interrupt.at
                with store.transaction():  # Nothing of the copy's holds the lock.
                    pass
            finally:
                sys.setprofile(None)
            if store.position() == len(entries):
                break
        assert place > 10
        assert agent_store.copy(source, store).holds
        assert everything(store) == (entries, generations)
