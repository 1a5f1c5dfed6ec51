"""A reliability plot: what was said to happen against what did, and how often it was said."""

from __future__ import annotations

from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from plimsoll.backtest.reliability import Reliability
from plimsoll.report.plots import INK, MUTED, RUST, SEA, SEA_LIGHT, STYLE

SIZE: Final = (5.4, 6.2)


def reliability_figure(found: Reliability, raw: Reliability | None = None) -> Figure:
    """The plot of a table of reliability; the diagonal is perfect, bars are bands of 95 %.

    Parameters
    ----------
    found
        To show.
    raw
        The same before calibration, beside it; none where None.
    """
    with mpl.rc_context(rc=STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=SIZE, dpi=150, facecolor="white")
        FigureCanvasAgg(figure)
        upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3.2, 1]})
        upper.plot([0, 1], [0, 1], color=MUTED, linewidth=1.0, linestyle="--", label="perfect")
        filled = found.counts > 0
        if raw is not None:
            there = raw.counts > 0
            upper.plot(
                raw.predicted[there], raw.observed[there], "o", color="none", markeredgecolor=RUST, label="before"
            )
        x, y = found.predicted[filled], found.observed[filled]
        # a band need not hold what was observed where a bin has few groups
        reach = np.maximum(np.vstack((y - found.low[filled], found.high[filled] - y)), 0.0)
        upper.errorbar(x, y, reach, fmt="o-", color=SEA, ecolor=SEA_LIGHT, elinewidth=3, label="calibrated")
        upper.set_ylabel("happened")
        upper.set_ylim(0, 1)
        upper.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        upper.legend(frameon=False, loc="upper left")
        upper.set_title(
            f"Brier score {found.brier:.4f}, skill {found.skill:.2f}, mean error {found.error:.1%}",
            color=INK,
            fontsize=9,
        )
        lower.bar(
            found.edges[:-1], found.counts, np.diff(found.edges), align="edge", color=SEA_LIGHT, edgecolor="white"
        )
        lower.set_ylabel("accounts")
        lower.set_xlabel("predicted")
        lower.set_xlim(0, 1)
        lower.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        figure.align_ylabels()
        figure.tight_layout()
    return figure
