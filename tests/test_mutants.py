"""The lists of `make mutants` are of the code and the tests as they are now."""

import re
import subprocess
import sys

import mutate

MUTANTS = mutate.load()


def test_the_lists_are_long_and_name_each_once() -> None:
    assert len(MUTANTS) >= 40
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert len({(mutant.file, mutant.before) for mutant in MUTANTS}) == len(MUTANTS)


def test_the_text_of_each_stands_once_in_the_code() -> None:
    for mutant in MUTANTS:
        assert (mutate.ROOT / mutant.file).read_text().count(mutant.before) == 1, mutant.name
        assert mutant.after != mutant.before, mutant.name


def test_the_test_of_each_is_there() -> None:
    named = {mutant.test for mutant in MUTANTS if mutant.runner == "pytest"}
    collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", *sorted(named)]
    done = subprocess.run(collect, cwd=mutate.ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout[-3_000:]
    collected = set(done.stdout.splitlines())
    assert named <= collected | {test.partition("[")[0] for test in collected}
    for mutant in MUTANTS:
        if mutant.runner == "cargo":
            module, test = mutant.test.split("::tests::")
            code = mutate.ROOT / "src" / module.replace("::", "/")
            files = [file for file in (code.with_suffix(".rs"), code / "tests.rs") if file.exists()]
            assert any(re.search(rf"#\[test\]\n *fn {test}\(", file.read_text()) for file in files), mutant.name
