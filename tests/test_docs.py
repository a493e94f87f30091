"""What README and docs/ say: snippets run and print what they show, links lead somewhere, what is named is there."""

import ast
import contextlib
import inspect
import io
import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

import agent_store
from agent_store import Doorbell, Generation, Store, StorePolicy, Subscription, Verdict, Watch, WriterLog, errors
from agent_store._core import Sqlite
from agent_store.backends.backend import Backend
from agent_store.backends.common.session import Session
from agent_store.backends.common.verifying import Source
from agent_store.backends.dbapi.backend import Dbapi
from agent_store.backends.postgres.adopted import Adopted
from agent_store.backends.postgres.database import Database
from agent_store.backends.postgres.own import Own
from blake3_rule import chain

ROOT = Path(__file__).parent.parent
PAGES = {page.relative_to(ROOT).as_posix(): page.read_text() for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r"^ *print\(.*\)  # (.+)$", re.MULTILINE)
ENTRIES = "'agent_store._agent_store_entries'::regclass"
COMMAND = re.compile(r"(^|\| )agent-store ")
ENDLESS = "tail -f"
URL = re.compile(r"postgresql://(?:[\w.:-]+@)?[\w.-]+(?::\d+)?/\w+")
"""Of a server in the pages, which snippets meet as the one of the tests: its database is another for each page."""
NAMED = re.compile(r"`((?:\.ci|benches|docs|examples|python|src|tests)/[\w./-]*)(?:::(\w+))?`")


class Snippet(NamedTuple):
    language: str
    text: str
    output: str | None
    """What a ```text block right behind it shows."""


def snippets(page: str) -> Iterator[Snippet]:
    text = PAGES[page]
    for found in FENCE.finditer(text):
        shown = FENCE.match(text, found.end() + 2) if text.startswith("\n\n", found.end()) else None
        output = shown[2] if shown is not None and shown[1] == "text" else None
        yield Snippet(found[1], found[2], output)


def prose(page: str) -> str:
    return FENCE.sub("", PAGES[page])


def same(shown: str, got: str) -> bool:
    """`…` stands for anything within a line."""
    return re.fullmatch(".*".join(map(re.escape, shown.strip("\n").split("…"))), got.strip("\n")) is not None


def run_python(snippet: Snippet, names: dict[str, Any]) -> None:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(snippet.text, "<snippet>", "exec"), names)
    shown = "\n".join(SHOWN.findall(snippet.text)) if snippet.output is None else snippet.output
    assert same(shown, output.getvalue()), output.getvalue()


def run_shell(text: str) -> None:
    """The lines of `agent-store`, but for what never ends; with `$` before each, what follows it is its output."""
    session = text.startswith("$ ")
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:] if session else text.splitlines()
    scripts = sysconfig.get_path("scripts")
    for part in parts:
        command, _, shown = part.partition("\n")
        if not COMMAND.search(command) or ENDLESS in command:
            continue
        done = subprocess.run(
            ["sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60,
            env=os.environ | {"PATH": f"{scripts}:{os.environ['PATH']}"},
        )
        if session:
            assert same(shown, done.stdout), f"{command}\n{done.stdout}"
        else:
            assert done.returncode == 0, f"{command}\n{done.stdout}"


@contextlib.contextmanager
def a_database(server: str) -> Iterator[str]:
    """The URL of an empty one."""
    name = f"docs_{os.getpid()}"
    place = urlsplit(server)
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
        try:
            yield urlunsplit(place._replace(path=f"/{name}"))
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("page", PAGES)
def test_snippets_run(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """One after the other, in a directory with nothing in it but a file of the crate's."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "tests" / "data" / "crate-0.1.2.db", "crate.db")
    names: dict[str, Any] = {"__name__": "snippets"}
    with contextlib.ExitStack() as stack:

        @cache
        def server() -> str:
            return stack.enter_context(a_database(request.getfixturevalue("postgres")))

        for snippet in snippets(page):
            if snippet.language in {"text", "sql"}:
                continue
            text = URL.sub(lambda _: server(), snippet.text)
            if snippet.language == "python":
                run_python(snippet._replace(text=text), names)
            else:
                assert snippet.language in {"sh", "console"}, "every block says what it is"
                run_shell(text)


def anchors(page: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        found = (ROOT / page).parent / name if name else ROOT / page
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found.resolve().relative_to(ROOT).as_posix()), target


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_reached_from_the_readme(page: str) -> None:
    assert page == "README.md" or f"]({page})" in PAGES["README.md"]


def functions(file: Path) -> set[str]:
    if file.suffix == ".rs":
        return set(re.findall(r"#\[test\]\s+fn (\w+)", file.read_text()))
    tree = ast.parse(file.read_text())
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}
    machines = {ast.unparse(node.targets[0]) for node in tree.body if isinstance(node, ast.Assign)}
    return names | {name for name in machines if name.startswith("Test")}


@pytest.mark.parametrize("page", PAGES)
def test_files_and_tests_that_are_named_exist(page: str) -> None:
    for path, test in NAMED.findall(PAGES[page]):
        assert (ROOT / path).exists(), path
        if test:
            assert test in functions(ROOT / path), f"{path}::{test}"


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_that_are_named_exist(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:`|^    )make (\w+)", PAGES[page], re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_each_promise_names_the_test_that_holds_it() -> None:
    promises, _, _ = PAGES["docs/safety.md"].partition("\n## What is not promised")
    rows = [line for line in promises.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    for row in rows:
        promise, held = row.strip("| ").split(" | ")
        assert all(test for _, test in NAMED.findall(held)), promise
        assert NAMED.search(held), promise


def test_the_sql_is_the_one_that_is_run() -> None:
    def run(kind: str, name: str) -> str:
        text = (ROOT / "python" / "agent_store" / "sql" / kind / f"{name}.sql").read_text()
        return text.replace("{schema}", "agent_store").replace("{entries}", ENTRIES)

    shown = [snippet.text for snippet in snippets("docs/format.md") if snippet.language == "sql"]
    *ours, crate, tables, lock, guards = shown
    assert "\n".join(ours) == f"{run('sqlite', 'tables')}\n{run('sqlite', 'guards')}"
    assert "PRIMARY KEY (stream, writer, seq)" in crate
    assert (tables, guards) == (run("postgres", "tables"), run("postgres", "guards"))
    assert lock.removeprefix("SELECT ").removesuffix(";\n") in run("postgres", "lock")


def test_the_example_of_the_hash_rule_is_blake3() -> None:
    """Against an implementation of our own, from BLAKE3's specification."""
    rows = re.findall(r"^\| \d \| `b\"(\w*)\"` \| `([0-9a-f]{64})` \|$", PAGES["docs/format.md"], re.MULTILINE)
    payloads = [payload.encode() for payload, _ in rows]
    assert len(payloads) == 3
    assert [digest for _, digest in rows] == [digest.hex() for digest in chain(payloads)]


CLASSES: dict[str, type[object]] = {
    "log": WriterLog,
    "generation": Generation,
    "store": Store,
    "policy": StorePolicy,
    "doorbell": Doorbell,
    "watch": Watch,
    "subscription": Subscription,
}


def signature(call: Any, *, method: bool) -> str:
    """Without annotations, and without self."""
    found = inspect.signature(call)
    kept = [value.replace(annotation=value.empty) for value in list(found.parameters.values())[method:]]
    return str(found.replace(parameters=kept, return_annotation=inspect.Signature.empty))


def test_the_reference_has_every_call_with_its_arguments() -> None:
    calls = (agent_store.open, agent_store.copy, agent_store.export, agent_store.import_)
    wanted = [f"agent_store.{call.__name__}{signature(call, method=False)}" for call in calls]
    for name, kind in CLASSES.items():
        for member, value in vars(kind).items():
            if not member.startswith("_") and inspect.isfunction(value):
                wanted.append(f"{name}.{member}{signature(value, method=True)}")
    for call in wanted:
        assert f"`{call}`" in PAGES["docs/api.md"], call


def test_the_reference_has_every_name() -> None:
    text = PAGES["docs/api.md"]
    for name in agent_store.__all__:
        assert re.search(rf"\b{name}\b", text), name
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, errors.StoreError):
            assert f"`{name}" in text, name
    kinds: list[type[object]] = [agent_store.Entry, agent_store.Head, agent_store.CommitEvent, agent_store.Fingerprint]
    for kind in (*kinds, Verdict, agent_store.Break, *CLASSES.values()):
        for member in vars(kind):
            assert member.startswith("_") or re.search(rf"\b{member}\b", text), f"{kind.__name__}.{member}"


def test_the_page_on_backends_names_every_method_of_theirs() -> None:
    page = PAGES["docs/backends.md"]
    for protocol in (Backend, Session, Source):
        members = [name for name in vars(protocol) if not name.startswith("_")]
        assert len(members) > 5
        for name in members:
            assert re.search(rf"`{name}`", page), f"{protocol.__name__}.{name}"
            assert (inspect.getdoc(getattr(protocol, name)) or "").strip(), f"{protocol.__name__}.{name} says nothing"


def test_a_backend_of_each_kind_takes_what_the_protocol_says() -> None:
    """Names, order and defaults of all arguments."""
    for kind in (Sqlite, Dbapi, Database, Own, Adopted):
        for name, method in vars(Backend).items():
            if not name.startswith("_") and inspect.isfunction(method):
                assert signature(getattr(kind, name), method=True) == signature(method, method=True), f"{kind}.{name}"
