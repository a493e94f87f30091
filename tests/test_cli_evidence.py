"""checkpoint, receipt, verify --key, cosign, erase: what they print, as text and as JSON, and their exit statuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import agent_store
from agent_store import Checkpoint, SigningKey
from agent_store.cli import main
from tampering import damage

Capture = pytest.CaptureFixture[str]
Call = Callable[..., tuple[int, str, str]]
ORIGIN = "audit.example/db1"
PROVEN = "not altered, removed, inserted or moved since audit.example/db1 signed the checkpoint of size 3"


class Files(NamedTuple):
    """Three entries, a key and its public line, and another's of the same name; nothing is sealed."""

    db: Path
    key: Path
    pub: Path
    other: Path


@pytest.fixture
def call(capsys: Capture) -> Call:
    def called(*arguments: object) -> tuple[int, str, str]:
        """Exit status, output, errors."""
        status = main([*map(str, arguments)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return called


@pytest.fixture
def files(tmp_path: Path) -> Files:
    found = Files(*(tmp_path / name for name in ("app.db", "db1.key", "db1.pub", "other.pub")))
    key = SigningKey.generate(ORIGIN)
    key.save(found.key)
    found.pub.write_text(f"# of the store\n{key.verifier}\n")
    found.other.write_text(SigningKey.generate(ORIGIN).verifier)
    with agent_store.open(found.db, durability="normal") as store:
        store.log("orders", "shop-1").append_many([b"order 1", b"order 2", b"order 3"])
    return found


@pytest.fixture
def sealed(files: Files, call: Call) -> Files:
    status, shown, errors = call("checkpoint", files.db, files.key)
    assert (status, errors) == (0, "")
    files.db.with_name("checkpoint.txt").write_text(shown)
    return files


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_checkpoint(files: Files, call: Call) -> None:
    status, shown, errors = call("checkpoint", files.db)
    assert (status, shown) == (1, "")
    assert "there is no checkpoint" in errors
    status, shown, errors = call("checkpoint", files.db, files.key)
    assert (status, errors) == (0, "")
    checkpoint = Checkpoint(shown)
    assert (checkpoint.origin, checkpoint.size, checkpoint.signers) == (ORIGIN, 3, (ORIGIN,))
    assert call("checkpoint", files.db) == (0, shown, "")
    assert call("checkpoint", files.db, files.key) == (0, shown, ""), "with nothing new it is the same"
    call("append", files.db, "orders", "shop-1", "-p", "order 4")
    call("checkpoint", files.db, files.key)
    status, listed, _ = call("checkpoint", "--all", files.db)
    assert [line.split()[0] for line in listed.splitlines()] == ["3", "4"]
    (first, second) = objects(call("checkpoint", "--all", "--json", files.db)[1])
    assert first == {
        "origin": ORIGIN,
        "size": 3,
        "root": checkpoint.root.hex(),
        "signers": [ORIGIN],
        "checkpoint": shown,
    }
    assert objects(call("checkpoint", "--json", files.db)[1]) == [second]


def test_a_checkpoint_that_the_store_does_not_extend(sealed: Files, call: Call) -> None:
    kept = sealed.db.with_name("checkpoint.txt")
    assert call("checkpoint", "--after", kept, sealed.db, sealed.key)[0] == 0
    elsewhere = sealed.db.with_name("elsewhere.db")
    call("append", elsewhere, "orders", "shop-1", "-p", "order 1")
    status, shown, errors = call("checkpoint", "--after", kept, elsewhere, sealed.key)
    assert (status, shown) == (1, "")
    assert "nothing was sealed" in errors


def test_rotation(sealed: Files, call: Call) -> None:
    new = sealed.db.with_name("new.key")
    call("key", new, ORIGIN)
    call("append", sealed.db, "orders", "shop-1", "-p", "order 4")
    assert call("checkpoint", sealed.db, new)[0] == 1, "nobody said that this key follows"
    assert call("checkpoint", "--rotate", sealed.key, sealed.db, new)[0] == 0
    assert call("checkpoint", sealed.db, sealed.key)[0] == 1, "and now the old one is not right any more"
    status, shown, _ = call("verify", "--key", sealed.pub, sealed.db)
    assert status == 0, shown
    assert "positions 1 to 4" in shown


def test_verify_says_what_is_proven_and_what_is_not(sealed: Files, call: Call) -> None:
    call("append", sealed.db, "orders", "shop-1", "-p", "order 4")
    status, shown, errors = call("verify", "--key", sealed.pub, sealed.db)
    assert (status, errors) == (1, "")
    assert shown.splitlines()[:5] == [
        f"{sealed.db} is PROVEN UP TO POSITION 3 ONLY: 4 entries in 1 log, every hash recomputed",
        "integrity     holds",
        "completeness  fails",
        "authenticity  holds",
        "freshness     not asked",
    ]
    assert "because       position 4 is covered by no signed checkpoint" in shown
    assert f"proven        positions 1 to 3: {PROVEN}" in shown
    assert "not proven    position 4: newer than the checkpoint" in shown
    assert "not proven    that this is the newest state" in shown
    assert "not proven    anything against who has the key" in shown
    call("checkpoint", sealed.db, sealed.key)
    status, shown, _ = call(
        "verify", "--key", sealed.pub, "--checkpoint", sealed.db.with_name("checkpoint.txt"), sealed.db
    )
    assert status == 0
    assert shown.startswith(f"{sealed.db} holds: 4 entries in 1 log, every hash recomputed\nintegrity     holds\n")
    assert "freshness     holds" in shown
    assert "proven        positions 1 to 3: as they were when you got your checkpoint" in shown
    assert "newest state" not in shown


def test_verify_as_json(sealed: Files, call: Call) -> None:
    status, shown, _ = call("verify", "--json", "--key", sealed.pub, sealed.db)
    (found,) = objects(shown)
    expected = {
        "holds": True,
        "chained": 3,
        "sealed": 3,
        "signed": 3,
        "witnessed": 0,
        "integrity": "holds",
        "completeness": "holds",
        "authenticity": "holds",
        "freshness": "not asked",
        "reasons": [],
        "cosigners": [],
        "checkpoint": sealed.db.with_name("checkpoint.txt").read_text(),
    }
    assert (status, {name: found[name] for name in expected}) == (0, expected)


@pytest.mark.parametrize(
    ("sql", "claim"),
    [
        ("DELETE FROM _agent_store_notes", "completeness"),
        ("DELETE FROM _agent_store_entries WHERE position = 3", "completeness"),
        ("UPDATE _agent_store_logs SET stream = 'refunds'", "integrity"),
    ],
)
def test_what_fails_is_said(sealed: Files, call: Call, sql: str, claim: str) -> None:
    damage(sealed.db, sql)
    assert call("verify", sealed.db)[0] == 0, "a chain alone does not see it"
    status, shown, errors = call("verify", "--key", sealed.pub, sealed.db)
    assert (status, errors) == (1, "")
    assert f"{claim:<14}fails" in shown
    assert "because       " in shown
    assert "\nproven" not in shown
    assert "not proven    anything, as long as something fails" in shown
    status, shown, _ = call("verify", "--json", "--key", sealed.pub, sealed.db)
    assert (status, objects(shown)[-1]["holds"], objects(shown)[-1][claim]) == (1, False, "fails")


def test_another_key(sealed: Files, call: Call) -> None:
    status, shown, _ = call("verify", "--key", sealed.other, sealed.db)
    assert status == 1
    assert "authenticity  fails" in shown
    assert "is NOT PROVEN" in shown
    assert "\nproven" not in shown


def test_receipt(sealed: Files, call: Call, tmp_path: Path) -> None:
    receipt, entry, proof = tmp_path / "receipt.txt", tmp_path / "entry.json", tmp_path / "proof.json"
    receipt.write_text(call("receipt", sealed.db, "orders", "shop-1", 2)[1])
    entry.write_text(call("show", "--json", "--start", 2, "--stop", 3, sealed.db, "orders", "shop-1")[1])
    check = ("verify", "--key", sealed.pub, "--receipt")
    status, shown, errors = call(*check, receipt, entry)
    assert (status, errors) == (0, "")
    assert shown.startswith("proven: entry 2 of stream 'orders', writer 'shop-1' is among the 3 that audit.example/db1")
    assert "withheld" not in shown
    proof.write_text(call("receipt", "--json", "--withhold", sealed.db, "orders", "shop-1", 2)[1])
    assert json.loads(proof.read_text())["payload"] is None
    status, shown, _ = call(*check, "-", proof)
    assert status == 0
    assert "its payload was withheld" in shown
    (found,) = objects(call(*check, "-", "--json", proof)[1])
    assert (found["holds"], found["size"], found["payload_checked"]) == (True, 3, False)

    facts = json.loads(entry.read_text())
    for changed in ({"payload": "bGll"}, {"stream": "refunds"}, {"seq": 3}, {"content_hash": "ab" * 32}):
        entry.write_text(json.dumps(facts | changed))
        status, shown, errors = call(*check, receipt, entry)
        assert (status, shown) == (1, ""), changed
        assert errors.startswith("agent-store: not proven: ")
        (found,) = objects(call(*check, receipt, "--json", entry)[1])
        assert found["holds"] is False
    entry.write_text(json.dumps(facts))
    assert call("verify", "--key", sealed.other, "--receipt", receipt, entry)[0] == 1
    receipt.write_text("nonsense")
    assert call(*check, receipt, entry)[0] == 2


def test_an_entry_that_is_not_sealed_yet(sealed: Files, call: Call) -> None:
    call("append", sealed.db, "orders", "shop-1", "-p", "order 4")
    status, shown, errors = call("receipt", sealed.db, "orders", "shop-1", 4)
    assert (status, shown) == (1, "")
    assert "position 4 is not sealed yet" in errors
    assert call("receipt", sealed.db, "orders", "shop-1", 5)[0] == 1


def test_a_witness(sealed: Files, call: Call, tmp_path: Path) -> None:
    key, witness = tmp_path / "w1.key", tmp_path / "witness.db"
    request, line, served, trusted = (tmp_path / name for name in ("request", "line", "served", "trusted"))
    call("key", key, "witness.example/w1")
    public = call("key", "--witness", key)[1]
    served.write_text(f"log {call('key', sealed.key)[1]}quorum none\n")
    trusted.write_text(f"witness w1 {public}quorum w1\n")
    cosign = ("cosign", "--policy", served, witness, key)

    status, shown, _ = call("verify", "--key", sealed.pub, "--policy", trusted, sealed.db)
    assert (status, "authenticity  fails" in shown) == (1, True)

    request.write_text(call("checkpoint", "--since", 0, sealed.db)[1])
    status, shown, errors = call(*cosign, request)
    assert (status, errors) == (0, "")
    line.write_text(shown)
    status, cosigned, errors = call("checkpoint", "--cosigned", line, "--key", public.strip(), sealed.db)
    assert (status, errors) == (0, "")
    assert Checkpoint(cosigned).signers == (ORIGIN, "witness.example/w1")
    status, shown, _ = call("verify", "--key", sealed.pub, "--policy", trusted, "--max-age", 3600, sealed.db)
    assert status == 0, shown
    assert call("verify", "--key", sealed.pub, "--witness", public.strip(), sealed.db)[0] == 0
    assert call("verify", "--key", sealed.pub, "--witness", sealed.other, sealed.db)[0] == 2, "it is of another kind"
    assert (
        "the same for everybody, whoever has the key, unless these lie together with them: witness.example/w1" in shown
    )

    call("append", sealed.db, "orders", "shop-1", "-p", "order 4")
    call("checkpoint", sealed.db, sealed.key)
    status, shown, errors = call(*cosign, request)
    request.write_text(call("checkpoint", "--since", 0, sealed.db)[1])
    status, shown, errors = call(*cosign, request)
    assert (status, shown) == (1, "")
    assert "ask again with --since 3" in errors
    request.write_text(call("checkpoint", "--since", 3, sealed.db)[1])
    assert call("cosign", "--key", sealed.pub, witness, key, request)[0] == 0
    seen = call("cosign", "--seen", ORIGIN, witness, key)[1]
    assert Checkpoint(seen).size == 4
    assert call("cosign", "--seen", "nobody", witness, key)[0] == 1
    assert call("cosign", "--forks", witness, key) == (0, "", "")


def test_a_store_that_the_witness_does_not_serve(sealed: Files, call: Call, tmp_path: Path) -> None:
    key, request, served = tmp_path / "w1.key", tmp_path / "request", tmp_path / "served"
    call("key", key, "witness.example/w1")
    served.write_text(f"log {sealed.other.read_text()}\nquorum none\n")
    request.write_text(call("checkpoint", "--since", 0, sealed.db)[1])
    status, shown, errors = call("cosign", "--policy", served, tmp_path / "witness.db", key, request)
    assert (status, shown, errors.count("\n")) == (1, "", 1)


def test_erase(sealed: Files, call: Call) -> None:
    status, shown, errors = call("erase", "--reason", "asked to", sealed.db, sealed.key, "orders", "shop-1", 2)
    assert (status, errors) == (0, "")
    assert shown == "erased entry 2, position 2, 7 bytes\n"
    assert "  (erased: 7 bytes)" in call("show", sealed.db, "orders", "shop-1")[1]
    second = objects(call("show", "--json", sealed.db, "orders", "shop-1")[1])[1]
    assert (second["payload"], second["payload_len"]) == (None, 7)
    assert call("show", "--raw", sealed.db, "orders", "shop-1")[0] == 1
    status, shown, _ = call("verify", "--key", sealed.pub, sealed.db)
    assert (status, "1 payload erased" in shown) == (0, True)
    assert call("erase", sealed.db, sealed.key, "orders", "shop-1", 9)[0] == 1


WRONG: list[list[object]] = [
    ["checkpoint", "DB", "--after", "f"],
    ["checkpoint", "DB", "--cosigned", "f"],
    ["checkpoint", "DB", "--key", "k"],
    ["checkpoint", "DB", "KEY", "--all"],
    ["checkpoint", "DB", "--since", "-1"],
    ["cosign", "DB", "KEY", "request"],
    ["cosign", "DB", "KEY", "request", "--key", "PUB", "--policy", "PUB"],
    ["verify", "DB", "--key", "PUB", "--policy", "PUB", "--witness", "PUB"],
    ["cosign", "DB", "KEY", "--forks", "--seen", "x"],
    ["verify", "DB", "orders", "shop-1", "--key", "PUB"],
    ["verify", "DB", "--origin", "x"],
    ["verify", "DB", "--max-age", "5", "--key", "PUB"],
    ["verify", "DB", "--receipt", "f"],
    ["verify", "DB", "--key", "nonsense+1+2"],
    ["verify", "DB", "--key", "KEY"],
    ["verify", "DB", "--key", "missing.pub"],
    ["verify", "DB", "--key", "PUB", "--checkpoint", "KEY"],
    ["verify", "DB", "--key", "PUB", "--policy", "PUB"],
    ["receipt", "DB", "orders", "shop-1", "0"],
]


@pytest.mark.parametrize("words", WRONG, ids=lambda words: " ".join(map(str, words)))
def test_wrong_usage(sealed: Files, call: Call, words: list[object]) -> None:
    places = {"DB": sealed.db, "KEY": sealed.key, "PUB": sealed.pub}
    status, shown, errors = call(*(places.get(str(word), word) for word in words))
    assert (status, shown, errors.count("\n")) == (2, "", 1)
    assert "PRIVATE" not in errors
