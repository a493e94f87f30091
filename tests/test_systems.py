"""That tests which need more than every system has are known as such."""

from pathlib import Path

from systems import LINUX, UNIX, why_not

HERE = Path(__file__).parent


def test_each_file_that_is_known_is_there() -> None:
    for name in LINUX | UNIX:
        assert (HERE / f"{name}.py").exists(), name
    assert not LINUX.keys() & UNIX.keys()


def test_nothing_is_skipped_on_linux() -> None:
    assert all(why_not(file, "linux") is None for file in HERE.glob("test_*.py"))


def test_what_is_known_says_why() -> None:
    assert why_not(HERE / "test_crash.py", "darwin") is None
    assert why_not(HERE / "test_locks.py", "darwin") == "needs Linux: locks of an open file description"
    assert why_not(HERE / "test_crash.py", "win32") == "needs Unix: signals"


def test_what_is_not_known_is_found_by_what_it_uses(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("import os\n\n\ndef child() -> int:\n    return os.fork()\n")
    forks, looks, plain = (tmp_path / f"test_{name}.py" for name in ("forks", "looks", "plain"))
    forks.write_text("from helper import child\n")
    looks.write_text("MEMORY = '/proc/self/status'\n")
    plain.write_text("import helper_of_nobody\n")
    assert [why_not(file, "win32") for file in (forks, looks, plain)] == [
        "needs Unix: os.fork(",
        "needs Linux: /proc/",
        None,
    ]
    assert [why_not(file, "darwin") for file in (forks, looks, plain)] == [None, "needs Linux: /proc/", None]


def test_the_contract_is_tested_everywhere() -> None:
    for name in (
        "contract",
        "loops",
        "bulk",
        "transaction",
        "own_sql",
        "generation",
        "input",
        "values",
        "tamper",
        "model",
    ):
        assert why_not(HERE / f"test_{name}.py", "darwin") is None
        assert why_not(HERE / f"test_{name}.py", "win32") is None
