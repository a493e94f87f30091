"""The commands that read: what they print, as text and as JSON, and that they leave every file as it was."""

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import agent_store
from agent_store.cli import main
from cli import run
from tampering import BOB_SEVENTH, ENTRIES, LOGS, build, damage, garbage, payload

DATA = Path(__file__).parent / "data"
Capture = pytest.CaptureFixture[str]


def call(capsys: Capture, *arguments: object) -> tuple[int, list[str]]:
    """In this process: exit status and lines; nothing went to standard error."""
    status = main([*map(str, arguments)])
    captured = capsys.readouterr()
    assert captured.err == ""
    return status, captured.out.splitlines()


def objects(capsys: Capture, *arguments: object) -> tuple[int, list[dict[str, Any]]]:
    status, lines = call(capsys, *arguments, "--json")
    return status, [json.loads(line) for line in lines]


@pytest.fixture
def built(path: Path) -> Path:
    build(path)
    return path


ODD = [b"plain", "tab\tand é".encode(), b"two\nlines", b"\x1b[2Jcleared", b"\xff\x00", b"", b"\xff" * 100]


@pytest.fixture
def odd(path: Path) -> Path:
    with agent_store.open(path, durability="normal") as store:
        store.log("s", "w").append_many(ODD)
    return path


def test_show_prints_what_can_be_read_and_quotes_the_rest(odd: Path, capsys: Capture) -> None:
    status, lines = call(capsys, "show", odd, "s", "w")
    assert status == 0
    with agent_store.open(odd, read_only=True) as store:
        hashes = [entry.content_hash.hex()[:8] for entry in store.entries()]
    assert [line.split("  ", 2)[:2] for line in lines] == [[str(seq), digest] for seq, digest in enumerate(hashes, 1)]
    assert [line.split("  ", 2)[2] for line in lines] == [
        "plain",
        "tab\tand é",
        r"'two\nlines'",
        r"'\x1b[2Jcleared'",
        r"b'\xff\x00'",
        "",
        "b'" + r"\xff" * 64 + "'… (100 bytes)",
    ]


def test_show_as_json_has_every_fact(odd: Path, capsys: Capture) -> None:
    status, found = objects(capsys, "show", odd, "s", "w")
    assert status == 0
    with agent_store.open(odd, read_only=True) as store:
        assert [
            agent_store.Entry(
                **item
                | {
                    "prev_hash": item["prev_hash"] and bytes.fromhex(item["prev_hash"]),
                    "content_hash": bytes.fromhex(item["content_hash"]),
                    "payload": base64.b64decode(item["payload"]),
                }
            )
            for item in found
        ] == list(store.entries())


@pytest.mark.parametrize(
    ("options", "seqs"),
    [
        ([], range(1, 21)),
        (["-n", 3], [1, 2, 3]),
        (["--reverse", "-n", 2], [20, 19]),
        (["--start", 18], [18, 19, 20]),
        (["--start", 5, "--stop", 7], [5, 6]),
        (["--start", 5, "--stop", 9, "--reverse", "--count", 2], [8, 7]),
        (["--start", 21], []),
    ],
)
def test_show_a_part(built: Path, capsys: Capture, options: list[object], seqs: list[int]) -> None:
    status, lines = call(capsys, "show", *options, built, "hall", "cat")
    assert status == 0
    assert [int(line.split()[0]) for line in lines] == [*seqs]


def test_show_raw_gives_the_bytes_back(odd: Path) -> None:
    for unbuffered in ("", "1"):
        status, output, _ = run("show", "--raw", odd, "s", "w", "--stop", 5, env={"PYTHONUNBUFFERED": unbuffered})
        assert (status, output.encode()) == (0, b"".join(payload + b"\n" for payload in ODD[:4]))


def test_heads(built: Path, capsys: Capture) -> None:
    with agent_store.open(built, read_only=True) as store:
        heads = [(head.stream, head.writer, str(head.seq), head.content_hash.hex()) for head in store.heads()]
    assert len(heads) == len(LOGS)
    status, lines = call(capsys, "heads", built)
    assert (status, [tuple(line.split()) for line in lines]) == (0, heads)
    status, lines = call(capsys, "heads", built, "--stream", "room")
    assert (status, [tuple(line.split()) for line in lines]) == (0, [head for head in heads if head[0] == "room"])
    status, found = objects(capsys, "heads", built)
    assert [(item["stream"], item["writer"], str(item["seq"]), item["content_hash"]) for item in found] == heads
    assert call(capsys, "heads", built, "--stream", "nowhere") == (0, [])


def test_names_cannot_steer_the_terminal(path: Path, capsys: Capture) -> None:
    with agent_store.open(path, durability="normal") as store:
        store.log("\x1b[2J", "a\nb").append(b"x")
    _, (line,) = call(capsys, "heads", path)
    assert line.startswith(r"'\x1b[2J'  'a\nb'  1  ")
    assert main(["show", str(path), "\x1b[2J", "nobody"]) == 1
    assert "\x1b" not in capsys.readouterr().err


def test_info(built: Path, capsys: Capture) -> None:
    with agent_store.open(built, read_only=True) as store:
        facts = store.info()
    assert objects(capsys, "info", built) == (0, [facts])
    status, lines = call(capsys, "info", built)
    told = dict(line.split(None, 1) for line in lines)
    assert (status, list(told)) == (0, list(facts))
    assert (told["entries"], told["layout"], told["bytes"]) == ("60", "compact", f"{facts['bytes']:,}")


def test_verify_a_store_that_holds(built: Path, capsys: Capture) -> None:
    text = f"{built} holds: {{}}, every hash recomputed"
    assert call(capsys, "verify", built) == (0, [text.format("60 entries in 3 logs")])
    assert call(capsys, "verify", built, "room", "bob") == (0, [text.format("20 entries in 1 log")])
    counts = {
        "holds": True,
        "entries": 60,
        "logs": 3,
        "entries_hold": 60,
        "breaks_total": 0,
        "broken_logs": 0,
        "erased": 0,
    }
    assert objects(capsys, "verify", built) == (0, [counts])


def test_verify_lists_every_break(built: Path, capsys: Capture) -> None:
    damage(built, f"UPDATE _agent_store_entries SET payload = x'00' {BOB_SEVENTH}")
    damage(built, "DELETE FROM _agent_store_entries WHERE log = 3 AND seq = 9")
    damage(built, "DROP TRIGGER _agent_store_logs_update", guards=False)
    status, lines = call(capsys, "verify", built)
    assert status == 1
    assert [line.split()[0] for line in lines[:-1]] == ["schema", "hash", "gap"]
    assert "_agent_store_logs_update" in lines[0]
    assert lines[1].startswith("hash       stream 'room', writer 'bob', seq 7, position 20: ")
    assert lines[2].startswith("gap        stream 'hall', writer 'cat', seq 9, ")
    assert lines[-1] == f"{built} is BROKEN: 3 breaks, in 2 logs; 57 of 59 entries in 3 logs hold"

    status, found = objects(capsys, "verify", built)
    with agent_store.open(built, read_only=True) as store:
        verdict = store.verify()
    assert status == 1
    assert [agent_store.Break(**item) for item in found[:-1]] == list(verdict.breaks)
    assert found[-1] == {
        "holds": False,
        "entries": 59,
        "logs": 3,
        "entries_hold": 57,
        "breaks_total": 3,
        "broken_logs": 2,
        "erased": 0,
    }
    # Of one log only what is of that log, and all of that.
    damage(built, "UPDATE _agent_store_entries SET payload = x'00' WHERE log = 2 AND seq = 3")
    status, found = objects(capsys, "verify", built, "room", "bob")
    assert (status, [item.get("seq") for item in found]) == (1, [3, 7, None])
    status, lines = call(capsys, "verify", built, "room", "ada")
    assert (status, len(lines)) == (0, 1)


def test_verify_counts_the_breaks_that_it_does_not_name(built: Path, capsys: Capture) -> None:
    damage(built, "UPDATE _agent_store_entries SET payload = x'00' WHERE log = 1")
    status, lines = call(capsys, "verify", built)
    assert (status, len(lines), lines[-2]) == (1, 12, "… and 10 more")


def test_a_page_that_cannot_be_read_is_a_break(built: Path, capsys: Capture) -> None:
    garbage(built, holding=payload(2, 7))
    status, found = objects(capsys, "verify", built)
    assert status == 1
    assert "corrupt" in {item.get("kind") for item in found}


def test_generation(built: Path, capsys: Capture) -> None:
    assert call(capsys, "generation", built, "report") == (0, ["7"])
    assert call(capsys, "generation", built, "new") == (0, ["0"])
    assert call(capsys, "generation", built, "report", "bump") == (0, ["8"])
    assert call(capsys, "generation", built, "report", "set", 10) == (0, ["10"])
    assert call(capsys, "generation", built, "report", "advance", 9) == (0, ["10"])
    assert call(capsys, "generation", built, "report", "advance", 12) == (0, ["12"])
    assert call(capsys, "generation", built, "report", "reserve", 100) == (0, ["13 112"])
    assert objects(capsys, "generation", built, "report") == (0, [{"key": "report", "value": 112}])
    assert objects(capsys, "generation", built, "report", "reserve", 2) == (
        0,
        [{"key": "report", "first": 113, "last": 114}],
    )


READING: list[list[object]] = [
    ["heads"],
    ["info"],
    ["verify"],
    ["verify", "inbox/ünïcode ☃", "alice"],
    ["show", "inbox/ünïcode ☃", "alice"],
    ["generation", "report"],
]


@pytest.mark.parametrize("layout", ["crate", "compact"])
def test_reading_changes_no_byte(path: Path, capsys: Capture, layout: str) -> None:
    shutil.copy(DATA / "crate-0.1.2.db", path)
    if layout == "compact":
        agent_store.open(path).close()
    before = path.read_bytes()
    answers = []
    for verb, *rest in READING:
        for options in ([], ["--json"]):
            status, lines = call(capsys, verb, *options, path, *rest)
            assert status == 0
            answers.append(lines)
        assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir() if not file.name.endswith(("-wal", "-shm"))] == [path.name]
    heads, _, info, _, verified, _, one, _, shown, _, value, _ = answers
    assert (len(heads), len(shown), value) == (6, 21, ["1"])
    assert f"layout          {layout}" in info
    assert verified == [f"{path} holds: 120 entries in 6 logs, every hash recomputed"]
    assert one == [f"{path} holds: 21 entries in 1 log, every hash recomputed"]


def test_entries_of_the_store_as_built(built: Path, capsys: Capture) -> None:
    _, lines = call(capsys, "show", built, "room", "ada")
    assert [line.split()[2] for line in lines] == [payload(1, seq).decode() for seq in range(1, ENTRIES + 1)]
