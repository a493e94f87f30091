"""The ratios that `make bench` measures, on few rows: a change that costs a third of one turns red."""

import os
from pathlib import Path

import pytest

import cells_connection
import cells_evidence
import cells_moving
import cells_postgres
import cells_processes
import cells_threads
import cells_waking
from cells import BYTES_AT_MOST, CELLS, Cell, bytes_on_disk
from cells_waking import IDLE_AT_MOST, WAKING, Waking
from pairs import FREE_SYNC, Times, measure, on_cores, sync_time

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
PART = 0.7
ROWS = 20_000
ROUNDS = 4
ATTEMPTS = 4
"""Rounds are added until the fastest of each side show the ratio: noise only ever slows one down."""


@pytest.mark.parametrize("cell", [cell for cell in EVERY if cell.few], ids=lambda cell: cell.name)
def test_a_ratio_is_near_what_it_must_be(cell: Cell, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if cell.name.startswith("PostgreSQL"):
        request.getfixturevalue("postgres")  # Where there is no server, it says so.
    if cell.cores is not None and cell.cores > len(os.sched_getaffinity(0)):
        pytest.skip(f"needs {cell.cores} cores")
    if cell.durable and (sync := sync_time(tmp_path)) < FREE_SYNC:
        pytest.skip(f"a sync takes {sync * 1e6:.0f} µs here, and so does nothing")
    times = Times()
    with cell.pair(tmp_path, min(cell.rows, cell.few)) as pair, on_cores(cell.cores):
        for _ in range(ATTEMPTS):
            more = measure(pair, ROUNDS)
            times.ours += more.ours
            times.floor += more.floor
            if times.best >= PART * cell.at_least:
                return
    pytest.fail(f"{times.best:.2f} times the floor's speed, and {PART * cell.at_least:.2f} is the least")


def test_bytes_on_disk(tmp_path: Path) -> None:
    ours, floor = bytes_on_disk(tmp_path, ROWS)
    assert ours / floor <= BYTES_AT_MOST / PART


@pytest.mark.parametrize("cell", WAKING, ids=lambda cell: cell.name)
def test_waking_is_near_as_quick_as_it_was(cell: Waking, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if cell.name.startswith("PostgreSQL"):
        request.getfixturevalue("postgres")
    best = 0.0
    for _ in range(ATTEMPTS):
        found = cells_waking.measure(cell, tmp_path, cell.few, 1)
        best = max(best, found.times)
        if best >= PART * cell.reached:
            return
    pytest.fail(f"{best:.2f} times as quick as by hand, and {PART * cell.reached:.2f} is the least")


def test_waiting_costs_next_to_nothing(tmp_path: Path) -> None:
    shares = []
    for _ in range(ATTEMPTS):
        ours, floor = cells_waking.idle(tmp_path, 1.0)
        shares.append(ours / floor)
        if shares[-1] <= IDLE_AT_MOST / PART:
            return
    pytest.fail(f"{shares} of what polling costs, and {IDLE_AT_MOST / PART:.2f} is the most")
