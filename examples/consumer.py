"""A consumer that is killed at any moment and still counts each entry exactly once.

    python examples/consumer.py app.db               (or a postgresql:// URL)
    python examples/consumer.py app.db 2             ends when nothing has come for 2 seconds

It adds up the payments of each account: the entries of stream "payments", whose writer is the account and whose payload
the amount. Adding twice would be as wrong as not at all. So the sum and the position are committed together.
"""

import sys

import agent_store
from agent_store import Entry, Store

TABLE = (
    "CREATE TABLE IF NOT EXISTS balance (account TEXT PRIMARY KEY, amount BIGINT NOT NULL, payments BIGINT NOT NULL)"
)
ADD = """
INSERT INTO balance VALUES (?, ?, 1)
ON CONFLICT (account) DO UPDATE SET amount = balance.amount + excluded.amount, payments = balance.payments + 1
"""


def consume(store: Store, timeout: float | None = None) -> None:
    """All payments that come, and before them those that came while this did not run."""
    done = store.generation("balances")
    for entry in store.watch(stream="payments", after=done.current(), timeout=timeout):
        with store.transaction():
            if done.current() < entry.position:  # else somebody else runs this too, and was first
                add(store, entry)
                done.advance_to(entry.position)


def add(store: Store, entry: Entry) -> None:
    """One payment."""
    store.execute(sql(store, ADD), [entry.writer, int(entry.payload)])


def sql(store: Store, statement: str) -> str:
    """With the placeholders of the store's database."""
    return statement.replace("?", "%s") if store.target.startswith("postgres") else statement


def main(target: str, timeout: float | None) -> None:
    """Make the table, and consume."""
    with agent_store.open(target) as store:
        store.execute(TABLE)
        consume(store, timeout)
        for account, amount, payments in store.query("SELECT * FROM balance ORDER BY account"):
            print(f"{account}: {amount:,} in {payments:,} payments")


if __name__ == "__main__":
    try:
        main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else None)
    except KeyboardInterrupt:
        sys.exit(130)
