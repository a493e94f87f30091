"""Which file imports which: what is there against the tables of docs/design.md."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYTHON = ROOT / "python" / "agent_store"
RUST = ROOT / "src"
CRATES = {"blake3", "ed25519_dalek", "hashlink", "libc", "pyo3", "rusqlite", "sha2"}
COMMENT = re.compile(r"//.*")
TESTS = re.compile(r"^#\[cfg\(test\)\]\nmod tests .*?^\}$", re.MULTILINE | re.DOTALL)


def table(title: str) -> dict[str, list[set[str]]]:
    """The names in each cell, by the name in the first, of the table whose first title this is."""
    _, _, after = (ROOT / "docs" / "design.md").read_text().partition(f"| `{title}` |")
    rows = after.partition("\n\n")[0].splitlines()[2:]
    cells = [row.strip("|").split("|") for row in rows]
    return {name.strip().strip("`"): [set(re.findall(r"`([\w.]+)`", cell)) for cell in rest] for name, *rest in cells}


def imported(node: ast.AST) -> Iterator[str]:
    """Modules of the package, at run time."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.ImportFrom) and child.module is not None:
            of_package = child.module == "agent_store"
            yield from (f"agent_store.{name.name}" for name in child.names) if of_package else [child.module]
        elif isinstance(child, ast.Import):
            yield from (name.name for name in child.names)
        yield from imported(child)


def imports_of(file: Path) -> set[str]:
    return {name for name in imported(ast.parse(file.read_text())) if name.split(".")[0] == "agent_store"}


def test_python() -> None:
    wanted = table("python/agent_store/")
    del wanted["cli"]
    folders = {name.removesuffix(".*"): wanted.pop(name)[0] for name in list(wanted) if name.endswith(".*")}
    found = {}
    for file in PYTHON.rglob("*.py"):
        name = ".".join(file.relative_to(PYTHON).with_suffix("").parts)
        folder = name.rpartition(".")[0]
        if folder in folders:
            for module in imports_of(file):
                within = module.removeprefix("agent_store.")
                assert any(f"{within}.".startswith(f"{most}.") for most in {folder, *folders[folder]}), (file, module)
        elif name not in {"__init__", "__main__", "backends.__init__"} and folder != "cli":
            found[name] = [{module.split(".")[1] for module in imports_of(file)}]
    assert found == wanted


def test_the_command_line() -> None:
    """Above all else, and nothing but the command line knows it."""
    for file in PYTHON.rglob("*.py"):
        imports = imports_of(file)
        if file.parent.name == "cli":
            assert {name for name in imports if not name.startswith("agent_store.cli")} <= {
                "agent_store",
                "agent_store.errors",
            }, file
        elif file.name != "__main__.py":
            assert not any(name.startswith("agent_store.cli") for name in imports), file


def rust(path: Path) -> str:
    """Without comments and tests."""
    return TESTS.sub("", COMMENT.sub("", path.read_text()))


def test_rust() -> None:
    rules = table("src/")
    *_, others = rules.values()
    for file in RUST.rglob("*.rs"):
        of = file.relative_to(RUST)
        if of.name == "lib.rs":
            continue
        text = rust(file)
        own = set(re.findall(r"\bcrate::(\w+)", text))
        for names in re.findall(r"\bcrate::\{([^}]*)\}", text):
            own |= set(re.findall(r"\w+", names))
        never, only = rules.get(of.name if len(of.parts) == 1 else f"{of.parts[0]}/", others)
        assert not own & never, file
        assert CRATES & set(re.findall(r"(?<!:)\b(\w+)::", text)) <= only, file


def test_only_the_system_is_unsafe() -> None:
    for file in RUST.rglob("*.rs"):
        if file.parent.name == "os":
            continue
        assert not re.search(r"\bunsafe\b", rust(file)), file


def test_each_statement_is_a_file_and_each_file_is_used() -> None:
    """By Rust, or by what is written in Python for all databases or for this one."""
    named = set(re.findall(r'^    (?:\w+ = )?"(\w+)";?$', (RUST / "sqlite" / "sql.rs").read_text(), re.MULTILINE))
    there = {file.stem for file in (PYTHON / "sql" / "sqlite").glob("*.sql")}
    assert named <= there
    python = "".join(
        file.read_text() for folder in ("common", "dbapi") for file in (PYTHON / "backends" / folder).glob("*.py")
    )
    assert there - named <= set(re.findall(r'"(\w+)"', python))


def test_importing_the_package_imports_no_driver() -> None:
    """Most of the time of a short program that opens a file would go into what it does not use."""
    code = "import sys, agent_store; print(*sorted({'sqlite3', 'psycopg', 'hashlib', 'json'} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "\n"
