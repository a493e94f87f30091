"""What is opened when it is awaited, or entered."""

from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar


class Closing(Protocol):
    """What is closed at the end of `async with`."""

    async def close(self) -> None:
        """Any number of times."""


Opened = TypeVar("Opened", bound=Closing)


class Opening(Generic[Opened]):
    """`await` gives it opened; `async with` too, and closes it at the end."""

    def __init__(self, open: Callable[[], Coroutine[Any, Any, Opened]]) -> None:
        self._opening = open()  # Python warns of one that nobody awaits.
        self._opened: Opened | None = None

    def __await__(self) -> Generator[Any, None, Opened]:
        return self._opening.__await__()

    async def __aenter__(self) -> Opened:
        self._opened = await self._opening
        return self._opened

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._opened is not None:
            await self._opened.close()
