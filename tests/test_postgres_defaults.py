"""What a session does by default, by the server, the database, the role or the URL: a store does as it must."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from postgres_server import url_of
from stores import Schema
from threads import check

DEFAULTS = [
    "default_transaction_isolation=serializable",
    "default_transaction_isolation=repeatable\\ read",
    "default_transaction_deferrable=on",
]


@pytest.mark.parametrize("default", DEFAULTS)
def test_appends_are_as_ever(schema: Schema, default: str) -> None:
    """Also where another one is amid its own: what the lock is waited for is seen."""
    schema.url = url_of(schema.url, options=f"-c{default}")

    def append(number: int) -> None:
        with schema.open(timeout=30) as store:
            assert store.query("SELECT 1") == [(1,)]
            for _ in range(20):
                store.log("s", f"w{number}").append(b"1")
                with store.transaction():
                    store.log("s", f"v{number}").append(b"2")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(append, range(4)))
    with schema.open() as store:
        check(store, 160)
