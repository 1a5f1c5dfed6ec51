"""`plimsoll demo`: replay a crash through the real contracts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from plimsoll.cli.base import DATE, EPILOG, FAILED, FILE, FOLDER, OK, InputError, cli, moment

if TYPE_CHECKING:
    from plimsoll.market.bars import Bars
    from plimsoll.simulate.replay import Event, ReplayMarket


DEFAULT_FROM: Final = "2008-09-12"
DEFAULT_TO: Final = "2008-10-17"
DEFAULT_WARM: Final = "2003-01-01"
DAILY: Final = 86_400  # [s]
WARM_DAILY: Final = 5 * 365 * DAILY  # history before a replay of daily bars [s]
WARM_INTRADAY: Final = 300 * DAILY  # and of shorter ones
LONGEST: Final = 600  # bars that a replay of files takes where no range is given
QUIET_KINDS: Final = frozenset({"auction"})  # events that the terminal leaves out; the page has them


@cli.command(epilog=EPILOG)
@click.option("--prices", "files", type=FILE, multiple=True, metavar="FILE...", help="OHLCV files (csv, csv.gz).")
@click.argument("more", type=FILE, nargs=-1, metavar="")
@click.option(
    "--from", "start", type=DATE, help=f"First day of the replay. Default: {DEFAULT_FROM}; files: near the end."
)
@click.option("--to", "end", type=DATE, help=f"Last day, included. Default: {DEFAULT_TO}; files: their end.")
@click.option(
    "--warm", type=DATE, help="Where the models' history begins. Default: 5 years before; 300 days for intraday."
)
@click.option("--per-leg", type=click.IntRange(1, 50), help="Steps on each of a bar's three legs.")
@click.option("--out", type=FOLDER, default=Path("build/demo"), show_default=True, help="Where page and picture go.")
@click.option("--nodes/--no-nodes", default=True, show_default=True, help="Three risk nodes as processes; one lies.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON on standard output, nothing else there.")
@click.option("--quiet", is_flag=True, help="No progress, no events.")
def demo(
    files: tuple[Path, ...],
    more: tuple[Path, ...],
    start: tuple[int, bool] | None,
    end: tuple[int, bool] | None,
    warm: tuple[int, bool] | None,
    per_leg: int | None,
    out: Path,
    *,
    nodes: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Replay a crash through the real contracts, on a chain in this process.

    Without --prices: the S&P 500 and crude oil in the autumn of 2008, real prices that come with a dependency. Every
    report is recomputed and signed by risk nodes, each a process with its own key, clock and prices; from half time on
    one of them lies. With --no-nodes the keeper signs by itself.

    \b
      plimsoll demo
      plimsoll demo --from 2008-10-01 --to 2008-10-31 --out build/october
      plimsoll demo --prices btc_usdt_spot_1h.csv.gz eth_usdt_spot_1h.csv.gz --from 2020-03-10 --to 2020-03-14
    """  # noqa: D301 - \b is what click wants: keep these lines
    from plimsoll.report.page import replay_page  # noqa: PLC0415
    from plimsoll.report.plots import replay_figure, save_png, to_png  # noqa: PLC0415 - slow to import
    from plimsoll.report.summary import summarise  # noqa: PLC0415
    from plimsoll.simulate.replay import Replay, ReplayConfig  # noqa: PLC0415

    if more and not files:
        raise click.UsageError(f"{more[0]} stands alone; name price files behind --prices")
    files += more
    markets = _markets(files)
    first, last = _range(markets, start, end, given=bool(files))
    interval = min(market.bars.interval for market in markets)
    history = warm[0] if warm else first - (WARM_DAILY if interval >= DAILY else WARM_INTRADAY)
    if not files and warm is None:
        history = min(history, DATE.convert(DEFAULT_WARM, None, None)[0])
    screen = _Screen(show=not quiet and not as_json)
    replay = Replay(
        markets,
        ReplayConfig(first, last, max(history, 1), per_leg, nodes=nodes),
        on_event=screen.event,
        on_progress=screen.progress,
    )
    with screen:
        outcome = replay.run()
    summary = summarise(outcome)
    figure = replay_figure(outcome)
    png = to_png(figure)
    save_png(figure, out / "replay.png")
    (out / "index.html").write_text(replay_page(summary, png), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(summary, indent=2))
    else:
        screen.result(summary, out)
    return OK if outcome.ok else FAILED


def _markets(files: Sequence[Path]) -> list[ReplayMarket]:
    from plimsoll.market.sources import load_bars, load_sp500, load_wti  # noqa: PLC0415
    from plimsoll.simulate.replay import ReplayMarket  # noqa: PLC0415

    if not files:
        return [ReplayMarket("SPX", load_sp500()), ReplayMarket("WTI", load_wti())]
    names = [path.name.split(".")[0].split("_")[0].upper() or "PRICE" for path in files]
    unique = [name if names.count(name) == 1 else f"{name}{k + 1}" for k, name in enumerate(names)]
    return [ReplayMarket(name, load_bars(path)) for name, path in zip(unique, files, strict=True)]


def _range(
    markets: Sequence[ReplayMarket], start: tuple[int, bool] | None, end: tuple[int, bool] | None, *, given: bool
) -> tuple[int, int]:
    """First and last moment of the replay [unix s]; a day given as the end is included."""
    bars: list[Bars] = [market.bars for market in markets]
    if end is not None:
        last = end[0] + (DAILY if end[1] else 0)
    elif given:
        last = min(int(b.time[-1]) for b in bars) + 1
    else:
        last = DATE.convert(DEFAULT_TO, None, None)[0] + DAILY
    if start is not None:
        first = start[0]
    elif given:
        counts = [int((b.time < last).sum()) for b in bars]
        first = max(int(b.time[max(0, n - min(LONGEST, n // 3))]) for b, n in zip(bars, counts, strict=True) if n > 0)
    else:
        first = DATE.convert(DEFAULT_FROM, None, None)[0]
    if first >= last:
        raise InputError(f"the replay would end ({moment(last)}) before it begins ({moment(first)})")
    return first, last


class _Screen:
    """What a replay shows while it runs; nothing where it should not."""

    def __init__(self, *, show: bool) -> None:
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

        self.console = Console(highlight=False)
        self.show = show
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=40),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not show,
        )
        self._task = self._progress.add_task("setting up", total=1.0)

    def __enter__(self) -> None:
        if self.show:
            self._progress.start()

    def __exit__(self, *_: object) -> None:
        if self.show:
            self._progress.stop()

    def event(self, event: Event) -> None:
        """One line for what matters."""
        from plimsoll.report.tables import event_line  # noqa: PLC0415

        if self.show and event.kind not in QUIET_KINDS:
            self._progress.console.print(event_line(event), soft_wrap=True)

    def progress(self, share: float, time: int) -> None:
        """The bar."""
        if self.show:
            self._progress.update(self._task, completed=share, description=moment(time)[:10])

    def result(self, summary: dict[str, Any], out: Path) -> None:
        """The tables at the end, and where the rest is."""
        from plimsoll.report.tables import coverage_table, result_table  # noqa: PLC0415

        self.console.print()
        self.console.print(result_table(summary))
        self.console.print()
        self.console.print(coverage_table(summary))
        self.console.print()
        self.console.print(f"page     {out / 'index.html'}\npicture  {out / 'replay.png'}", soft_wrap=True)
