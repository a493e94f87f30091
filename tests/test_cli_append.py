"""agent-store append: files, pipes, one payload; what comes slowly, what is too much, and what Ctrl-C leaves."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import agent_store
from agent_store.cli import lines as reading
from agent_store.cli import main
from cli import TIMEOUT, run, start, until


def payloads(path: Path) -> list[bytes]:
    """What is committed, whoever writes at the moment; every hash recomputed."""
    with agent_store.open(path, read_only=True) as store:
        store.log("s", "w").verify()
        return [entry.payload for entry in store.log("s", "w").entries()]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"one\ntwo\n", [b"one", b"two"]),
        (b"one\nno end", [b"one", b"no end"]),
        (b"\n\n", [b"", b""]),
        (b"dos\r\n\xff\x00\xfe\n", [b"dos\r", b"\xff\x00\xfe"]),
        (b"x" * 1_000_000 + b"\ny\n", [b"x" * 1_000_000, b"y"]),
        (b"", []),
    ],
)
def test_lines_of_standard_input(path: Path, data: bytes, expected: list[bytes]) -> None:
    status, output, errors = run("append", path, "s", "w", data=data)
    assert (status, errors) == (0, "")
    assert payloads(path) == expected
    if expected:
        with agent_store.open(path, read_only=True) as store:
            head = store.log("s", "w").head()
            assert head is not None
            assert output == f"s  w  {len(expected)}  {head.content_hash.hex()}\n"
    else:
        assert output == ""


def test_files_one_after_the_other(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").write_bytes(b"1\n2")
    (tmp_path / "b").write_bytes(b"")
    (tmp_path / "-c").write_bytes(b"3\n4\n5\n")
    files = [str(tmp_path / name) for name in ("a", "b", "-c")]
    assert main(["append", str(path), "s", "w", "--json", "--batch", "2", *files]) == 0
    assert json.loads(capsys.readouterr().out)["seq"] == 5
    assert payloads(path) == [b"1", b"2", b"3", b"4", b"5"]
    status, _, _ = run("append", "--durability", "normal", path, "s", "w", "-", "--", "-c", data=b"6\n", cwd=tmp_path)
    assert status == 0
    assert payloads(path)[5:] == [b"6", b"3", b"4", b"5"]
    assert run("append", "--json", "--", path, "s", "w", "-c", cwd=tmp_path)[0] == 0
    assert payloads(path)[9:] == [b"3", b"4", b"5"]


def test_one_payload(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["append", str(path), "s", "w", "-p", "two\nlines é"]) == 0
    assert main(["append", str(path), "s", "w", "-p="]) == 0
    assert main(["append", "--payload=-x", str(path), "s", "w", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {
        "stream": "s",
        "writer": "w",
        "seq": 3,
        "content_hash": heads(path)[0].content_hash.hex(),
    }
    assert run("append", path, "s", "w", b"-p\xff".decode(errors="surrogateescape"))[0] == 0
    assert payloads(path) == ["two\nlines é".encode(), b"", b"-x", b"\xff"]


def heads(path: Path) -> list[agent_store.Head]:
    with agent_store.open(path, read_only=True) as store:
        return store.heads()


def test_what_comes_slowly_is_committed_as_it_comes(path: Path) -> None:
    agent_store.open(path).close()
    with start("append", path, "s", "w") as process:
        assert process.stdin is not None
        for data, expected in [
            (b"a\n", [b"a"]),
            (b"b\nc\nd", [b"a", b"b", b"c"]),
            (b"e\n", [b"a", b"b", b"c", b"de"]),
        ]:
            process.stdin.write(data)
            process.stdin.flush()
            until(lambda: len(payloads(path)) >= len(expected))  # noqa: B023 - done before the next
            assert payloads(path) == expected
        output, _ = process.communicate(b"end", timeout=TIMEOUT)
    assert process.returncode == 0
    assert output.split()[2] == b"5"
    assert payloads(path)[-1] == b"end"


def test_ctrl_c_while_it_waits(path: Path) -> None:
    agent_store.open(path).close()
    with start("append", path, "s", "w") as process:
        assert process.stdin is not None
        process.stdin.write(b"a\nb\nhalf")
        process.stdin.flush()
        until(lambda: len(payloads(path)) == 2)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, output) == (130, b"")
    assert errors == b"agent-store: interrupted; what was committed before stays: the log's entries up to 2 at least\n"
    assert payloads(path) == [b"a", b"b"]


def test_ctrl_c_in_the_midst_of_it(path: Path, tmp_path: Path) -> None:
    agent_store.open(path).close()
    lines = [b"%d" % number for number in range(400_000)]
    file = tmp_path / "lines"
    file.write_bytes(b"\n".join(lines))
    with start("append", path, "s", "w", file, "--batch", 100) as process:
        until(lambda: bool(heads(path)))
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, output) == (130, b"")
    assert errors.startswith(b"agent-store: interrupted; ")
    assert errors.count(b"\n") == 1
    kept = payloads(path)
    assert 0 < len(kept) < len(lines)
    assert len(kept) % 100 == 0
    assert kept == lines[: len(kept)]


def test_a_file_that_cannot_be_read_is_told_before_anything_is_written(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = tmp_path / "good"
    good.write_bytes(b"x\n")
    for bad, said in [(tmp_path / "no", "No such file or directory"), (tmp_path, "directory")]:
        assert main(["append", str(path), "s", "w", str(good), str(bad)]) == 1
        message = capsys.readouterr().err
        assert message.startswith(f"agent-store: {bad} ")
        assert said in message
    assert not path.exists()


def test_the_store_is_not_read_into_itself(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with agent_store.open(path) as store:
        store.log("s", "w").append(b"x")
        for name in (path, f"{path}-wal"):
            assert run("append", path, "s", "w", name)[2] == f"agent-store: {name} is a file of the store itself\n"
        store.log("s", "w").append(b"y")
    assert payloads(path) == [b"x", b"y"]


def test_names_are_checked_before_input_is_waited_for(path: Path) -> None:
    with start("append", path, "s", "") as process:
        assert process.wait(TIMEOUT) == 2
        assert process.stderr is not None
        assert process.stderr.read().startswith(b"agent-store: writer is empty")


@pytest.mark.parametrize("cut", [1, 3, 7, 100])
def test_lines_are_the_same_however_they_are_read(monkeypatch: pytest.MonkeyPatch, cut: int) -> None:
    monkeypatch.setattr(reading, "READ", cut)
    data = b"one\n\nthree is long\nx\ny\nz\nend"
    ours, theirs = os.pipe()
    os.write(theirs, data)
    os.close(theirs)
    found = list(reading.batches(ours, "it", 2))
    os.close(ours)
    assert [line for batch in found for line in batch] == data.split(b"\n")
    assert all(1 <= len(batch) <= 2 for batch in found)


def test_a_line_without_end_is_refused_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LONGEST", 1 << 20)
    with Path("/dev/zero").open("rb") as endless, pytest.raises(Exception, match="a line of more than 512 MiB"):
        list(reading.batches(endless.fileno(), "it", 2))


FLAT = """
import os, re, sys
from pathlib import Path
from agent_store.cli import main
def peak():  # KiB; the rusage of a process begins with that of whoever started it
    return int(re.search("VmHWM: *([0-9]+)", Path("/proc/self/status").read_text().replace("\\t", " "))[1])
main(["append", sys.argv[1], "s", "w", "--durability", "normal", os.devnull])
before = peak()
assert main(["append", sys.argv[1], "s", "w", "--durability", "normal"]) == 0
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of this process alone is told by Linux")
def test_memory_stays_flat(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FLAT, path],
        input=(b"x" * 2_000 + b"\n") * 40_000,
        capture_output=True,
        check=True,
        timeout=TIMEOUT,
    )
    head, grown = done.stdout.splitlines()
    assert head.split()[2] == b"40000"
    assert int(grown) < 50_000  # of 80,000
