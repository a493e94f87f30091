"""The wheel as a user gets it: what is in it, on which systems it runs, and that it wants nothing else."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
START = """
import agent_store

with agent_store.open("app.db") as store:
    print(store.log("conv:demo", "alice").append(b"hello").seq, bool(store.verify()))
"""
INSTALLED = "import importlib.metadata as m; print(sorted(d.metadata['Name'] for d in m.distributions()))"


@pytest.fixture
def wheel() -> Path:
    found = list((ROOT / "build" / "wheel").glob("*.whl"))
    assert len(found) == 1, "`make build` puts the wheel into build/wheel"
    return found[0]


def test_what_is_in_it(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    sources = {
        file.relative_to(ROOT / "python").as_posix()
        for file in (ROOT / "python").rglob("*")
        if file.suffix in {".py", ".pyi", ".typed", ".sql"} or file.name == "py.typed"
    }
    metadata = {name for name in names if re.match(r"agent_store-[^/]*\.dist-info/", name)}
    library = {name for name in names if re.fullmatch(r"agent_store/_core\.(abi3\.so|pyd)", name)}
    assert len(library) == 1
    assert set(names) == sources | metadata | library
    assert sum(name.endswith(("LICENSE-MIT", "LICENSE-APACHE")) for name in metadata) == 2


def test_it_is_for_every_python_from_3_11_on(wheel: Path) -> None:
    assert "-cp311-abi3-" in wheel.name
    [metadata] = [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith("/METADATA")]
    text = zipfile.ZipFile(wheel).read(metadata).decode()
    assert "Requires-Python: >=3.11\n" in text
    for needed in re.findall(r"^Requires-Dist: (.*)$", text, re.MULTILINE):
        assert "; extra ==" in needed, f"{needed} is needed by all"


def platform(tag: str) -> tuple[str, int, int, str]:
    """Which C library, from which version on, and the processor."""
    found = re.fullmatch(r"(many|musl)linux_(\d+)_(\d+)_(\w+)", tag)
    assert found is not None, f"{tag} is not the tag of a wheel for many systems"
    return found[1], int(found[2]), int(found[3]), found[4]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such rules")
def test_it_runs_on_the_systems_that_its_name_says(wheel: Path) -> None:
    """The symbols that it takes from the system, and nothing else of the machine that built it."""
    command = [sys.executable, "-m", "auditwheel", "show", "--json", str(wheel)]
    told = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    library, *version, processor = platform(told["overall_tag"])
    for tag in wheel.stem.rsplit("-", 1)[1].split("."):
        named, *oldest, of = platform(tag)
        assert (named, of) == (library, processor)
        assert oldest >= version


def test_it_works_with_nothing_else(wheel: Path, tmp_path: Path) -> None:
    """In an environment without pip, and with no index that could give it more."""
    bare, installer = tmp_path / "bare", tmp_path / "installer"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    subprocess.run([sys.executable, "-m", "venv", installer], check=True)
    programs = "Scripts" if os.name == "nt" else "bin"
    pip: list[str | Path] = [installer / programs / "python", "-m", "pip", "--python", bare]
    subprocess.run([*pip, "--disable-pip-version-check", "install", "--quiet", "--no-index", wheel], check=True)

    def run(*command: str | Path) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    python = bare / programs / "python"
    assert run(python, "-c", INSTALLED) == "['agent-store']\n"
    assert run(python, "-c", START) == "1 True\n"
    command = bare / programs / "agent-store"
    run(command, "append", "app.db", "conv:demo", "alice", "-p", "world")
    assert run(command, "show", "app.db", "conv:demo", "alice", "--raw") == "hello\nworld\n"
    assert "2 entries" in run(command, "verify", "app.db")
