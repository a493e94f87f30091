"""Break one line of the code at a time, and see a test notice: `make mutants`, or ARGS='name …' for some alone.

What is broken, and who must notice, is listed in mutants/. All happens in build/mutants: on a copy of the sources that
the wheel was built from, installed in an environment of its own.
"""

import shutil
import subprocess
import sys
import sysconfig
import time
import tomllib
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LISTS = ROOT / "tests" / "mutants"
TOOLS = ROOT / "build" / "tools" / "bin"
PLACE = ROOT / "build" / "mutants"
SOURCE = PLACE / "src"
PROFILE = ("--profile", "mutants")
"""Of this alone: cargo takes the copy for the checkout, and would go on using there what is broken here."""
CARGO = ("cargo", "test", *PROFILE, "--locked", "--no-default-features", "--lib")
PYTHON = PLACE / "venv" / "bin" / "python"
PIP = (TOOLS / "python", "-m", "pip", "--python", PYTHON, "install", "-q", "--no-deps", "--no-compile", "-I")
PYTEST = (PYTHON, "-m", "pytest", "-q", "--no-header", "--timeout=60")
PATIENCE = 600.0  # seconds for one build or test; beyond them something hangs
RED = {"pytest": 1, "cargo": 101}
"""Exit statuses of a test that failed; others are of a test that could not be run."""


@dataclass(frozen=True)
class Mutant:
    """A slip, the test that must turn red (of pytest, or cargo's by its path), and what is wrong if it does not."""

    name: str
    file: str
    before: str
    after: str
    test: str
    why: str

    def apply(self, root: Path) -> str:
        """Write it into the file under `root`; the text that was there."""
        path = root / self.file
        text = path.read_text()
        if (found := text.count(self.before)) != 1:
            raise Failed(f"its text is {found} times in {self.file} and must be there once: the list is stale")
        path.write_text(text.replace(self.before, self.after))
        return text

    @property
    def runner(self) -> str:
        return "pytest" if self.test.startswith("tests/") else "cargo"


class Failed(Exception):
    """What keeps a mutant from being caught, or all of them."""


def load() -> list[Mutant]:
    tables = [tomllib.loads(path.read_text()) for path in sorted(LISTS.glob("*.toml"))]
    return [Mutant(name, **facts) for table in tables for name, facts in table.items()]


def run(*command: object, cwd: Path = SOURCE, else_say: str = "") -> tuple[int, str]:
    """Exit status, which must be 0 where there is something to say else, and output."""
    words, out, both = [*map(str, command)], subprocess.PIPE, subprocess.STDOUT
    try:
        done = subprocess.run(words, cwd=cwd, stdout=out, stderr=both, text=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{' '.join(words[:4])} … took more than {PATIENCE:.0f} s") from error
    if else_say and done.returncode:
        raise Failed(f"{else_say} (status {done.returncode}):\n{done.stdout[-5_000:]}")
    return done.returncode, done.stdout[-5_000:]


def prepare() -> None:
    """The copy and the environment. Every file of the copy is new to cargo: what it compiled last may be a mutant."""
    shutil.rmtree(PLACE, ignore_errors=True)
    shutil.copytree(ROOT / "build" / "src", SOURCE, copy_function=shutil.copy)
    venv.create(PLACE / "venv", symlinks=True)
    # What the tests need besides the package, which is found before: the environment's own packages come first.
    paths = {"base": str(PLACE / "venv"), "platbase": str(PLACE / "venv")}
    Path(sysconfig.get_path("platlib", vars=paths), "tests.pth").write_text(sysconfig.get_path("platlib") + "\n")


def build(runner: str) -> None:
    if runner == "cargo":
        run(*CARGO, "--no-run", else_say="it does not build")
    else:
        run(TOOLS / "maturin", "build", *PROFILE, "--out", PLACE / "wheel", else_say="it does not build")
        run(*PIP, *(PLACE / "wheel").iterdir(), else_say="it cannot be installed")


def test(runner: str, tests: list[str]) -> tuple[int, str]:
    """Exit status and output of these tests."""
    return run(*PYTEST, *tests, cwd=ROOT) if runner == "pytest" else run(*CARGO, "--", "--exact", *tests)


def catch(mutant: Mutant) -> None:
    """See its test turn red; the copy is then as it was."""
    text = mutant.apply(SOURCE)
    try:
        build(mutant.runner)
        status, output = test(mutant.runner, [mutant.test])
    finally:
        (SOURCE / mutant.file).write_text(text)
    if status == 0:
        raise Failed(f"SURVIVED: {mutant.test} holds although {mutant.why}")
    if status != RED[mutant.runner]:
        raise Failed(f"{mutant.test} could not be run (status {status}):\n{output}")


def main(names: list[str]) -> int:
    mutants = [mutant for mutant in load() if not names or mutant.name in names]
    if unknown := set(names) - {mutant.name for mutant in mutants}:
        raise Failed(f"none is named {', '.join(sorted(unknown))}")
    prepare()
    caught, begun = 0, time.monotonic()
    for runner in RED:
        if tests := sorted({mutant.test for mutant in mutants if mutant.runner == runner}):
            build(runner)
            status, output = test(runner, tests)
            if status:
                raise Failed(f"without any mutant the tests of {runner} must hold (status {status}):\n{output}")
            print(f"{'unbroken':<44} {runner}: {len(tests)} tests hold", flush=True)
    for mutant in mutants:
        since = time.monotonic()
        try:
            catch(mutant)
        except Failed as failed:
            print(f"{mutant.name:<44} {failed}", flush=True)
        else:
            caught += 1
            print(f"{mutant.name:<44} caught in {time.monotonic() - since:4.1f} s", flush=True)
    print(f"{caught} of {len(mutants)} mutants caught, in {time.monotonic() - begun:.0f} s")
    return 0 if caught == len(mutants) else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Failed as failed:
        sys.exit(f"mutants: {failed}")
    except KeyboardInterrupt:
        sys.exit(130)
