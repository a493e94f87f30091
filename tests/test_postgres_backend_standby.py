"""A hot standby: read from while it follows, and it takes no writes."""

import psycopg
import pytest

import agent_store
from agent_store import Store
from agent_store.errors import ReadOnlyStore
from postgres_server import Server
from standbys import is_behind, soon, standby_of


def test_a_hot_standby() -> None:
    with Server() as server, agent_store.open(server.url()) as store:
        log = store.log("s", "w")
        log.append_many([b"x"] * 2_000)
        store.generation("g").bump()
        with standby_of(server) as port:
            url = server.url(port=port)
            soon(lambda: is_behind(url), True, ignored=(psycopg.Error,))
            with agent_store.open(url, read_only=True) as behind:
                soon(behind.position, 2_000)
                entry = log.append(b"later")
                soon(behind.log("s", "w").head, entry)
                assert behind.verify().holds
                assert behind.log("s", "w").verify() == behind.heads()[0]
                assert len(list(behind.entries(after=1_990))) == 11
                assert behind.generation("g").current() == 1
                assert behind.query("SELECT pg_is_in_recovery()") == [(True,)]
                takes_no_writes(behind)
            with agent_store.open(url) as behind:
                assert behind.position() == 2_001
                takes_no_writes(behind)


def takes_no_writes(store: Store) -> None:
    for write in (
        lambda: store.log("s", "w").append(b"y"),
        lambda: store.log("s", "w").append_many([b"y"] * 2_000),
        store.generation("g").bump,
        lambda: store.execute("CREATE TABLE notes (x int)"),
    ):
        with pytest.raises(ReadOnlyStore):
            write()
