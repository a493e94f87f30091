"""Whether leaves in commit order are whole chains: each follows the one before it in its log."""

from collections.abc import Iterator

from agent_store.verdict import Break

Facts = tuple[str, str, int, bytes | None, bytes, int]
"""Stream, writer, seq, prev_hash, content_hash, payload_len: what a leaf says."""


class Links:
    """The last leaf of each log so far."""

    def __init__(self) -> None:
        # Seq, content_hash, and how often leaves had been lost before it.
        self._last: dict[tuple[str, str], tuple[int, bytes, int]] = {}
        self._lost = 0

    def __len__(self) -> int:
        """Logs."""
        return len(self._last)

    def lost(self) -> None:
        """What comes next could not be read: of each log there may be any number of leaves in it."""
        self._lost += 1

    def breaks(self, position: int, facts: Facts) -> Iterator[Break]:
        """What is wrong with the next leaf."""
        stream, writer, seq, prev_hash, content_hash, _ = facts
        last, hash_before, lost = self._last.get((stream, writer), (0, None, 0))
        self._last[stream, writer] = (seq, content_hash, self._lost)
        if seq == last + 1:
            if prev_hash != hash_before:
                detail = "prev_hash is not the content_hash of the entry before"
                yield Break("link", stream, writer, seq, position, detail)
        elif seq <= last:
            yield Break("order", stream, writer, seq, position, f"it stands after entry {last} of its log")
        elif lost == self._lost:
            missing = f"entry {last + 1} is" if seq == last + 2 else f"entries {last + 1} to {seq - 1} are"
            yield Break("gap", stream, writer, last + 1, position, f"{missing} missing")
