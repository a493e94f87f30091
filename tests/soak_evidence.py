"""Writers, sealers and who verifies, all at once, for as long as SOAK_SECONDS says, on a file and on a server.

`make soak` runs it; `make test` does not: there `tests/test_evidence_busy.py` does it for moments.
"""

import os
from pathlib import Path

import pytest

from busy import run
from stores import Schema, a_schema

SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))


@pytest.mark.timeout(SECONDS * 5 + 300)
def test_no_false_alarm_on_a_file(path: Path) -> None:
    print("entries, checkpoints, verifications:", *run(path, path.parent, SECONDS))


@pytest.mark.timeout(SECONDS * 5 + 300)
def test_no_false_alarm_on_a_server(postgres: str, tmp_path: Path) -> None:
    with a_schema("postgres", postgres) as place:
        assert isinstance(place, Schema)
        print("entries, checkpoints, verifications:", *run(place.url, tmp_path, SECONDS))
