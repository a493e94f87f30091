"""Names, payloads, targets and options that are wrong are refused in an error that says so."""

import mmap
from collections.abc import Callable
from pathlib import Path

import pytest

import agent_store
from agent_store import Store

NAMES = {"empty": "", "NUL": "a\0b", "surrogate": "a\ud800", "long": "x" * 1_025, "long in UTF-8": "ä" * 513}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_names_that_cannot_be_written_under(store: Store, name: str) -> None:
    writes: list[Callable[[], object]] = [
        lambda: store.log(name, "w").append(b"x"),
        lambda: store.log("s", name).append(b"x"),
        lambda: store.log("s", name).append_many([]),
        lambda: store.append_many([("s", "w", b"x"), (name, "w", b"x")]),
        lambda: store.append_many([("s", name, b"x")]),
        lambda: store.generation(name).bump(),
        lambda: store.generation(name).set(5),
        lambda: store.generation(name).reserve(5),
        lambda: store.generation(name).advance_to(5),
    ]
    for write in writes:
        with pytest.raises(ValueError, match=r"stream|writer|key"):
            write()
    assert store.position() == 0


def test_names_that_are_never_written_can_be_looked_for(store: Store) -> None:
    for what, name in NAMES.items():
        if what == "surrogate":
            for look in (
                lambda: store.log("\ud800", "w"),
                lambda: store.generation("\udfff"),
                lambda: store.heads("\ud800"),
            ):
                with pytest.raises(ValueError, match=r"\w"):
                    look()
            with pytest.raises(ValueError, match=r"\w"):
                list(store.entries(stream="\ud800"))
        else:
            log = store.log(name, name)
            assert (log.head(), log.entry(1), list(log.entries()), log.verify()) == (None, None, [], None)
            assert store.generation(name).current() == 0
            assert list(store.entries(stream=name, writer=name)) == store.heads(name) == []


def test_names_of_the_largest_length_and_any_characters(store: Store) -> None:
    for name in ("x" * 1_024, "ä" * 512, " ", "\n", "'; DROP TABLE x", "\U0010ffff", "_agent_store.x", "%"):
        entry = store.log(name, name).append(b"x", expected=None)
        assert store.log(name, name).head() == entry
        assert (entry.stream, entry.writer) == (name, name)
        assert list(store.entries(stream=name)) == [entry]
    assert store.verify().holds


@pytest.mark.parametrize("name", [b"s", None, 5, Path("s")])
def test_names_are_str(store: Store, name: object) -> None:
    for look in (
        lambda: store.log(name, "w"),  # type: ignore[arg-type]
        lambda: store.log("s", name),  # type: ignore[arg-type]
        lambda: store.generation(name),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError, match="must be a str"):
            look()


def test_payloads_are_bytes_like(store: Store) -> None:
    log = store.log("s", "w")
    for write in (
        lambda: log.append("text"),
        lambda: log.append_many([b"x", "text"]),
        lambda: store.append_many([("s", "w", b"x"), ("s", "w", "text")]),
    ):
        with pytest.raises(TypeError, match="encode"):
            write()
    for wrong in (None, 5, [1], object()):
        with pytest.raises(TypeError, match="bytes-like"):
            log.append(wrong)
    with pytest.raises(TypeError):
        log.append_many(5)  # type: ignore[arg-type]
    assert store.position() == 0


@pytest.mark.parametrize("target", ["", "file:app.db", "a\0b"])
def test_targets_that_are_no_path(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"path|URI"):
        agent_store.open(target)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("target", [None, 5, b"app.db", object()])
def test_targets_of_another_type(target: object) -> None:
    with pytest.raises(TypeError, match=r"\w"):
        agent_store.open(target)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options", [{"durability": "none"}, {"timeout": -1}, {"timeout": float("nan")}, {"timeout": float("inf")}]
)
def test_options_out_of_range(options: dict[str, object], path: Path) -> None:
    with pytest.raises(ValueError, match=r"durability|timeout"):
        agent_store.open(path, **options)  # type: ignore[arg-type]
    assert not path.exists()


def test_names_that_are_too_long_are_told_the_limit(store: Store) -> None:
    for write in (lambda: store.log("ä" * 513, "w").append(b"x"), lambda: store.generation("x" * 1_026).bump()):
        with pytest.raises(ValueError, match=r"102[56].*UTF-8.* 1024|1026.* 1024"):
            write()


def test_payloads_over_the_limit_are_refused_before_anything_is_copied_or_written(store: Store) -> None:
    limit = 512 << 20
    with mmap.mmap(-1, limit + 1) as large:  # Of which no page is ever touched.
        for write in (
            lambda: store.log("s", "w").append(large),
            lambda: store.log("s", "w").append_many([b"x", large]),
            lambda: store.append_many([("s", "w", b"x"), ("s", "w", large)]),
        ):
            with pytest.raises(ValueError, match=f"{limit + 1} bytes .* {limit}"):
                write()
        assert store.position() == 0
