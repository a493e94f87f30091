"""Statements that the server prepared and has no more: a pooler, or somebody who discarded them."""

import pytest

from agent_store import Store
from stores import a_schema


def appends(store: Store, how: str, number: int) -> None:
    log = store.log("s", "w")
    if how == "one":
        log.append(str(number).encode())
    elif how == "many":
        log.append_many([str(number).encode()] * 20)
    else:
        store.append_many([("s", "w", str(number).encode()), ("s", f"w{number}", b"")])


@pytest.mark.parametrize("how", ["one", "many", "rows"])
def test_what_is_written_does_not_depend_on_them(postgres: str, how: str) -> None:
    with a_schema("postgres", postgres) as place, place.open() as store:
        for number in range(5):
            appends(store, how, number)
            store.execute("DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$")
        assert store.verify()
        assert store.position() == {"one": 5, "many": 100, "rows": 10}[how]
        assert store.log("s", "w").head() is not None
