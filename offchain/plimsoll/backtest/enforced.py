"""The margin as the contracts enforce it: what a model wants, glided, held inside the guardrails, in whole units.

`plimsoll.backtest.walk` says what a model would ask at each close. Between that and an account stand, report by report:

    both sides one     lanes are symmetrical: the wider side of the model counts
    bounds             the model's floor and cap, the guardrails' low and high
    glide              from what stands: so far up an hour and a report, so far down an hour
    guardrails         so far an hour, whatever the model says
    integers           the scan range in ppm, lanes in units of 0.1 or 1 bp
    IM                 takes up at once what the glide leaves behind, as the model posts it

and everything is a share of the live index, so it is marked again with every price. A report is made at every close;
the functions that hold it are those that the engine calls.

How often would a *report alone*, the price standing still, have liquidated anyone who had not been called? An account
that is not called holds MM (1 + call buffer) at least, so never where MM rises by less than that from one report to the
next; `liquidating` counts the reports in which it does not, and beside it those of the same model without a glide.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import numpy as np

from plimsoll.backtest.errors import BacktestError
from plimsoll.backtest.record import Record, judge
from plimsoll.backtest.walk import Margins
from plimsoll.market.bars import Bars, FloatArray, IntArray
from plimsoll.risk.arrays import ArrayConfig, fitting_scale
from plimsoll.risk.limits import Rails
from plimsoll.risk.models import Forecast, HarFhsConfig, glide
from plimsoll.risk.scenarios import LANE_PPM, ScenarioSet
from plimsoll.spec.guardrails import Scenarios
from plimsoll.spec.margin import Params
from plimsoll.spec.wad import PPM

UNDERLYING: Final = 0x0101
CONFIG: Final = HarFhsConfig(psr_floor=0.01)  # the guardrails' own floor


@dataclass(frozen=True, slots=True, eq=False)
class Enforced:
    """What stands on chain after the report at each close, shape (n + 1,); zero before the first report.

    Parameters
    ----------
    wanted, psr
        Scan range as the model wants it and as posted [ppm].
    scan, mm, im
        Of one perpetual contract [1 of the index].
    first
        The close of the first report.
    """

    wanted: IntArray
    psr: IntArray
    scan: FloatArray
    mm: FloatArray
    im: FloatArray
    first: int


@dataclass(frozen=True, slots=True)
class EnforcedRecord:
    """How the enforced margin did.

    Parameters
    ----------
    record
        The enforced scan judged like a model's margins; sides are the same margin.
    reports
        How many there were.
    liquidating, liquidating_unglided
        Of them those that alone would have liquidated somebody not called, with the glide and without.
    calling
        Of them those that alone would have called an account at IM.
    behind
        Share of reports after which the posted range is under the model's.
    furthest
        Largest ratio of the model's range to the posted one.
    im_exceeded
        Share of daily windows, the worse side, whose loss is more than IM.
    """

    record: Record
    reports: int
    liquidating: int
    liquidating_unglided: int
    calling: int
    behind: float
    furthest: float
    im_exceeded: float


@cache
def perpetual_rate(psr: int) -> tuple[float, float]:
    """Scan and gross charge of one perpetual contract at a scan range [ppm], as shares of the index.

    Charges and governance's floors are the defaults of `ArrayConfig` and `Params`.
    """
    config, params = ArrayConfig(), Params()
    scenarios = ScenarioSet(psr, PPM // 10, PPM // 10)
    scale = fitting_scale(scenarios.linear_pnl)
    lanes = scenarios.at_scale(scale).linear_lanes
    unit = scale * LANE_PPM / PPM
    charged = config.basis_share * psr / PPM + config.spread + unit
    return -min(lanes) * unit, max(np.ceil(round(charged * PPM, 6)) / PPM, params.gross_base[0] / PPM)


def enforce(bars: Bars, margins: Margins, config: HarFhsConfig = CONFIG) -> Enforced:
    """What a chain would have held, had a report been made at every close.

    Parameters
    ----------
    bars
        The history, n of them.
    margins
        A model's, by close, shape (n + 1,).
    config
        Bounds, glide and IM.

    Raises
    ------
    BacktestError
        The model says nothing at all.
    """
    both = margins.wider.down
    known = np.flatnonzero(np.isfinite(both))
    if not len(known):
        raise BacktestError(f"{bars.source}: the model says nothing at any close")
    first, n = int(known[0]), len(both)
    wanted, psr = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    factor = np.zeros(n)
    time = np.append(bars.time, bars.time[-1] + bars.interval)
    rails, last = Rails(), None
    for t in range(first, n):
        now = int(time[t])
        if not np.isfinite(both[t]):
            raise BacktestError(f"{bars.source}: the model falls silent at {now}")
        target = config.bounded(float(both[t]))
        seconds = now - int(time[t - 1]) if last is not None else 0
        glided = glide(target, last, seconds, config.glide)
        held = rails.hold_forecast(_forecast(target, glided, config.im_factor(target, glided)), now)
        wanted[t], psr[t], factor[t] = target, held.psr, held.im_factor / PPM
        last = held.psr
        stands = Scenarios(psr=held.psr, vol_up=held.vol_up, vol_down=held.vol_down, time=now, scalars_time=now)
        rails = replace(rails, sets={UNDERLYING: stands}, scalars={UNDERLYING: held.scalars})
    rates = np.array([perpetual_rate(p) for p in psr[first:].tolist()])
    scan, mm, im = np.zeros(n), np.zeros(n), np.zeros(n)
    scan[first:] = rates[:, 0]
    mm[first:] = rates.sum(axis=1)
    im[first:] = mm[first:] * factor[first:]
    return Enforced(wanted, psr, scan, mm, im, first)


def _forecast(target: int, psr: int, im_factor: int) -> Forecast:
    """A forecast of which the scan range and the IM factor matter."""
    return Forecast(
        UNDERLYING, 0.0, 0.0, target, psr, PPM // 10, PPM // 10, im_factor, 10**24, PPM // 100, PPM // 100, PPM // 50
    )


def enforced_record(
    asset: str, model: str, bars: Bars, found: Enforced, horizon: int, level: float = 0.99
) -> EnforcedRecord:
    """Judge what was enforced.

    Parameters
    ----------
    asset, model
        Names.
    bars
        The history.
    found
        What `enforce` gave.
    horizon
        [s]
    level
        Share of losses that the scan promises to cover.
    """
    scan = np.where(found.scan > 0, found.scan, np.nan)
    im = np.where(found.im > 0, found.im, np.nan)
    record = judge(asset, f"{model}, enforced", bars, Margins(scan, scan), horizon, level)
    over_im = judge(asset, f"{model}, IM", bars, Margins(im, im), horizon, level)
    buffer = 1 + Params().call_buffer / PPM
    mm, line = found.mm[found.first :], found.im[found.first :]
    free = np.array([sum(perpetual_rate(p)) for p in found.wanted[found.first :].tolist()])
    behind = found.wanted[found.first :] / found.psr[found.first :]
    return EnforcedRecord(
        record=record,
        reports=len(mm),
        liquidating=int(np.sum(mm[1:] > mm[:-1] * buffer)),
        liquidating_unglided=int(np.sum(free[1:] > free[:-1] * buffer)),
        calling=int(np.sum(mm[1:] * buffer > line[:-1])),
        behind=float(np.mean(behind > 1)),
        furthest=float(behind.max()),
        im_exceeded=max(cell.daily.share for cell in over_im.cells),
    )
