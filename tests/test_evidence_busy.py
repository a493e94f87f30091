"""Sealing and verifying while others write: no false alarm, for moments (`tests/soak_evidence.py`: for minutes)."""

from pathlib import Path

import pytest

from busy import run
from stores import a_schema

SECONDS = 2.0


@pytest.mark.timeout(180)
def test_a_file(path: Path) -> None:
    entries, checkpoints, _ = run(path, path.parent, SECONDS)
    assert entries
    assert checkpoints > 1


@pytest.mark.timeout(180)
def test_a_server(postgres: str, tmp_path: Path) -> None:
    with a_schema("postgres", postgres) as place:
        entries, checkpoints, _ = run(place.url, tmp_path, SECONDS)
    assert entries
    assert checkpoints > 1
