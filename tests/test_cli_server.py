"""Every command on the URL of a store on a server, as a user would type it; passwords from where libpq takes them."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import pytest

import agent_store
from cli import TIMEOUT, run, start
from moving import everything
from stores import Schema, a_schema


@pytest.fixture
def server(postgres: str) -> Iterator[Schema]:
    with a_schema("postgres", postgres) as place:
        yield place


@pytest.fixture
def url(server: Schema) -> str:
    return server.url


def test_each_command(url: str, tmp_path: Path) -> None:
    secret = urlsplit(url).password
    assert secret
    shown = url.replace(f":{secret}@", ":***@")

    def said(*arguments: object, data: bytes = b"") -> str:
        status, output, errors = run(*arguments, data=data)
        assert (status, errors) == (0, "")
        assert secret not in output
        return output

    assert said("append", url, "s", "w", data=b"one\ntwo\n").startswith("s  w  2  ")
    assert said("append", url, "s", "w", "-p", "three").startswith("s  w  3  ")
    assert [line[-5:] for line in said("show", url, "s", "w", "--reverse").splitlines()] == ["three", "  two", "  one"]
    assert said("show", url, "s", "w", "--raw") == "one\ntwo\nthree\n"
    assert [line.split()[::4] for line in said("tail", url, "-n", 2).splitlines()] == [["s", "two"], ["s", "three"]]
    assert said("exec", "--as", "x", "--once", url, "--", "sh", "-c", "cat; echo") == "one\ntwo\nthree\n"
    assert said("exec", "--as", "x", "--once", url, "--", "cat") == ""
    assert said("heads", url).startswith("s  w  3  ")
    assert said("generation", url, "g") == "0\n"
    assert said("generation", url, "g", "bump") == "1\n"
    assert said("generation", url, "g", "reserve", 5) == "2 6\n"
    assert said("verify", url) == f"{shown} holds: 3 entries in 1 log, every hash recomputed\n"
    assert said("verify", url, "s", "w").endswith("holds: 3 entries in 1 log, every hash recomputed\n")
    facts = json.loads(said("info", url, "--json"))
    assert {"kind": "postgres", "path": shown, "entries": 3, "position": 3}.items() <= facts.items()
    assert {line.split()[0] for line in said("info", url).splitlines()} == set(facts)
    copy, again, file = tmp_path / "copy.db", tmp_path / "again.db", tmp_path / "app.jsonl"
    assert said("copy", url, copy) == f"copied 3 entries\n{copy} holds: 3 entries in 1 log, every hash recomputed\n"
    assert said("export", url, file) == "exported 3 entries\n"
    assert said("import", again, file).startswith("imported 3 entries\n")
    assert run("append", copy, "s", "w", "-p", "four")[0] == 0
    assert said("copy", copy, url) == f"copied 1 entry\n{shown} holds: 4 entries in 1 log, every hash recomputed\n"
    assert said("import", url, data=said("export", copy).encode()).startswith("imported 0 entries\n")
    with agent_store.open(url) as store, agent_store.open(copy) as other:
        assert everything(store) == everything(other)


def test_following(url: str) -> None:
    with agent_store.open(url) as store:
        store.log("s", "w").append(b"one")
        with (
            start("tail", "-f", url, stderr=None) as tail,
            start("exec", "--as", "x", url, "--", "sh", "-c", "cat; echo", stderr=None) as exec_,
        ):
            assert tail.stdout is not None
            assert exec_.stdout is not None
            for payload in (b"one\n", b"two\n", b"three\n"):
                if payload != b"one\n":
                    store.log("s", "w").append(payload[:-1])
                assert tail.stdout.readline().endswith(payload)
                assert exec_.stdout.readline() == payload
            for process in (tail, exec_):
                process.send_signal(signal.SIGINT)
                assert process.wait(TIMEOUT) == 130


def test_between_two_schemas(server: Schema, url: str, postgres: str) -> None:
    with a_schema("postgres", postgres) as other:
        assert run("append", url, "s", "w", "-p", "x")[0] == 0
        assert run("copy", url, other.url)[0] == 0
        assert run("show", other.url, "s", "w", "--raw") == (0, "x\n", "")


def test_what_is_not_there(url: str, tmp_path: Path) -> None:
    secret = urlsplit(url).password or ""

    def failed(*arguments: object) -> tuple[int, str]:
        status, output, errors = run(*arguments)
        assert output == ""
        assert errors.count("\n") == 1
        assert secret not in errors
        assert "defect" not in errors
        return status, errors.removeprefix("agent-store: ").rstrip("\n")

    for verb in ("heads", "info", "export", "verify"):
        status, line = failed(verb, url)
        assert status == (2 if verb == "verify" else 1)
        assert "no store" in line
    assert failed("copy", url, tmp_path / "copy.db")[0] == 1
    assert not (tmp_path / "copy.db").exists()
    agent_store.open(url).close()
    status, line = failed("show", url, "s", "w")
    assert status == 1
    assert line.startswith("there is no log of stream 's', writer 'w' in postgresql://")
    status, line = failed("backup", url, tmp_path / "copy.db")
    assert status == 1
    assert "agent-store copy" in line
    assert "pg_dump" in line
    status, line = failed("append", url, "s", "w", tmp_path / "missing")
    assert status == 1


def without_password(url: str) -> tuple[str, str]:
    place = urlsplit(url)
    assert place.username
    assert place.password
    bare = f"{place.username}@{place.hostname}:{place.port}"
    return urlunsplit(place._replace(netloc=bare)), unquote(place.password)


def test_the_password_from_the_environment_and_from_a_file(url: str, tmp_path: Path) -> None:
    agent_store.open(url).close()
    bare, password = without_password(url)
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    home = {**outside, "HOME": str(tmp_path)}
    status, output, errors = run("heads", bare, env=home)
    assert (status, output) == (1, "")
    assert "password" in errors
    assert run("heads", bare, env={**home, "PGPASSWORD": password})[0] == 0
    wrong = run("heads", bare, env={**home, "PGPASSWORD": "wr0ng"})
    assert wrong[0] == 1
    assert "wr0ng" not in wrong[2]
    kept = tmp_path / "kept"
    kept.write_text(f"*:*:*:*:{password}\n")
    kept.chmod(0o600)
    assert run("heads", bare, env={**home, "PGPASSFILE": str(kept)})[0] == 0
    kept.rename(tmp_path / ".pgpass")
    # libpq looks for the home of the user where there is no HOME in the environment alone.
    assert run("heads", bare, env=home)[0] == 0


def test_without_what_it_needs(url: str) -> None:
    import subprocess
    import sys

    words = "import sys; sys.modules['psycopg'] = None; from agent_store.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", words, "heads", url], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "agent-store[postgres]" in done.stderr
    assert done.stderr.count("\n") == 1
