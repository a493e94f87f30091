"""Who waits goes on when its connection is cut, its session ended, its server restarted; and is told when the store is
another one. Nothing is missed.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest

import agent_store
from acknowledged import Appenders
from agent_store import Store
from agent_store.backends.postgres import ear, hearing
from agent_store.errors import BackendError, StoreReplaced
from postgres_bells import DEADLINE, apart, asleep, listeners, settled, sleeping, until, waiting
from postgres_server import Server, url_of
from proxy import PLAIN, Proxy
from stores import Schema

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def behind(schema: Schema, server: Server, proxy: Proxy) -> Iterator[Store]:
    """Through the proxy."""
    schema.open().close()
    with agent_store.open(url_of(schema.url.replace(f":{server.port}/", f":{proxy.port}/"), **PLAIN)) as opened:
        yield opened


class Following:
    """Takes all entries of a store from the first on, however often it has to begin anew where it was."""

    def __init__(self, store: Store) -> None:
        self.positions: list[int] = []
        self._store = store
        self._last: int | None = None
        self.errors: list[BackendError] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while self._last is None or len(self.positions) < self._last:
            after = self.positions[-1] if self.positions else 0
            try:
                with self._store.watch(after=after, timeout=0.2) as watch:
                    for entry in watch:
                        self.positions.append(entry.position)
            except BackendError as error:
                self.errors.append(error)
                time.sleep(0.02)

    def to(self, last: int) -> list[int]:
        self._last = last
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive(), (len(self.positions), last)
        return self.positions


def test_cut_and_healed(schema: Schema, behind: Store, proxy: Proxy) -> None:
    following = Following(behind)
    with schema.open() as store:
        with Appenders(store, 2) as appenders:
            for round_ in range(6):
                appenders.wait_for(20)
                if round_ % 3 == 2:
                    proxy.refuse()
                    time.sleep(0.1)
                    proxy.accept()
                elif round_ % 3 == 1:
                    proxy.cut_after(300)
                    proxy.lost.wait(1.0)
                else:
                    proxy.cut()
            appenders.wait_for(20)
        last = store.position()
    assert following.to(last) == list(range(1, last + 1))


@pytest.mark.usefixtures("_only_rings")
def test_asleep_while_it_is_cut_off(
    schema: Schema, behind: Store, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    """What is committed meanwhile it learns when it is there again."""
    log = behind.log("s", "w")
    log.append(b"first")
    thread, found = sleeping(lambda: next(behind.watch(timeout=DEADLINE)))
    asleep(schema)
    with caplog.at_level(logging.WARNING, "agent_store"):
        proxy.refuse()
        time.sleep(0.3)
        with apart(schema) as store:
            entry = store.log("s", "w").append(b"meanwhile")
        until(lambda: not listeners(schema))
        time.sleep(0.3)
        assert not found
        proxy.accept()
        thread.join(DEADLINE)
    assert found == [entry]
    warned = [record.getMessage() for record in caplog.records]
    assert len(warned) == 1
    assert "who waits" in warned[0]
    assert ":***@" in warned[0]


def test_an_answer_that_does_not_come(
    schema: Schema, behind: Store, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a network swallows what is sent: what was asked is given up, and another connection is opened."""
    monkeypatch.setattr(ear, "ANSWER", 0.5)
    monkeypatch.setattr(hearing, "LOOK", 0.2)
    behind.log("s", "w").append(b"first")
    with waiting(behind, schema) as waiter:
        old = listeners(schema)
        settled(waiter)
        with proxy.holding():
            behind.doorbell.ring()
            time.sleep(1.0)
        until(lambda: listeners(schema) not in ([], old))
        seen = settled(waiter)
        with apart(schema) as store:
            store.log("s", "w").append(b"x")
        assert waiter.wait(seen, DEADLINE)


@pytest.mark.usefixtures("_only_rings")
def test_its_session_is_ended(schema: Schema) -> None:
    with schema.open() as store, apart(schema) as other, store.watch(after=0, timeout=DEADLINE) as watch:
        for position in range(1, 4):
            until(lambda: listeners(schema))
            (session,) = listeners(schema)
            schema.run("SELECT pg_terminate_backend(%s, 5000)", session)
            assert other.log("s", "w").append(b"x").position == position
            assert next(watch).position == position
            until(lambda session=session: listeners(schema) not in ([], [session]))  # type: ignore[misc]
        other.log("s", "w").append(b"x")
        assert next(watch).position == 4


ENDS: dict[str, Callable[[Server], None]] = {"stopped": Server.stop, "killed": Server.kill}


@pytest.mark.usefixtures("_only_rings")
@pytest.mark.parametrize("end", ENDS)
def test_its_server_is_restarted(schema: Schema, server: Server, end: str) -> None:
    with schema.open() as store:
        store.log("s", "w").append(b"first")
        thread, found = sleeping(lambda: next(store.watch(timeout=DEADLINE)))
        asleep(schema)
        ENDS[end](server)
        time.sleep(0.5)
        assert not found
        server.start()
        with apart(schema) as other:
            entry = other.log("s", "w").append(b"after")
        thread.join(DEADLINE)
        assert found == [entry]


@pytest.mark.parametrize("anew", [False, True])
def test_another_store_is_there(schema: Schema, *, anew: bool) -> None:
    with schema.open() as store:
        store.log("s", "w").append(b"first")
        calls: list[Callable[[], object]] = [
            lambda: next(store.watch(timeout=DEADLINE)),
            lambda: store.doorbell.wait(timeout=DEADLINE),
        ]
        begun = [sleeping(call) for call in calls]
        asleep(schema)
        schema.run(f"DROP SCHEMA {schema.name} CASCADE")
        if anew:
            agent_store.open(f"{schema.url}").close()
        for thread, found in begun:
            thread.join(DEADLINE)
            assert [type(each) for each in found] == [StoreReplaced]
        if not anew:
            return
    with schema.open() as store, apart(schema) as other, store.watch(timeout=DEADLINE) as watch:
        entry = other.log("s", "w").append(b"of the new one")
        assert next(watch) == entry
