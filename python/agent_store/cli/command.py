"""What a command is made of, the options that all have, and opening the store they name."""

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from agent_store.cli.errors import FAILED, UNUSABLE, Problem

if TYPE_CHECKING:
    from agent_store.cli.output import Output
    from agent_store.store import Store

MARK = "\0"  # stands in no argument


class Parser(argparse.ArgumentParser):
    """Argparse with errors of one line."""

    def __init__(self, prog: str, usage: str | None = None, description: str = "", epilog: str = "") -> None:
        super().__init__(
            prog,
            usage,
            description,
            epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Instead of two lines and an exit from within."""
        raise Problem(message, f"see {self.prog} --help", status=UNUSABLE)


@dataclass(frozen=True)
class Command:
    """One verb: `about` and `examples` are for --help; `failed` is the exit status of a call that could not be done.

    `db` is what the store that it is about is called there, `about_db` what that is; without `waits` it is no store,
    and there are no locks to wait for.
    """

    about: str
    examples: str
    arguments: Callable[[Parser], None]
    run: "Callable[[argparse.Namespace, Output], int]"
    failed: int = FAILED
    db: str = "DB"
    about_db: str = "path of the store, or its postgresql:// URL"
    waits: bool = True

    def parse(self, verb: str, summary: str, arguments: Sequence[str]) -> argparse.Namespace:
        """Options and arguments in any order; after `--` only arguments."""
        about = f"{summary[0].upper()}{summary[1:]}.\n\n{self.about.strip()}"
        parser = Parser(f"agent-store {verb}", description=about, epilog=f"examples:\n{self.examples.strip(chr(10))}")
        parser.add_argument("db", metavar=self.db, help=self.about_db)
        self.arguments(parser)
        parser.add_argument("--json", action="store_true", help="one JSON object a line: hashes hex, payloads base64")
        if self.waits:
            parser.add_argument(
                "--timeout", type=seconds, default=5.0, metavar="SECONDS", help="wait so long for locks (default: 5)"
            )
        given = list(arguments)
        if "--" in given:
            # Options between the arguments and `--` are more than argparse can do at once.
            end = given.index("--")
            given[end:] = [MARK + argument for argument in given[end + 1 :]]
        options = parser.parse_intermixed_args(given)
        for name, value in vars(options).items():
            if isinstance(value, str):
                setattr(options, name, value.removeprefix(MARK))
            elif isinstance(value, list):
                setattr(options, name, [item.removeprefix(MARK) if isinstance(item, str) else item for item in value])
        return options


def add_log(parser: Parser, *, optional: bool = False) -> None:
    """The two names of a log."""
    nargs = "?" if optional else None
    parser.add_argument("stream", metavar="STREAM", nargs=nargs, help="what the log is about")
    parser.add_argument("writer", metavar="WRITER", nargs=nargs, help="who writes it")


def add_selection(parser: Parser) -> None:
    """Which logs, of all."""
    parser.add_argument(
        "--stream",
        metavar="STREAM",
        action="append",
        dest="streams",
        help="only entries of this stream; more than once: of these",
    )
    parser.add_argument("--writer", metavar="WRITER", help="only entries of this writer")


def add_durability(parser: Parser) -> None:
    """How safe a commit is."""
    parser.add_argument(
        "--durability",
        choices=("full", "normal"),
        default="full",
        help="full: what is committed is on disk (default); normal: faster, a power cut may take the newest",
    )


def count(text: str) -> int:
    """An option's value: 1 or more."""
    return whole(text, 1)


def whole(text: str, least: int = 0) -> int:
    """An option's value: 0 or more."""
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"a whole number, {least} or more, and not {text!r}")
    return number


def seconds(text: str) -> float:
    """An option's value: 0 or more, of whatever size."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"seconds, 0 or more, and not {text!r}")
    return number


def open_to_read(options: argparse.Namespace) -> "Store":
    """The store as it is: no file is made, and none is changed."""
    import agent_store

    return agent_store.open(options.db, read_only=True, timeout=options.timeout)


def open_to_write(options: argparse.Namespace, target: str | None = None) -> "Store":
    """The store, or that of another target, made or brought to the present layout where need be."""
    import agent_store
    from agent_store.cli.terminal import bar

    with bar("bringing the file to the present layout", "rows") as show:
        return agent_store.open(
            target or options.db,
            durability=options.durability,
            timeout=options.timeout,
            progress=show.part if show else None,
        )


def no_log(store: "Store", options: argparse.Namespace) -> Problem:
    """For whoever named a log that is not there."""
    return Problem(
        f"there is no log of stream {options.stream!r}, writer {options.writer!r} in {store.target}",
        f"agent-store heads {store.target} lists what is there",
    )
