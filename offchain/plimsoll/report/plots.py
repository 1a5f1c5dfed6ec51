"""A replay as a picture: for each underlying the price with what was liquidated, above the margin that was asked."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib import dates as mdates
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from plimsoll.report.summary import coverage, moves_ahead
from plimsoll.simulate.replay import Event, Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK: Final = "#1d2733"
MUTED: Final = "#7a8794"
GRID: Final = "#e6eaee"
SEA: Final = "#1f6f8b"
SEA_LIGHT: Final = "#bfdbe4"
RUST: Final = "#c1440e"
AMBER: Final = "#d98e04"
MOVES: Final = "#cdd4da"

STYLE: Final[dict[str, Any]] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
}


def _times(values: Any) -> Any:
    return np.asarray(values, dtype="datetime64[s]")


def replay_figure(outcome: Outcome) -> Figure:
    """The picture of a replay: one column an underlying, price above margin, on one time axis."""
    with mpl.rc_context(rc=STYLE):  # type: ignore[arg-type]
        columns = len(outcome.markets)
        figure = Figure(figsize=(6.6 * columns + 0.4, 7.0), dpi=150, facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.subplots(2, columns, sharex="col", squeeze=False, gridspec_kw={"height_ratios": [1, 1.15]})
        for column, underlying in enumerate(outcome.markets):
            _price(axes[0][column], outcome, underlying)
            _margin(axes[1][column], outcome, underlying)
        figure.align_ylabels()
        handles, labels = axes[1][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="lower center", ncols=2 if columns == 1 else 4, frameon=False)
        figure.tight_layout(rect=(0, 0.07 if columns == 1 else 0.045, 1, 0.99), h_pad=1.6, w_pad=2.4)
    return figure


def _price(axis: Axes, outcome: Outcome, underlying: int) -> None:
    times = _times([point.time for point in outcome.path])
    prices = [point.prices[underlying] for point in outcome.path]
    axis.plot(times, prices, color=INK, linewidth=1.2)
    bids = _of(outcome, underlying, "liquidated")
    calls = _of(outcome, underlying, "called")
    axis.plot(
        _times([e.time for e in calls]),
        [e.price for e in calls],
        "o",
        color="none",
        markeredgecolor=AMBER,
        markersize=5,
        markeredgewidth=1.1,
        label=f"margin calls ({len(calls)})",
    )
    axis.plot(
        _times([e.time for e in bids]),
        [e.price for e in bids],
        "v",
        color=RUST,
        alpha=0.75,
        markersize=5,
        markeredgewidth=0,
        label=f"liquidations, in part ({len(bids)})",
    )
    fall = min(prices) / prices[0] - 1
    axis.set_title(
        f"{outcome.markets[underlying]}: from {prices[0]:,.4g} to a low of {min(prices):,.4g} ({fall:+.0%})",
        loc="left",
        fontsize=11,
        fontweight="bold",
    )
    axis.set_ylabel("price")
    axis.legend(loc="best", frameon=False, handletextpad=0.2)


def _margin(axis: Axes, outcome: Outcome, underlying: int) -> None:
    samples = outcome.samples[underlying]
    times = _times([s.time for s in samples])
    mm = np.array([s.mm for s in samples])
    im = np.array([s.im for s in samples])
    path_times, moves = moves_ahead(outcome, underlying)
    axis.fill_between(
        _times(path_times),
        0,
        moves,
        step="post",
        color=MOVES,
        linewidth=0,
        label="largest move in the next trading day",
    )
    axis.fill_between(times, mm, im, step="post", color=SEA_LIGHT, alpha=0.8, linewidth=0)
    axis.step(times, im, where="post", color=SEA, linewidth=1.0, label="initial margin (IM), posted")
    axis.step(times, mm, where="post", color=SEA, linewidth=2.0, label="maintenance margin (MM), posted")
    axis.axhline(mm[0], color=AMBER, linewidth=1.4, linestyle=(0, (5, 2)), label="static: first day's MM for ever")
    share = coverage(outcome, underlying).exceeded_static
    axis.set_title(
        f"MM {mm[0]:.1%} to {mm.max():.1%}; a static {mm[0]:.1%} is exceeded {share:.0%} of the time",
        loc="left",
        fontsize=9,
        color=MUTED,
    )
    axis.set_ylabel("share of notional")
    axis.set_ylim(0, max(float(im.max()), float(moves.max())) * 1.08)
    axis.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    locator = mdates.AutoDateLocator(minticks=3, maxticks=12)  # type: ignore[no-untyped-call]
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axis.set_xlim(times[0], _times([outcome.end])[0])
    axis.yaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10]))


def _of(outcome: Outcome, underlying: int, kind: str) -> list[Event]:
    return [event for event in outcome.events if event.kind == kind and event.underlying == underlying]


def to_png(figure: Figure) -> bytes:
    """The picture as PNG, without a time or version in it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def save_png(figure: Figure, path: Path) -> None:
    """Write the picture; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(to_png(figure))
