"""`plimsoll demo-node`: a keeper at work on a local node, through a small crash."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Final

import click

from plimsoll.cli.base import EPILOG, FAILED, OK, cli

if TYPE_CHECKING:
    from rich.console import RenderableType

    from plimsoll.simulate.rig.story import Ending, Told

LINES: Final = 12  # of the story, under the keeper's status
LOOK: Final = 1.0  # [s] between looks at the keeper's status
STYLES: Final = {
    "insolvent": "bold red",
    "called": "yellow",
    "auction": "red",
    "bid": "green",
    "report": "cyan",
}


@cli.command("demo-node", epilog=EPILOG)
@click.option("--minutes", type=click.FloatRange(0.5, 60), default=2.0, show_default=True, help="Of the crash.")
@click.option("--accounts", type=click.IntRange(0, 5_000), default=60, show_default=True, help="Besides ten that fail.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of who holds what.")
@click.option("--json", "as_json", is_flag=True, help="What it came to as JSON on standard output, nothing else there.")
@click.option("--quiet", is_flag=True, help="What it came to, and nothing before.")
def demo_node(minutes: float, accounts: int, seed: int, *, as_json: bool, quiet: bool) -> int:
    """Run a node, three risk nodes, a keeper and its liquidator through a small crash, and show what they do.

    The node is anvil with a block every second; every part is a process of its own, as an operator would run it. All
    of them end with the command.

    \b
      plimsoll demo-node
      plimsoll demo-node --minutes 5 --accounts 500
      plimsoll demo-node --quiet --json
    """  # noqa: D301 - \b is what click wants: keep these lines
    from plimsoll.simulate.rig.story import run  # noqa: PLC0415 - slow to import

    screen = _Screen(show=not quiet and not as_json)
    try:
        with screen:
            ending = run(60 * minutes, accounts, seed=seed, tell=screen.told, tick=screen.tick, say=screen.say)
    except KeyboardInterrupt:
        click.echo("stopped; every process has ended", err=True)
        return FAILED
    if as_json:
        click.echo(json.dumps(ending.plain(), indent=2))
    else:
        click.echo(_summary(ending))
    return OK if ending.ok else FAILED


def _summary(ending: Ending) -> str:
    rows = {
        "blocks": f"{ending.blocks} in {ending.seconds:.0f} s",
        "accounts": f"{ending.accounts}, {ending.at_risk} of them opened to fail",
        "reports": f"{ending.reports} believed; the index moved {ending.moves} times",
        "called": f"{ending.called} accounts",
        "auctioned": f"{ending.auctioned} accounts, {ending.bid_on} of them bid on",
        "insolvent": f"{ending.insolvent} accounts, for a block or more",
        "paid by the fund": f"{ending.fund_paid:,.2f}, borne by all {ending.socialised:,.2f}",
        "gas": f"{ending.spent:.4f} ether",
        "missed": "nothing" if not ending.missed else "; ".join(ending.missed),
    }
    if ending.keeper_ended:
        rows["keeper"] = "ENDED by itself"
    return "\n".join(f"{name:<17} {value}" for name, value in rows.items())


class _Screen:
    """On a terminal the keeper's status with the story under it; elsewhere the story's lines; or nothing."""

    def __init__(self, *, show: bool) -> None:
        from rich.console import Console  # noqa: PLC0415 - slow to import
        from rich.live import Live  # noqa: PLC0415

        self.show = show
        self.console = Console(highlight=False)
        self._live = (
            Live(console=self.console, auto_refresh=False, transient=True) if self.console.is_terminal else None
        )
        self._top: list[RenderableType] = []  # the keeper's status, once it was asked
        self._lines: deque[RenderableType] = deque(maxlen=LINES)
        self._begun = time.monotonic()
        self._looked = 0.0

    def __enter__(self) -> None:
        if self.show and self._live is not None:
            self._live.start()

    def __exit__(self, *_: object) -> None:
        if self.show and self._live is not None:
            self._live.stop()

    def say(self, line: str) -> None:
        """Something is put up."""
        self._add(f"{time.monotonic() - self._begun:>6.1f} s       {line}", "dim")

    def told(self, told: Told) -> None:
        """A line of the story."""
        self._add(f"block {told.block:>6}  {told.kind:<9}  {told.text}", STYLES.get(told.kind, ""))

    def _add(self, line: str, style: str) -> None:
        from rich.text import Text  # noqa: PLC0415

        if not self.show:
            return
        if self._live is None:
            click.echo(line)
            sys.stdout.flush()
            return
        self._lines.append(Text(line, style))
        self._draw(None)

    def tick(self, url: str) -> None:
        """Look at the keeper now and then."""
        if self.show and self._live is not None and time.monotonic() - self._looked >= LOOK:
            self._looked = time.monotonic()
            self._draw(url)

    def _draw(self, url: str | None) -> None:
        from rich.console import Group  # noqa: PLC0415

        from plimsoll.cli.top import read_status  # noqa: PLC0415
        from plimsoll.report.top import draw  # noqa: PLC0415

        if self._live is None:
            return
        if url is not None:
            status, error = read_status(url)
            self._top = [draw(status, self.console.width, url, error, 4)]
        self._live.update(Group(*self._top, *self._lines), refresh=True)
