"""The demo, as `make demo` runs it: what it reads is real, what it says is true."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parent.parent / "examples" / "demo.py"
SOURCE = Path(__file__)


def demo(tmp_path: Path, *arguments: object, status: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, DEMO, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env={"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == status, done.stderr
    assert not list(tmp_path.iterdir())
    return done.stdout if status == 0 else done.stderr


@pytest.mark.parametrize("arguments", [[], [SOURCE]])
def test_the_demo(tmp_path: Path, arguments: list[Path]) -> None:
    shown = demo(tmp_path, *arguments)

    read = {
        name: int(count.replace(",", ""))
        for count, name in re.findall(r"^ *([\d,]+) lines  (.+)$", shown, re.MULTILINE)
    }
    for name, count in read.items():
        assert len(Path(name).read_bytes().removesuffix(b"\n").split(b"\n")) == count
    total = sum(read.values())
    if arguments:
        assert list(read) == [str(SOURCE)]
    else:
        assert total > 40_000
    writers = re.findall(r"^(\w+), process (\d+): ([\d,]+) lines in", shown, re.MULTILINE)
    assert len({pid for _, pid, _ in writers}) == len(writers) == 4
    assert sum(int(count.replace(",", "")) for _, _, count in writers) == total
    assert re.search(rf"^together {total:,} lines in [\d.]+ s: [\d,]+ lines/s", shown, re.MULTILINE)

    heads = re.findall(r"^(\S+) +(\w+) +(\d+)  [0-9a-f]{64}$", shown, re.MULTILINE)
    assert {stream for stream, _, _ in heads} == {"/".join(Path(name).parts[-2:]) for name in read}
    assert sum(int(seq) for _, _, seq in heads) == total
    assert f"demo.db holds: {total:,} entries in {len(heads)} logs" in shown
    assert re.search(rf"^{total:,} entries in [\d.]+ s: [\d,]+ entries/s", shown, re.MULTILINE)

    altered = re.search(r"Another process alters entry (\d+) of (\w+) in (\S+)", shown)
    assert altered is not None
    seq, writer, stream = altered.groups()
    assert "At first it is refused (agent-store: an entry is never changed)." in shown
    _, _, after = shown.partition("5. Verified again")
    assert re.search(
        rf"^hash +stream '{stream}', writer '{writer}', seq {seq}, position \d+: content_hash is", after, re.MULTILINE
    )
    assert f"demo.db is BROKEN: 1 break, in 1 log; {total - 1:,} of {total:,} entries" in after
    assert re.search(rf"^ *{seq}  [0-9a-f]{{8}}  nothing happened here$", after, re.MULTILINE)


def test_nothing_to_read(tmp_path: Path) -> None:
    assert demo(tmp_path, "/dev/null", status=1) == "demo: there are no lines to read\n"
    assert demo(tmp_path, "/nowhere", status=1) == "demo: /nowhere cannot be read: No such file or directory\n"
