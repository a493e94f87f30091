"""The example of a session shared with SQLAlchemy, on both databases."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

EXAMPLE = Path(__file__).parent.parent / "examples" / "sqlalchemy_session.py"
SHOWN = """
not enough: cup
not enough: spoon
order 1: 2 x teapot, entry at position 1
order 2: 12 x cup, entry at position 2
order 6: 6 x spoon, entry at position 3
3 orders, 3 entries, the same: True
the chains hold: True
"""


def example(*arguments: str) -> str:
    command = [sys.executable, "-W", "error", str(EXAMPLE), *arguments]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=100,
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_on_sqlite(path: Path) -> None:
    assert example(f"sqlite:///{path}").strip() == SHOWN.strip()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (3,)
        assert connection.execute("SELECT count(*) FROM _agent_store_log").fetchone() == (3,)


def test_on_a_file_of_its_own() -> None:
    assert example().strip() == SHOWN.strip()


def test_on_postgresql(postgres: str) -> None:
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute("DROP DATABASE IF EXISTS orders_example")
        admin.execute("CREATE DATABASE orders_example")
        try:
            url = urlsplit(postgres)._replace(scheme="postgresql+psycopg", path="/orders_example").geturl()
            assert example(url).strip() == SHOWN.strip()
        finally:
            admin.execute("DROP DATABASE orders_example WITH (FORCE)")
