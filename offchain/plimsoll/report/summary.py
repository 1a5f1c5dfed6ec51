"""What a replay came to, as plain values: for JSON, tables and pages alike."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from plimsoll.market.bars import FloatArray, IntArray
from plimsoll.simulate.replay import Outcome

DAY: Final = 86_400  # [s]


@dataclass(frozen=True, slots=True)
class Coverage:
    """How a margin rate held against the moves that followed. Rates are fractions of notional.

    `exceeded` and `exceeded_static`: share of reports whose next trading day moved against a holder, long or short, by
    more than the posted MM, and by more than the MM of the first day kept for ever. `worst`: largest such move.
    """

    name: str
    first_price: float
    last_price: float
    lowest_price: float
    mm_first: float
    mm_highest: float
    im_first: float
    im_highest: float
    exceeded: float
    exceeded_static: float
    worst: float


def moves_ahead(outcome: Outcome, underlying: int) -> tuple[IntArray, FloatArray]:
    """For each point of the path: its time, and the largest move over the trading day after it, as a fraction.

    A trading day is as many points as a day with points has, so nights and weekends count as the gaps they are.
    """
    times = np.array([point.time for point in outcome.path], dtype=np.int64)
    prices = np.array([point.prices[underlying] for point in outcome.path], dtype=np.float64)
    per_day = max(1, round(len(times) / len(np.unique(times // DAY))))
    found = np.zeros(len(times))
    for k, price in enumerate(prices):
        ahead = prices[k : k + per_day + 1]
        found[k] = max(ahead.max() / price - 1, 1 - ahead.min() / price)
    return times, found


def coverage(outcome: Outcome, underlying: int) -> Coverage:
    """Coverage of one underlying."""
    samples = outcome.samples[underlying]
    times, moves = moves_ahead(outcome, underlying)
    places = np.searchsorted(times, [sample.time for sample in samples])
    pairs = [(s.mm, float(moves[k])) for s, k in zip(samples, places, strict=True) if k < len(times)]
    static = samples[0].mm
    prices = [point.prices[underlying] for point in outcome.path]
    return Coverage(
        name=outcome.markets[underlying],
        first_price=prices[0],
        last_price=prices[-1],
        lowest_price=min(prices),
        mm_first=static,
        mm_highest=max(s.mm for s in samples),
        im_first=samples[0].im,
        im_highest=max(s.im for s in samples),
        exceeded=float(np.mean([move > mm for mm, move in pairs])),
        exceeded_static=float(np.mean([move > static for _, move in pairs])),
        worst=max(move for _, move in pairs),
    )


def summarise(outcome: Outcome) -> dict[str, Any]:
    """Everything that JSON, table and page show."""
    return {
        "ok": outcome.ok,
        "start": outcome.start,
        "end": outcome.end,
        "reports": outcome.reports,
        "failed_rounds": outcome.failed_rounds,
        "nodes": None if outcome.nodes is None else {**asdict(outcome.nodes), "ok": outcome.nodes.ok},
        "surfaces_per_report": outcome.surfaces,
        "gas_per_report": round(outcome.post_gas / outcome.reports) if outcome.reports else 0,
        "accounts": len(outcome.accounts),
        "accounts_called": outcome.called,
        "accounts_liquidated": outcome.liquidated,
        "accounts_recovered": outcome.recovered,
        "margin_calls": sum(story.calls for story in outcome.accounts.values()),
        "bids": sum(story.bids for story in outcome.accounts.values()),
        "bad_debt": outcome.bad_debt,
        "bidder_profit": outcome.bidder_profit,
        "recorded": outcome.recorded,
        "socialised": outcome.socialised,
        "fees": outcome.fees,
        "liquidation_fees": outcome.liquidation_fees,
        "fund_start": outcome.fund_start,
        "fund_end": outcome.fund_end,
        "fund_paid": outcome.fund_paid,
        "comparisons": outcome.comparisons,
        "mismatches": len(outcome.mismatches),
        "first_mismatches": [asdict(item) for item in outcome.mismatches[:5]],
        "money_conserved": outcome.conserved,
        "coverage": [asdict(coverage(outcome, u)) for u in outcome.markets],
        "stories": [asdict(story) for story in outcome.accounts.values()],
        "events": [asdict(event) for event in outcome.events],
    }
