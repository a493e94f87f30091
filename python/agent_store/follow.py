"""Where somebody has got to in a store, and what comes next: the one logic of watching, which never sleeps."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from agent_store.reading import LARGEST, LARGEST_PAGE
from agent_store.transaction import Binding
from agent_store.waiting import check_can_wait, checked_after

if TYPE_CHECKING:
    from agent_store._core import Entry
    from agent_store.backends.waiter import Waiter

NOTHING = (None,)


def follow(binding: Binding, call: str, **selected: Any) -> "tuple[Waiter, Follower]":
    """One who waits, and what it has to read: from the moment of this call on, or from `after`."""
    checked_after(selected.get("after"))
    check_can_wait(binding, call)
    waiter = binding.backend.waiter()  # First: on a caller's connection nobody can wait, and nothing is done.
    try:
        return waiter, Follower(binding, **selected)
    except BaseException:
        waiter.stop()
        raise


class Newest:
    """The newest position, again and again; StoreReplaced where the entry that was newest before is there no more."""

    def __init__(self, binding: Binding) -> None:
        self._binding = binding
        self.known: tuple[int, bytes] | None = None

    def position(self) -> int:
        """As of now; 0 for an empty store."""
        backend = self._binding.backend
        pages = backend.pages(after=LARGEST, known=self.known)
        backend.read(pages, 1, None)
        return self.see(pages.newest)

    def glance(self, waiter: "Waiter") -> int | None:
        """`position`, if it can be had at once."""
        pages = self._binding.backend.pages(after=LARGEST, known=self.known)
        return None if waiter.glance(pages, 1) is None else self.see(pages.newest)

    def wait(self, waiter: "Waiter", seen: int, timeout: float | None) -> int | None:
        """`waiter.wait`, and where that is True `position` then; None where it is not."""
        pages = self._binding.backend.pages(after=LARGEST, known=self.known)
        return None if waiter.read(pages, 1, seen, timeout) is None else self.see(pages.newest)

    def see(self, newest: tuple[int, bytes] | None) -> int:
        """Remember it, if there is one; its position."""
        if newest is None or newest[0] == 0:
            return 0
        self.known = newest
        return newest[0]


class Follower:
    """Entries in commit order, without a gap and none twice, from a position on.

    Whoever sleeps does this, again and again: `take` until it gives None; look at the bell; `step`; and where that is
    False, `wait`, or sleep otherwise until the bell is rung.

    An interrupt, wherever it falls, takes no entry away: what `take` has not returned comes again.
    """

    def __init__(
        self,
        binding: Binding,
        *,
        stream: str | Sequence[str] | None = None,
        writer: str | None = None,
        exclude_writer: str | None = None,
        after: int | None = None,
    ) -> None:
        """`after=None`: after what is newest now, which is looked up."""
        self._binding = binding
        self._select: dict[str, Any] = {"stream": stream, "writer": writer, "exclude_writer": exclude_writer}
        self._newest = Newest(binding)
        self._pages: Any = None
        self._page: Sequence[Entry | None] = NOTHING
        self._next = 0
        self._position = self._newest.position() if after is None else min(after, LARGEST)

    @property
    def position(self) -> int:
        """How far it has come: what it selects at or below was taken, and nothing above was."""
        return self._position

    def take(self) -> "Entry | None":
        """The next of the entries that `step` found; None: step again."""
        # No call in here, after which an interrupt or another thread could come in between.
        entry = self._page[self._next]
        if entry is not None:
            self._next += 1
            self._position = entry.position
        return entry

    def step(self) -> bool:
        """Read on, once all was taken. False: nothing more was there after this call had begun.

        StoreReplaced where what was seen is there no more. After any error the next call tries the same again.
        """
        if self._page[self._next] is not None:
            return True
        try:
            # A reading ends at what was newest as it began. Only one that begins here may say that there is no more.
            goes_on = self._pages is not None
            return self._read() or (goes_on and self._read())
        except BaseException:
            self._pages = None  # It may have come further than what was kept of it.
            raise

    def glance(self, waiter: "Waiter") -> bool | None:
        """A `step`, if it can be made at once; None where it was not made."""
        if self._page[self._next] is not None:
            return True
        if self._pages is not None:
            return None
        try:
            self._begin()
            page = waiter.glance(self._pages, LARGEST_PAGE)
            if page is None:
                self._pages = None
                return None
            return self._keep(page)
        except BaseException:
            self._pages = None
            raise

    def wait(self, waiter: "Waiter", seen: int, timeout: float | None) -> bool:
        """`waiter.wait`, and where that is True a `step`, which gives the same; False where it is not.

        To be called after a step that gave False.
        """
        try:
            self._begin()
            page = waiter.read(self._pages, LARGEST_PAGE, seen, timeout)
            if page is None:
                self._pages = None  # Nobody can say how long ago it began.
            return page is not None and self._keep(page)
        except BaseException:
            self._pages = None
            raise

    def _read(self) -> bool:
        self._begin()
        return self._keep(self._binding.backend.read(self._pages, LARGEST_PAGE, None))

    def _begin(self) -> None:
        if self._pages is None:
            self._pages = self._binding.backend.pages(**self._select, after=self._position, known=self._newest.known)
        self._page, self._next = NOTHING, 0  # The next one takes its memory.

    def _keep(self, page: list[Any]) -> bool:
        newest = self._newest.see(self._pages.newest)
        if not page:
            self._pages = None
            self._position = max(self._position, newest)
            return False
        if page[-1].position >= newest:
            self._pages = None
        page.append(None)
        self._page = page
        return True
