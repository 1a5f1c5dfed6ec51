"""`plimsoll backtest`: judge the margins of models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plimsoll.cli.base import EPILOG, FILE, FOLDER, OK, InputError, LateBar, cli, priced, show

if TYPE_CHECKING:
    from plimsoll.backtest.run import Run
    from plimsoll.market.bars import Bars


@cli.command(epilog=EPILOG)
@click.argument("prices", nargs=-1, type=FILE)
@click.option("--model", "models", multiple=True, help="A model; may be repeated, the one to publish first. [all]")
@click.option("--hours", "horizons", multiple=True, type=click.IntRange(1, 240), help="A horizon [h]. [1, 8, 24]")
@click.option("--level", type=float, default=0.99, show_default=True, help="Share of moves that margins cover.")
@click.option("--out", type=FOLDER, help="Write backtest.html, with pictures, and backtest.json here.")
@click.option("--book", type=FILE, help="With --out: disclose this book's fund against stress; see `plimsoll stress`.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: every cell of every model.")
def backtest(
    prices: tuple[Path, ...],
    models: tuple[str, ...],
    horizons: tuple[int, ...],
    level: float,
    out: Path | None,
    book: Path | None,
    *,
    as_json: bool,
) -> int:
    """Judge the margins of models on PRICES, walk-forward: what they would have covered, cost, and how they moved.

    PRICES are OHLCV files of hourly bars, two years and a month of them at least; without any, the recorded BTC and ETH
    of the folder that PLIMSOLL_DATA names. Models are har-fhs, ewma-94, ewma-97-fhs and garch-t.

    \b
      plimsoll backtest --out build/backtest --book docs/stress.example.json
      plimsoll backtest btc.csv.gz --model har-fhs --hours 8
    """  # noqa: D301 - \b is what click wants: keep these lines
    from plimsoll.backtest.run import run as backtested  # noqa: PLC0415 - scipy is slow to import
    from plimsoll.backtest.walk import MODELS  # noqa: PLC0415
    from plimsoll.report.backtest import backtest_tables, plain_of  # noqa: PLC0415
    from plimsoll.report.stress import stress  # noqa: PLC0415
    from plimsoll.risk.stress import StressBook  # noqa: PLC0415

    if book is not None and out is None:
        raise InputError("--book goes with --out: it is a part of the page")
    stressed = stress(StressBook.load(book)) if book is not None else None  # first: it is soon done, or soon refused
    assets = priced(prices)
    with LateBar() as bar:
        found = backtested(
            assets,
            models or tuple(MODELS),
            [3_600 * hours for hours in horizons or (1, 8, 24)],
            level,
            frontier=out is not None,
            on_progress=bar.progress,
        )
    plain = plain_of(found.records, found.summaries, found.enforced)
    if out is not None:
        _write_backtest(out, assets, found, plain, stressed)
    show(plain, lambda: backtest_tables(found.records, found.summaries, found.enforced), 170, as_json=as_json)
    if out is not None and not as_json:
        click.echo(f"written to {out / 'backtest.html'}")
    return OK


def _write_backtest(
    out: Path, assets: Mapping[str, Bars], found: Run, plain: dict[str, Any], stressed: dict[str, Any] | None
) -> None:
    """The page and the numbers."""
    from plimsoll.report.backtest import backtest_page, margin_figure  # noqa: PLC0415 - matplotlib is slow to import

    first = found.summaries[0].model
    longest = max(record.horizon for record in found.records)
    pictures = {
        f"{name}: margins for {longest // 3_600} h, a day": margin_figure(
            bars, {first: found.margins[first, name, longest]}, longest
        )
        for name, bars in assets.items()
    }
    ranges = {name: (int(bars.time[0]), int(bars.time[-1])) for name, bars in assets.items()}
    page = backtest_page(found.records, found.summaries, found.points, pictures, ranges, found.enforced, stressed)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "backtest.html").write_text(page, encoding="utf-8")
        (out / "backtest.json").write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"--out {out}: {error.strerror or error}") from error
