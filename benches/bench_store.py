"""The cells of `cells.py`, each in turn with its floor, and the table of what came out."""

import json
import statistics
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import cells_connection
import cells_evidence
import cells_moving
import cells_postgres
import cells_processes
import cells_threads
import cells_waking
from beside import BESIDE, a_copy
from cells import BYTES_AT_MOST, CELLS, Cell, bytes_on_disk
from cells_waking import IDLE_AT_MOST, WAKING, Waking
from memory import MEGABYTES_AT_MOST, memory_added
from pairs import FREE_SYNC, Times, Work, on_cores, sync_time

PEER = Path(__file__).parent.parent / "target" / "crate_peer" / "release" / "crate-peer"
CRATE_ROUNDS = 3
HEADER = ("", "bar", "measured", "lowest … highest", "ours", "by hand", "crate")

HEADER_OF_SLOWEST = ("", "bar", "slowest", "by hand", "median", "longest WAL")
HEADER_OF_WAKING = (
    "",
    "bar",
    "half",
    "bar",
    "99 of 100",
    "half",
    "99 of 100",
    "half by hand",
    "99 of 100",
    "half of a bare pipe",
    "99 of 100",
)

Row = tuple[str, ...]


@contextmanager
def printed(config: pytest.Config, title: str, header: Row) -> Iterator[Callable[[Row], None]]:
    """Takes rows, and prints them at the end."""
    rows: list[Row] = [header]
    yield rows.append
    if len(rows) == 1:
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    assert terminal is not None
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        terminal.section(title)
        for name, *cells in rows:
            line = [name.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))]
            terminal.write_line("  ".join(line))


@pytest.fixture(scope="session")
def table(request: pytest.FixtureRequest, sync: float) -> Iterator[Callable[[Row], None]]:
    title = "ratios of medians, and thousands of rows a second of the fastest round"
    with printed(request.config, title, HEADER) as row:
        yield row
        row((f"(fdatasync of 4 KiB: {sync * 1e6:,.0f} µs)", *[""] * (len(HEADER) - 1)))


@pytest.fixture(scope="session")
def slowest(request: pytest.FixtureRequest) -> Iterator[Callable[[Row], None]]:
    with printed(request.config, "the slowest single append", HEADER_OF_SLOWEST) as row:
        yield row


@pytest.fixture(scope="session")
def waking(request: pytest.FixtureRequest) -> Iterator[Callable[[Row], None]]:
    title = "from a commit until another process has noticed it: times faster than by hand, and µs"
    with printed(request.config, title, HEADER_OF_WAKING) as row:
        yield row


@pytest.fixture(scope="session")
def sync(tmp_path_factory: pytest.TempPathFactory) -> float:
    return sync_time(tmp_path_factory.mktemp("sync"))


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """One folder for all cells that read the same files."""
    root = tmp_path_factory.mktemp("benches")

    def folder(name: str) -> Path:
        (root / name).mkdir(exist_ok=True)
        return root / name

    return folder


EVERY = (
    *CELLS,
    *cells_threads.CELLS,
    *cells_processes.CELLS,
    *cells_connection.CELLS,
    *cells_evidence.CELLS,
    *cells_postgres.CELLS,
    *cells_moving.CELLS,
    *cells_waking.CELLS,
)
WAKING_ROUNDS = 3


@pytest.mark.parametrize("cell", EVERY, ids=lambda cell: cell.name)
def test_cell(
    cell: Cell, benchmark: BenchmarkFixture, folders: Callable[[str], Path], table: Callable[[Row], None], sync: float
) -> None:
    if cell.durable and sync < FREE_SYNC:
        pytest.skip(f"a sync takes {sync * 1e6:.0f} µs here, and so does nothing")
    times = Times()
    with ExitStack() as stack:
        pair = stack.enter_context(cell.pair(folders(cell.files), cell.rows))
        stack.enter_context(on_cores(cell.cores))
        round_ = stack.enter_context(ExitStack())

        def setup() -> tuple[tuple[Work], dict[str, object]]:
            round_.close()
            times.floor.append(pair.time_floor())
            return (round_.enter_context(pair.ours()),), {}

        benchmark.pedantic(run, setup=setup, rounds=cell.rounds)  # type: ignore[no-untyped-call]
    assert benchmark.stats is not None
    times.ours.extend(benchmark.stats.stats.data)
    crate = crate_rate(cell, folders("crate"))
    benchmark.extra_info.update(ratio=times.ratio, at_least=cell.at_least, floor=times.floor)
    low, high = times.spread
    handled = cell.handled or cell.rows
    table(
        (
            cell.name,
            f"≥ {cell.at_least:g} x",
            f"{times.ratio:.2f} x{' ' if times.ratio >= cell.at_least else '!'}",
            f"{low:.2f} … {high:.2f}",
            f"{handled / min(times.ours) / 1e3:,.0f}",
            f"{handled / min(times.floor) / 1e3:,.0f}",
            f"{crate:,.0f}" if crate else "-",
        )
    )


def run(work: Work) -> None:
    work()


def crate_rate(cell: Cell, folder: Path) -> float | None:
    """Thousands of rows a second through the Rust crate, in a process of its own: Rust against Rust."""
    if cell.crate is None:
        return None
    name, durability = cell.crate
    seconds: list[float] = []
    for number in range(CRATE_ROUNDS):
        path = folder / f"{name}-{durability}-{number}.db"
        command = [str(PEER), "bench", str(path), name, str(cell.rows), "100", durability]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds.append(json.loads(done.stdout)["seconds"])
        for end in ("", "-wal", "-shm"):
            Path(f"{path}{end}").unlink(missing_ok=True)
    return cell.rows / statistics.median(seconds) / 1e3


def test_bytes_on_disk(folders: Callable[[str], Path], table: Callable[[Row], None]) -> None:
    ours, floor = bytes_on_disk(folders("chain"), 1_000_000)
    mark = " " if ours / floor <= BYTES_AT_MOST else "!"
    sizes = [f"{size / 1e6:,.0f} MB" for size in (ours, floor)]
    table(("bytes on disk of 1,000,000 rows", f"≤ {BYTES_AT_MOST} x", f"{ours / floor:.2f} x{mark}", "", *sizes, "-"))


@pytest.mark.parametrize("what", ["verify", "replay"])
@pytest.mark.parametrize("kind", ["chain", "singles"])
def test_memory(what: str, kind: str, folders: Callable[[str], Path], table: Callable[[Row], None]) -> None:
    added = memory_added(folders(kind), kind, 1_000_000, what)
    logs = {"chain": "one log", "singles": "a million logs of one"}[kind]
    mark = " " if added <= MEGABYTES_AT_MOST else "!"
    table((f"memory added by {what} of {logs}", f"≤ {MEGABYTES_AT_MOST} MB", f"{added:.1f} MB{mark}", "", "", "", ""))


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.2f} ms"


def test_slowest_append_of_processes(folders: Callable[[str], Path], slowest: Callable[[Row], None]) -> None:
    ours, by_hand = cells_processes.worst_append(folders("new"), 80_000)
    bar = max(cells_processes.WORST_AT_MOST, by_hand.worst / 5)
    mark = " " if ours.worst <= bar else "!"
    name = f"of 80,000 by 8 processes, normal ({ours.errors} errors, by hand {by_hand.errors})"
    slowest((name, f"≤ {milliseconds(bar)}", milliseconds(ours.worst) + mark, milliseconds(by_hand.worst), "", ""))
    assert ours.errors == 0


@pytest.mark.parametrize("what", BESIDE)
def test_slowest_append_beside(what: str, folders: Callable[[str], Path], slowest: Callable[[Row], None]) -> None:
    with a_copy(folders("chain"), 1_000_000) as path:
        found = BESIDE[what](path, 1_000_000)
    wal = f"{found.wal / 1e6:,.0f} MB"
    slowest((f"beside {what}", "", milliseconds(found.worst) + " ", "", milliseconds(found.median), wal))


@pytest.mark.parametrize("cell", WAKING, ids=lambda cell: cell.name)
def test_waking(cell: Waking, folders: Callable[[str], Path], waking: Callable[[Row], None]) -> None:
    found = cells_waking.measure(cell, folders("new"), cell.commits, WAKING_ROUNDS)
    row = [cell.name]
    for part, bar in ((0.5, cell.half), (0.99, cell.most)):
        ratio = found.floor.at(part) / found.ours.at(part)
        mark = "!" if bar is not None and ratio < bar else " "
        row += ["" if bar is None else f"≥ {bar:g} x", f"{ratio:.1f} x{mark}"]
    for side in found:
        row += [f"{side.at(part) * 1e6:,.0f}" for part in (0.5, 0.99)]
    waking(tuple(row))


def test_idle(folders: Callable[[str], Path], waking: Callable[[Row], None]) -> None:
    ours, floor = cells_waking.idle(folders("new"), 5.0)
    mark = "!" if ours > IDLE_AT_MOST * floor else " "
    shown = (
        f"≤ {IDLE_AT_MOST:g} x",
        f"{ours / floor:.3f} x{mark}",
        "",
        "",
        f"{ours:.2%}",
        "",
        f"{floor:.2%}",
        "",
        "",
        "",
    )
    waking(("of one processor, while nothing happens", *shown))
