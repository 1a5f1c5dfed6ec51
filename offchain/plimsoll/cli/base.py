"""What the commands share: the group, kinds of arguments, the deployment that is looked at, how results are shown.

Exit codes: 0 it went well; 1 a check failed (chain and spec differ, a keeper halted, a node or contract refuses); 2 the
input is bad.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import click

from plimsoll import __version__
from plimsoll.spec.errors import PlimsollError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from plimsoll.chain.deployment import System
    from plimsoll.chain.node import NodeChain
    from plimsoll.market.bars import Bars


OK: Final = 0
FAILED: Final = 1
BAD_INPUT: Final = 2

PATIENCE: Final = 2.0  # [s] before there is a bar

EPILOG: Final = "Exit codes: 0 it went well; 1 a check failed; 2 the input is bad."


class InputError(PlimsollError):
    """What the command line was given cannot be used."""


class Date(click.ParamType):
    """A day or a minute, UTC; a value is (unix seconds, whether only a day was said)."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, bool]:
        """Parse; the range of four digits of year is what files use."""
        if isinstance(value, tuple):
            return value
        for form, is_day in (("%Y-%m-%d", True), ("%Y-%m-%dT%H:%M", False), ("%Y-%m-%d %H:%M", False)):
            try:
                found = datetime.strptime(str(value), form).replace(tzinfo=UTC)
            except ValueError:
                continue
            return int(found.timestamp()), is_day
        return self.fail(f"{value!r} is no date; 2008-09-02 or 2008-09-02T14:30 is right (UTC)", param, ctx)


DATE: Final = Date()
FILE: Final = click.Path(dir_okay=False, path_type=Path)
FOLDER: Final = click.Path(file_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, epilog=EPILOG)
@click.version_option(__version__, prog_name="plimsoll")
def cli() -> None:
    """Margin that follows measured risk, enforced on chain."""


def moment(time: int) -> str:
    """A time [unix s] as people read it, UTC."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=time)).strftime("%Y-%m-%d %H:%M")


def deployed(node: str, book: Path) -> tuple[NodeChain, System]:
    """The node at a URL, and the deployment there that an address book names."""
    from plimsoll.chain.deployment import load_book  # noqa: PLC0415 - web3 is slow to import
    from plimsoll.chain.node import NodeChain  # noqa: PLC0415

    if not node.startswith(("http://", "https://")):
        raise InputError(f"--node {node} is no URL; http://127.0.0.1:8545 is right")
    if not book.is_file():
        raise InputError(f"--book {book}: no such file; `ape run deploy` writes one")
    chain = NodeChain(node)
    return chain, load_book(book, chain)


def priced(files: Sequence[Path]) -> dict[str, Bars]:
    """The bars of files by asset, which is a file's name up to its first _ or .; the recorded ones without any."""
    from plimsoll.backtest.run import recorded  # noqa: PLC0415 - scipy is slow to import
    from plimsoll.market.sources import load_bars  # noqa: PLC0415

    named = {path.name.partition("_")[0].partition(".")[0].upper(): path for path in files}
    if len(named) < len(files):
        raise InputError("two files of prices have the same name up to its first _ or .; one asset a file is right")
    return {name: load_bars(path) for name, path in named.items()} if files else recorded()


def show(plain: Any, tables: Callable[[], RenderableType], width: int, *, as_json: bool) -> None:
    """Plain values as JSON, or tables: as wide as the terminal, or `width` where there is none.

    Names come from files: brackets in them are text, not markup.
    """
    if as_json:
        click.echo(json.dumps(plain, indent=2))
        return
    from rich.console import Console  # noqa: PLC0415

    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else width).print(tables())


class LateBar:
    """A progress bar on standard error, of what takes longer than two seconds and has somebody looking."""

    def __init__(self, what: str = "") -> None:
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import Progress  # noqa: PLC0415

        self._progress = Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
        self._task = self._progress.add_task(what, total=None)
        self._begun = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def progress(self, done: int, of: int, what: str | None = None) -> None:
        """So much is done; `what` is under way, where that changes."""
        self._progress.update(self._task, completed=done, total=of, description=what)
        if time.monotonic() - self._begun > PATIENCE:
            self._progress.start()
