"""The record of models in a terminal, and as one HTML page with its pictures."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from rich.console import Group, RenderableType
from rich.table import Table

from plimsoll.backtest.enforced import EnforcedRecord
from plimsoll.backtest.record import HOUR, SIDES, Cell, Record, Summary, starts_of
from plimsoll.backtest.walk import Margins
from plimsoll.market.bars import Bars
from plimsoll.report.disclosure import disclosure_part, percent
from plimsoll.report.page import CSS, table, tile
from plimsoll.report.plots import AMBER, INK, MOVES, RUST, SEA, STYLE, to_png
from plimsoll.report.tables import date

COLOURS: Final = (SEA, RUST, AMBER, "#6a4c93", "#2d7d46")


def plain_of(
    records: Sequence[Record], summaries: Sequence[Summary], enforced: Sequence[EnforcedRecord] = ()
) -> dict[str, Any]:
    """Everything as plain values."""
    return {
        "enforced": [
            {
                "asset": found.record.asset,
                "horizon": found.record.horizon,
                "reports": found.reports,
                "liquidating": found.liquidating,
                "liquidating_unglided": found.liquidating_unglided,
                "calling": found.calling,
                "behind": found.behind,
                "furthest": found.furthest,
                "im_exceeded": found.im_exceeded,
                "exceeded": {cell.side: cell.daily.exceptions for cell in found.record.cells},
                "windows": found.record.cells[0].daily.windows,
                "zones": {cell.side: cell.daily.zone for cell in found.record.cells},
                "average": found.record.cells[0].average,
                "ratios": {cell.side: cell.ratio for cell in found.record.cells},
                "worst": max(cell.worst for cell in found.record.cells),
                "peak_over_trough": found.record.swings.peak_over_trough,
                "rises": [found.record.swings.rise_1, found.record.swings.rise_5, found.record.swings.rise_30],
            }
            for found in enforced
        ],
        "models": [
            {
                "model": s.model,
                "cells": s.cells,
                "passing": s.passing,
                "red": s.red,
                "ratio": s.ratio,
                "ratios": {f"{h // HOUR}h": value for h, value in s.ratios.items()},
                "peak_over_trough": s.peak_over_trough,
                "rise_5": s.rise_5,
                "worst": s.worst,
            }
            for s in summaries
        ],
        "cells": [
            {
                "model": record.model,
                "asset": cell.asset,
                "side": cell.side,
                "horizon": cell.horizon,
                "windows": cell.daily.windows,
                "exceptions": cell.daily.exceptions,
                "kupiec": cell.daily.kupiec.statistic,
                "independence": cell.daily.independence.statistic,
                "zone": cell.daily.zone,
                "passes": cell.passes,
                "every_window": cell.every,
                "within_window": cell.within,
                "average": cell.average,
                "static": cell.static,
                "ratio": cell.ratio,
                "worst": cell.worst,
                "worst_on": date(cell.worst_at),
                "peak_over_trough": record.swings.peak_over_trough,
                "rises": [record.swings.rise_1, record.swings.rise_5, record.swings.rise_30],
            }
            for record in records
            for cell in record.cells
        ],
    }


MODEL_HEAD: Final = (
    "model",
    "cells passed",
    "red",
    "margin / static",
    "by horizon",
    "peak / trough",
    "worst 5 days",
    "worst loss / margin",
)
CELL_HEAD: Final = (
    "asset",
    "side",
    "horizon",
    "exceeded",
    "of",
    "Kupiec",
    "Christoffersen",
    "zone",
    "all windows",
    "on the way",
    "average",
    "static",
    "ratio",
    "worst",
    "on",
)


ENFORCED_HEAD: Final = (
    "asset",
    "horizon",
    "exceeded",
    "of",
    "zones",
    "IM exceeded",
    "average",
    "margin / static",
    "peak / trough",
    "worst 5 days",
    "reports",
    "liquidating",
    "unglided",
    "behind",
)


def _enforced_line(found: EnforcedRecord) -> tuple[str, ...]:
    down, up = found.record.cells
    return (
        found.record.asset,
        f"{found.record.horizon // HOUR} h",
        f"{down.daily.exceptions} / {up.daily.exceptions}",
        f"{down.daily.windows:,}",
        ", ".join(dict.fromkeys((down.daily.zone, up.daily.zone))),
        f"{found.im_exceeded:.2%}",
        f"{down.average:.2%}",
        f"{(down.ratio + up.ratio) / 2:.3f}",
        f"{found.record.swings.peak_over_trough:.1f}",
        f"{found.record.swings.rise_5:+.0%}",
        f"{found.reports:,}",
        f"{found.liquidating:,}",
        f"{found.liquidating_unglided:,}",
        f"{found.behind:.0%}, {found.furthest:.1f}x",
    )


def _model_line(found: Summary) -> tuple[str, ...]:
    return (
        found.model,
        f"{found.passing} of {found.cells}",
        str(found.red),
        f"{found.ratio:.3f}",
        ", ".join(f"{h // HOUR} h {value:.3f}" for h, value in found.ratios.items()),
        f"{found.peak_over_trough:.1f}",
        f"{found.rise_5:+.0%}",
        f"{found.worst:.2f}",
    )


def _cell_line(cell: Cell) -> tuple[str, ...]:
    return (
        cell.asset,
        "long" if cell.side == "down" else "short",
        f"{cell.horizon // HOUR} h",
        str(cell.daily.exceptions),
        f"{cell.daily.windows:,}",
        f"{cell.daily.kupiec.statistic:.2f}",
        f"{cell.daily.independence.statistic:.2f}",
        cell.daily.zone,
        f"{cell.every:.2%}",
        f"{cell.within:.2%}",
        f"{cell.average:.2%}",
        f"{cell.static:.2%}",
        f"{cell.ratio:.3f}",
        f"{cell.worst:.2f}",
        date(cell.worst_at),
    )


def backtest_tables(
    records: Sequence[Record], summaries: Sequence[Summary], enforced: Sequence[EnforcedRecord] = ()
) -> RenderableType:
    """Models side by side, then every cell of the first, then what a chain would have enforced of it."""
    models = Table(title="Models", title_justify="left")
    for at, name in enumerate(MODEL_HEAD):
        models.add_column(name, justify="left" if at == 0 else "right")
    for found in summaries:
        models.add_row(*_model_line(found))
    first = summaries[0].model
    cells = Table(
        title=f"{first}: one window a day from 00:00 UTC, close to close (all windows, and lows on the way, beside)",
        title_justify="left",
    )
    for at, name in enumerate(CELL_HEAD):
        cells.add_column(name, justify="left" if at < 2 else "right", no_wrap=True)
    for record in records:
        if record.model == first:
            for cell in record.cells:
                cells.add_row(*_cell_line(cell), style="" if cell.passes else "yellow")
    if not enforced:
        return Group(models, "", cells)
    held = Table(
        title=f"{first} as enforced: glided, held by the guardrails, the wider side for both, a report at every close",
        title_justify="left",
    )
    for at, name in enumerate(ENFORCED_HEAD):
        held.add_column(name, justify="left" if at == 0 else "right")
    for stood in enforced:
        held.add_row(*_enforced_line(stood), style="red" if stood.liquidating else "")
    return Group(models, "", cells, "", held)


def frontier_figure(summaries: Sequence[Summary], points: Sequence[Summary]) -> Figure:
    """Capital against procyclicality: each model, and `points`, the default calmed more and less."""
    with mpl.rc_context(rc=STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(11.6, 4.6), dpi=150, facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, 2, sharey=True)
        for axis, name, label in (
            (axes[0], "peak_over_trough", "highest margin over lowest, worst cell"),
            (axes[1], "rise_5", "worst rise within five days"),
        ):
            line = sorted(points, key=lambda s: float(getattr(s, name)))
            axis.plot([getattr(s, name) for s in line], [s.ratio for s in line], "o-", color=MOVES, markersize=4)
            for colour, found in zip(COLOURS, summaries, strict=False):
                axis.plot(getattr(found, name), found.ratio, "o", color=colour, markersize=8)
                axis.annotate(
                    f"{found.model}, {found.passing} of {found.cells}",
                    (getattr(found, name), found.ratio),
                    xytext=(7, 5),
                    textcoords="offset points",
                    color=colour,
                )
            axis.set_xlabel(label)
        axes[0].set_ylabel("average margin over the best static one")
        axes[1].xaxis.set_major_formatter(PercentFormatter(1.0))
        figure.tight_layout()
    return figure


def margin_figure(bars: Bars, paths: Mapping[str, Margins], horizon: int) -> Figure:
    """Margins through time, against the moves that they were to cover: the windows that `judge` looks at."""
    h = horizon // bars.interval
    prices = np.concatenate((bars.open[:1], bars.close))
    first = next(iter(paths.values()))
    at = starts_of(bars, first, h)
    moves = prices[at + h] / prices[at] - 1
    times = np.asarray(bars.time[at], dtype="datetime64[s]")
    with mpl.rc_context(rc=STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(11.6, 4.2), dpi=150, facecolor="white")
        FigureCanvasAgg(figure)
        axis = figure.subplots()
        axis.bar(times, moves, width=1.0, color=MOVES, label="move of the window")
        for colour, (name, found) in zip(COLOURS, paths.items(), strict=False):
            axis.plot(times, -found.down[at], color=colour, linewidth=1.0, label=name)
            axis.plot(times, found.up[at], color=colour, linewidth=1.0)
        over = (moves < -first.down[at]) | (moves > first.up[at])
        axis.plot(times[over], moves[over], "o", color="none", markeredgecolor=INK, markersize=4, label="exceeded")
        axis.yaxis.set_major_formatter(PercentFormatter(1.0))
        axis.legend(frameon=False, ncols=4, loc="lower center")
        figure.tight_layout()
    return figure


def _picture(figure: Figure, words: str) -> str:
    data = base64.b64encode(to_png(figure)).decode()
    return f'<div class="card"><img alt="{escape(words)}" src="data:image/png;base64,{data}"></div>'


def _enforced_part(enforced: Sequence[EnforcedRecord]) -> str:
    """The enforced margin, and what its columns say; nothing where it was not run."""
    if not enforced:
        return ""
    lines = table(ENFORCED_HEAD, [tuple(map(escape, _enforced_line(found))) for found in enforced])
    return f"""<h2>As enforced</h2><div class="card">{lines}</div>
<p>What stands on chain: a report at every close moves the scan range toward the model's no faster than glide and
guardrails let it, both sides pay the wider one, in whole units. A report <em>alone liquidates</em> where maintenance
margin rises by more than the call buffer at a price that stands still: somebody who had not been called could lose his
position; without the glide the same model would. <em>Behind</em>: reports whose range is under the model's, and by how
much at most; initial margin takes up the difference at once.</p>"""


def backtest_page(
    records: Sequence[Record],
    summaries: Sequence[Summary],
    points: Sequence[Summary],
    pictures: Mapping[str, Figure],
    ranges: Mapping[str, tuple[int, int]],
    enforced: Sequence[EnforcedRecord] = (),
    stressed: Mapping[str, Any] | None = None,
) -> str:
    """The page, complete in one file.

    Parameters
    ----------
    records, summaries
        Of all models, the one to publish first.
    points
        The first model calmed more and less, for the frontier.
    pictures
        Title -> picture of margins through time.
    ranges
        Asset -> first and last time of its prices [unix s].
    enforced
        The first model's margins as a chain would have enforced them.
    stressed
        Summary of named scenarios over a book of accounts and a fund, for the disclosure.
    """
    first = summaries[0]
    cells = [cell for record in records if record.model == first.model for cell in record.cells]
    largest = max(cells, key=lambda cell: cell.worst)
    tiles = "".join(
        [
            tile(f"{first.passing} of {first.cells}", "cells pass Kupiec and Christoffersen at 5 %"),
            tile(str(first.red), "cells red", bad=first.red > 0),
            tile(f"{1 - first.ratio:.0%}", "less than the best static margin with hindsight"),
            tile(f"{first.peak_over_trough:.1f}", "highest margin over lowest, worst cell"),
            tile(f"{first.rise_5:+.0%}", "worst rise within five days"),
            tile(f"{first.worst:.2f}", f"largest loss over margin, {date(largest.worst_at)}, March 2020 aside"),
        ]
    )
    what = "; ".join(f"{escape(name)} {date(a)} .. {date(b)}" for name, (a, b) in ranges.items())
    models = table(MODEL_HEAD, [tuple(map(escape, _model_line(found))) for found in summaries])
    lines = table(CELL_HEAD, [tuple(map(escape, _cell_line(cell))) for cell in cells])
    drawn = "".join(f"<h2>{escape(title)}</h2>{_picture(figure, title)}" for title, figure in pictures.items())
    sides = " and ".join("long" if side == "down" else "short" for side in SIDES)
    return f"""<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Back-test of {escape(first.model)}</title><style>{CSS}</style><main>
<h1>Back-test of {escape(first.model)}</h1>
<p class="muted">{what}. Every margin is set from what was known at its close; margins promise to cover
{percent(1 - cells[0].daily.p)} of moves, {sides}, each side by itself.</p>
<div class="tiles">{tiles}</div>
<h2>Models</h2><div class="card">{models}</div>
<p>Margin over static: the average margin over the one static margin that, chosen with hindsight, leaves the same total
shortfall over the same windows. Below 1 the model asks for less.</p>
<h2>Capital against procyclicality</h2>{_picture(frontier_figure(summaries, points), "frontier")}
<p>The grey line is {escape(first.model)} calmed more or less: deviations of its volatility from the mean of all history
weigh 0.4 to 1, and may reach further or less far.</p>
{drawn}
<h2>Cells</h2><div class="card">{lines}</div>
<p>One window a day from 00:00 UTC, or a horizon where that is longer, close to close; beside it the share of all
windows, one from each close, and of these in which the worst price on the way was past the margin. Kupiec and
Christoffersen reject above 3.84.</p>
{_enforced_part(enforced)}
{disclosure_part(cells, stressed)}
</main></html>
"""
