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
SOURCE, PYTHON = PLACE / "src", PLACE / "venv" / "bin" / "python"
PYTEST = ("-m", "pytest", "-q", "--no-header", "--timeout=60")
PATIENCE = 600.0  # seconds for one build or test; beyond them something hangs
RED = {"pytest": 1, "cargo": 101}
"""Exit statuses of a test that failed; others are of a test that could not be run."""


@dataclass(frozen=True)
class Mutant:
    """A slip that somebody might make, and the test that must turn red: of pytest, or of cargo by its path.

    `before` stands once in `file`; `why` is what would be wrong with `after` in its place.
    """

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
        """What runs its test."""
        return "pytest" if self.test.startswith("tests/") else "cargo"


class Failed(Exception):
    """What keeps a mutant from being caught, or all of them."""


def load() -> list[Mutant]:
    """The kept lists."""
    tables = [tomllib.loads(path.read_text()) for path in sorted(LISTS.glob("*.toml"))]
    return [Mutant(name, **facts) for table in tables for name, facts in table.items()]


def run(*command: object, cwd: Path = SOURCE) -> tuple[int, str]:
    """Exit status and output."""
    words = [*map(str, command)]
    try:
        done = subprocess.run(
            words, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{' '.join(words[:4])} … took more than {PATIENCE:.0f} s") from error
    return done.returncode, done.stdout


def must(what: str, *command: object) -> None:
    status, output = run(*command)
    if status:
        raise Failed(f"{what} (status {status}):\n{output[-5_000:]}")


def prepare() -> None:
    """The copy and the environment. Every file of the copy is new to cargo: what it compiled last may be a mutant."""
    shutil.rmtree(PLACE, ignore_errors=True)
    shutil.copytree(ROOT / "build" / "src", SOURCE, copy_function=shutil.copy)
    venv.create(PLACE / "venv", symlinks=True)
    # What the tests need besides the package, which is found before: the environment's own packages come first.
    paths = {"base": str(PLACE / "venv"), "platbase": str(PLACE / "venv")}
    Path(sysconfig.get_path("platlib", vars=paths), "tests.pth").write_text(sysconfig.get_path("platlib") + "\n")


def build(runner: str) -> None:
    """What `runner` tests."""
    if runner == "cargo":
        must("it does not build", "cargo", "test", "--locked", "--no-default-features", "--lib", "--no-run")
        return
    must("it does not build", TOOLS / "maturin", "build", "--profile", "mutants", "--out", PLACE / "wheel")
    [wheel] = (PLACE / "wheel").iterdir()
    pip = (TOOLS / "python", "-m", "pip", "--python", PYTHON, "install", "--quiet", "--no-deps", "--no-compile")
    must("it cannot be installed", *pip, "--ignore-installed", wheel)


def test(runner: str, tests: list[str]) -> tuple[int, str]:
    """Exit status and output of these tests."""
    if runner == "pytest":
        return run(PYTHON, *PYTEST, *tests, cwd=ROOT)
    return run("cargo", "test", "--locked", "--no-default-features", "--lib", "--", "--exact", *tests)


def catch(mutant: Mutant) -> None:
    """Apply one, build, and see its test turn red; the copy is then as it was."""
    text = mutant.apply(SOURCE)
    try:
        build(mutant.runner)
        status, output = test(mutant.runner, [mutant.test])
    finally:
        (SOURCE / mutant.file).write_text(text)
    if status == 0:
        raise Failed(f"SURVIVED: {mutant.test} holds although {mutant.why}")
    if status != RED[mutant.runner]:
        raise Failed(f"{mutant.test} could not be run (status {status}):\n{output[-5_000:]}")


def main(names: list[str]) -> int:
    """Catch all, or those named; the exit status."""
    mutants = [mutant for mutant in load() if not names or mutant.name in names]
    if unknown := set(names) - {mutant.name for mutant in mutants}:
        print(f"mutants: none is named {', '.join(sorted(unknown))}")
        return 2
    prepare()
    caught, begun = 0, time.monotonic()
    for runner in RED:
        tests = sorted({mutant.test for mutant in mutants if mutant.runner == runner})
        if tests:
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
