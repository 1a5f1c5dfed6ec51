"""The disclosure of a back-test's page: coverage, the largest exceedance, the fund against stress, concentration.

What a clearing house publishes of itself by rule (CPMI-IOSCO, Public quantitative disclosure standards for central
counterparties, February 2015: credit risk, margin, concentration), as far as prices and a book of accounts say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from plimsoll.backtest.record import HOUR, Cell
from plimsoll.report.page import table
from plimsoll.report.tables import date

LARGEST = 5  # accounts whose share is said


def concentration(accounts: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """How far maintenance margin is a few accounts'.

    Parameters
    ----------
    accounts
        Of a stress summary; `mm` is looked at.

    Returns
    -------
    dict
        `first` and `five`, the largest account's and the five largest ones' share of all MM; `even`, how many accounts
        of one size would be as concentrated (the inverse of the Herfindahl index). All 0 where nobody has any.
    """
    held = np.sort(np.array([account["mm"] for account in accounts], dtype=float))[::-1]
    total = float(held.sum())
    if total <= 0:
        return {"first": 0.0, "five": 0.0, "even": 0.0}
    shares = held / total
    return {
        "first": float(shares[0]),
        "five": float(shares[:LARGEST].sum()),
        "even": 1 / float(np.square(shares).sum()),
    }


def percent(share: float) -> str:
    """A share as people write a level: 99 %, 97.5 %."""
    return f"{100 * share:.4g} %"


def disclosure_part(cells: Sequence[Cell], stressed: Mapping[str, Any] | None = None) -> str:
    """The part of the page.

    Parameters
    ----------
    cells
        Of the model that is published.
    stressed
        Summary of `plimsoll.report.stress.stress` over a book of accounts and a fund; None where there is no book.
    """
    largest = max(cells, key=lambda cell: cell.worst)
    covered = 1 - float(np.mean([cell.daily.share for cell in cells]))
    side = "long" if largest.side == "down" else "short"
    said = f"""<h2>Disclosure</h2>
<p>Coverage promised {percent(1 - largest.daily.p)}; reached {covered:.2%} on average over the cells. The largest loss
over its margin was {largest.worst:.2f} ({escape(largest.asset)}, {side}, {largest.horizon // HOUR} h,
{date(largest.worst_at)}); 11 to 13 March 2020 stand in every count above, but not in this one. What is not in this
record: gaps of an exchange's outage count as one bar; costs of closing, which the gross charge pays; jumps of a
stablecoin.</p>"""
    if stressed is None:
        return (
            said + "\n<p>No book of accounts was given (--book): nothing is said of the fund and of concentration.</p>"
        )
    fund, share = stressed["fund"], concentration(stressed["accounts"])
    lines: list[tuple[str, ...]] = [
        (
            escape(found["name"]),
            f"{found['liquidated']}",
            f"{found['lacking']:,.0f}",
            f"{found['lacking'] / fund:.0%}" if fund else "-",
            f"{found['fund_left']:,.0f}",
            f"{found['shared'] + found['uncovered']:,.0f}",
        )
        for found in stressed["scenarios"]
    ]
    head = ("scenario", "liquidated", "accounts lack", "of the fund", "fund left", "shared by all")
    return f"""{said}
<h2>The fund against stress</h2><div class="card">{table(head, lines)}</div>
<p>A book of {len(stressed["accounts"])} accounts and a fund of {fund:,.0f}, revalued in full. The largest account holds
{share["first"]:.0%} of all maintenance margin, the {LARGEST} largest {share["five"]:.0%}: as concentrated as
{share["even"]:.1f} accounts of one size.</p>"""
