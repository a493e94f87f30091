"""Verification: not yet."""

from typing import Any

from agent_store._core import Findings
from agent_store.errors import BackendError


def whole(reader: Any, statements: Any, progress: Any) -> Findings:
    raise BackendError("not yet")


def log(reader: Any, stream: str, writer: str, since: Any, contains: Any, progress: Any) -> Findings:
    raise BackendError("not yet")
