"""The statements of a database: one file each, shared with Rust where it runs them too."""

from functools import cache
from importlib.resources import files


@cache
def of(kind: str) -> dict[str, str]:
    """The text of each file in `agent_store/sql/<kind>/`, by its name without the ending."""
    folder = files("agent_store") / "sql" / kind
    return {
        file.name.removesuffix(".sql"): file.read_text(encoding="utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    }
