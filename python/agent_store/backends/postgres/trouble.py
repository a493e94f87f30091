"""What goes wrong on a connection: how far the server had come is known, or that nobody knows it."""

from agent_store.backends.postgres.values import Rows


class Trouble(Exception):
    """What the server, or the way to it, answered instead of the results.

    `done` is how many of the statements have certainly succeeded, and `rows` theirs. `lost`: the connection is gone.
    `answered`: what follows those was refused, by an answer that came. `sent`: the server may have got everything.
    """

    def __init__(
        self, words: str, state: str | None, rows: "list[Rows]", *, lost: bool, answered: bool, sent: bool
    ) -> None:
        super().__init__(words)
        self.words, self.state, self.rows = words, state, rows
        self.lost, self.answered, self.sent = lost, answered, sent

    @property
    def done(self) -> int:
        """How many statements have succeeded."""
        return len(self.rows)

    def may_have_done(self, statement: int) -> bool:
        """True where nobody can say whether the statement with this number, from 0, was carried out."""
        if not self.lost or self.done > statement:
            return False
        # A connection that ends with an error ended there; only at the statement itself it may be after the deed.
        return self.done == statement if self.answered else self.sent
