"""What any model must pass before an engine may run it: `check` finds what a back-test does not ask.

A model's answers go into reports that strangers recompute and contracts enforce. So, on generated histories:

    named          has a name, a version, plain parameters that rebuild it by `of`; is found by its name
    repeatable     the same bytes again: from another instance, from a parsed snapshot, whatever else it has seen
    blind          what comes later, and other underlyings, change nothing
    bounded        what it posts fits its fields, passes the default guardrails, and IM is above the call line
    gliding        from one report to the next nothing that MM is made of rises by more than the call buffer, however
                   wild: scan range, volatility shifts, concentration, short option minimum, and a fall of depth
    responsive     a wild market asks for more than a calm one
    forgiving      depth, quotes, highs and lows may be missing; a short history is an answer or a named error
    invariant      prices in another unit give the same margin

`tests/unit/risk/test_conformance.py` runs it on every model of this package and on the template; a package of models
does the same with `assert not check("mine")`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from plimsoll.market.bars import DAY, Bars
from plimsoll.market.portable import exp
from plimsoll.market.snapshot import History, Market, Snapshot
from plimsoll.risk.engine import BuiltReport, Engine, canonical
from plimsoll.risk.errors import RiskError
from plimsoll.risk.limits import Rails
from plimsoll.risk.models import Forecast, RiskModel, State
from plimsoll.risk.named import class_of, made
from plimsoll.spec.instruments import CALL, PERP, PUT, Instrument
from plimsoll.spec.margin import Params
from plimsoll.spec.wad import PPM

HOUR: Final = 3_600
DAYS: Final = 240
START: Final = 1_600_041_600
FIRST, SECOND = 0x0101, 0x0102
CALM: Final = 0.004  # volatility of an hour
STORM: Final = 20.0
CHARGED: Final[Mapping[str, str]] = {  # what MM is made of and rises with, as a report posts it
    "scan range": "psr",
    "volatility shift up": "vol_up",
    "volatility shift down": "vol_down",
    "concentration": "kappa",
    "short option minimum": "som",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What a model does not hold: the rule, and what was seen."""

    rule: str
    seen: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.seen}"


def history_of(seed: int, days: int = DAYS, storm: float = 1.0, unit: float = 1.0, interval: int = HOUR) -> Bars:
    """Generated bars: volatility wanders, tails are fat, the last two days are `storm` times as wild."""
    source = np.random.default_rng(seed)
    n = days * DAY // interval
    wander = np.zeros(n)
    for t in range(1, n):
        wander[t] = 0.98 * wander[t - 1] + 0.1 * source.standard_normal()
    moves = CALM * (interval / HOUR) ** 0.5 * exp(wander) * np.clip(source.standard_t(4, n), -12, 12)
    moves[-2 * DAY // interval :] *= storm
    close = 100 * unit * exp(np.clip(np.cumsum(moves), -4, 4))
    opened = np.concatenate(([100 * unit], close[:-1]))
    high, low = np.maximum(opened, close) * 1.001, np.minimum(opened, close) * 0.999
    return Bars(START + np.arange(n, dtype=np.int64) * interval, opened, high, low, close, np.zeros(n), interval)


def market_of(bars: Bars, underlying: int = FIRST, *, ranges: bool = True, depth: float | None = 500.0) -> Market:
    """A perpetual and two options on generated prices."""
    index = float(bars.close[-1])
    unit = 10**14
    expiry = (int(bars.time[-1]) // DAY + 15) * DAY
    strike = round(index * 10**18 / unit)
    listed = [Instrument(underlying, 0, PERP, 0, 0)]
    listed += [Instrument(underlying, expiry, kind, strike, row) for row, kind in enumerate((CALL, PUT))]
    ids = tuple(item.pack() for item in listed)
    quotes = {ids[1]: 0.6, ids[2]: 0.6} if depth is not None else {}
    return Market(
        underlying, index, History.from_bars(bars, ranges=ranges), ids, unit, quotes, depth=depth, name=f"U{underlying}"
    )


def snapshot_of(*markets: Market) -> Snapshot:
    """A snapshot at the close of the last bar."""
    return Snapshot(max(int(m.history.time[-1]) + m.history.interval for m in markets), markets)


def check(name: str, parameters: Mapping[str, Any] | None = None) -> tuple[Finding, ...]:
    """What the model of that name does not hold; nothing where it holds all.

    Parameters
    ----------
    name
        As `plimsoll.risk.named` knows it.
    parameters
        Plain values; the model's defaults where not given.

    Raises
    ------
    ModelError
        There is no such model, or the parameters make none.
    """
    given = dict(parameters or {})
    made(name, given)

    def fresh() -> RiskModel:
        return made(name, given)

    rules: tuple[tuple[str, Callable[[Callable[[], RiskModel], str], Iterator[str]]], ...] = (
        ("named", _named),
        ("repeatable", _repeatable),
        ("blind", _blind),
        ("bounded", _bounded),
        ("gliding", _gliding),
        ("responsive", _responsive),
        ("forgiving", _forgiving),
        ("invariant", _invariant),
    )
    found: list[Finding] = []
    for rule, look in rules:
        try:
            found += [Finding(rule, seen) for seen in look(fresh, name)]
        except RiskError as error:
            found.append(Finding(rule, f"{type(error).__name__} {error}"))
        except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything, and that is the finding
            found.append(Finding(rule, f"an error without a name: {type(error).__name__} {error}"))
    return tuple(found)


def _built(model: RiskModel, snapshot: Snapshot, previous: State | None = None) -> BuiltReport:
    return Engine(model).report(snapshot, previous)


def _named(fresh: Callable[[], RiskModel], name: str) -> Iterator[str]:
    model: Any = fresh()
    if not isinstance(model, RiskModel):
        yield "lacks something of RiskModel"
    if not (isinstance(model.version, str) and model.version):
        yield f"version {model.version!r}; some text is right"
    plain = json.loads(canonical(dict(model.parameters)))
    again = class_of(name).of(plain)
    if canonical(dict(again.parameters)) != canonical(dict(model.parameters)):
        yield "of(parameters) gives a model of other parameters"
    if not (type(model).__doc__ or "").strip():
        yield "has no docstring: say what it assumes"


def _repeatable(fresh: Callable[[], RiskModel], _: str) -> Iterator[str]:
    snapshot = snapshot_of(market_of(history_of(1)), market_of(history_of(2), SECOND))
    model = fresh()
    one = _built(model, snapshot)
    if _built(fresh(), Snapshot.parse(snapshot.content)).codes != one.codes:
        yield "another instance, from a parsed snapshot, gives other bytes"
    _built(model, snapshot_of(market_of(history_of(3, storm=4.0))))
    second = _built(model, snapshot)
    if (second.codes, second.report) != (one.codes, one.report):
        yield "what it saw before changes what it says"


def _blind(fresh: Callable[[], RiskModel], _: str) -> Iterator[str]:
    bars = history_of(4)
    alone = fresh().assess(snapshot_of(market_of(bars)), None)[FIRST]
    both = fresh().assess(snapshot_of(market_of(bars), market_of(history_of(5, storm=5.0), SECOND)), None)[FIRST]
    if alone != both:
        yield "another underlying changes the answer"
    later = replace(snapshot_of(market_of(bars)), market_time=snapshot_of(market_of(bars)).market_time + 1)
    if fresh().assess(later, None)[FIRST].forecast_psr != alone.forecast_psr:
        yield "a second of time alone changes the scan range"


def _bounded(fresh: Callable[[], RiskModel], _: str) -> Iterator[str]:
    call_line = PPM + Params().call_buffer
    for seed, storm in ((6, 0.02), (7, 1.0), (8, 12.0)):
        snapshot = snapshot_of(market_of(history_of(seed, storm=storm)))
        found = fresh().assess(snapshot, None)[FIRST]
        if found.im_factor <= call_line:
            yield f"im_factor {found.im_factor} ppm, storm {storm:g}; above the call line's {call_line} is right"
        held = Rails().hold_forecast(found, snapshot.market_time)
        for field in ("psr", "vol_up", "vol_down", "im_factor", "depth", "kappa", "som", "market"):
            if getattr(held, field) != getattr(found, field):
                yield f"{field} {getattr(found, field)}, storm {storm:g}; the default guardrails refuse it"
        _built(fresh(), snapshot)  # raises where a field does not fit


def _gliding(fresh: Callable[[], RiskModel], _: str) -> Iterator[str]:
    calm = snapshot_of(market_of(history_of(9)))
    model = fresh()
    last = _built(model, calm)
    before = model.assess(calm, None)[FIRST]
    wild = market_of(history_of(9, storm=15.0), depth=20.0)
    for step in (HOUR, DAY, 30 * DAY):
        snapshot = Snapshot(snapshot_of(wild).market_time + step, (wild,))
        state = replace(last.state, market_time=snapshot.market_time - step)
        found = model.assess(snapshot, state)[FIRST]
        for name, field in CHARGED.items():
            was, now = getattr(before, field), getattr(found, field)
            most = was * (PPM + Params().call_buffer) // PPM
            if now > most:
                yield f"{name} {was} to {now} ppm in a report after {step} s; at most {most}"
        if found.psr * before.depth * PPM > before.psr * found.depth * (PPM + Params().call_buffer):
            yield (
                f"depth {before.depth} to {found.depth}, scan range {before.psr} to {found.psr} ppm "
                f"in a report after {step} s: together more than the call buffer"
            )
        if found.psr < found.forecast_psr and found.im_factor * found.psr < found.forecast_psr * PPM:
            yield "new risk does not pay today's forecast: im_factor leaves IM under the forecast range"


def _responsive(fresh: Callable[[], RiskModel], _: str) -> Iterator[str]:
    calm = fresh().assess(snapshot_of(market_of(history_of(10))), None)[FIRST]
    wild = fresh().assess(snapshot_of(market_of(history_of(10, storm=STORM))), None)[FIRST]
    if not wild.forecast_psr > calm.forecast_psr:
        yield f"two wild days leave the forecast range at {wild.forecast_psr} ppm, from {calm.forecast_psr}"


def _forgiving(fresh: Callable[[], RiskModel], _: str) -> Iterator[str]:
    for interval in (HOUR, DAY):
        bars = history_of(11, days=DAYS if interval == HOUR else 500, interval=interval)
        for ranges in (True, False):
            for depth in (500.0, None):
                _built(fresh(), snapshot_of(market_of(bars, ranges=ranges, depth=depth)))
    for days in (1, 20, 100):
        short = snapshot_of(market_of(history_of(12, days=days)))
        try:
            fresh().assess(short, None)
        except RiskError:
            continue  # a named error says what is missing
    flat = history_of(13)
    still = replace(
        flat, open=flat.open * 0 + 100, close=flat.close * 0 + 100, high=flat.high * 0 + 100, low=flat.low * 0 + 100
    )
    try:
        found: Mapping[int, Forecast] = fresh().assess(snapshot_of(market_of(still)), None)
    except RiskError:
        return
    if found[FIRST].psr <= 0:
        yield "a price that stands still has no scan range, and no error"


def _invariant(fresh: Callable[[], RiskModel], _: str) -> Iterator[str]:
    one, other = (
        fresh().assess(snapshot_of(market_of(history_of(14, unit=unit))), None)[FIRST] for unit in (1.0, 1024.0)
    )
    if abs(one.psr - other.psr) > 1:
        yield f"prices in another unit move the scan range from {one.psr} to {other.psr} ppm"
