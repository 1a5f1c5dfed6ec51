"""The gross charge from what moved: from measured moves to the parameters of the revaluation.

Lanes see one price and one volatility per underlying. What they cannot see is charged by `plimsoll.risk.arrays` with a
few numbers, and this module says what those numbers must be for a share `level` of observed days to stay within them:

    basis   |F/S tomorrow over F/S today - 1| of one expiry        <=  max(basis_floor, basis_share PSR + carry sqrt(t))
    skew    the larger change of volatility one standard deviation up or down, against that at the money
                                                                   <=  max(skew_floor, skew_share x shift)
    term    change of an expiry's volatility at the money, less what all expiries did in the lanes' own pattern
                                                                   <=  max(term_floor, term_share x shift)
    spread  median half spread of a bucket of options on a day     <=  vol_spread x vega + spread x |delta|

`shift` is the volatility-up shift of the lanes at that expiry. Each move is scaled from the time between two chains to
the horizon by the square root of time. The level holds at each tenor, not only over all. Of all (share, floor) that
keep it the pair is taken that charges least per option held, in money. Nothing falls under `Floors`, by default what
holds at present: a quiet month must not talk a charge away, and how charges grow in a wild one it does not know, so
shares are never lowered at all. Bands are a bootstrap over days, since what moves on one day moves together.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from plimsoll.market.bars import FloatArray, IntArray
from plimsoll.risk.arrays import DEFAULT_CONFIG, ArrayConfig
from plimsoll.risk.errors import ModelError, RiskError

LEVEL: Final = 0.99
TENORS: Final = (0, 7, 30, 90, 10_000)  # [days] between which the level holds
LEAST_DAYS: Final = 20  # pairs of days
RESAMPLES: Final = 400
BAND: Final = (0.025, 0.975)
FAR: Final = 60 / 365  # [years] from here on a forward's move is carry's
STEP: Final = 0.01  # of a share
MOST_SHARE: Final = 0.50
GRAIN: Final = {"spread": 1e-5, "carry": 1e-4, "basis_floor": 1e-4}  # to which a proposal is rounded up; others 1e-3


class TooFewDaysError(RiskError):
    """Fewer pairs of days than a quantile can be read off."""

    def __init__(self, found: int) -> None:
        super().__init__(f"gross charges: {found} pairs of days; at least {LEAST_DAYS} are needed")
        self.found = found
        self.needed = LEAST_DAYS


@dataclass(frozen=True, slots=True)
class Floors:
    """Under what no measurement takes a parameter. Units of `ArrayConfig`; as they stand half of its defaults."""

    basis_floor: float = 0.005
    carry: float = 0.005
    skew_floor: float = 0.025
    term_floor: float = 0.015
    spread: float = 0.0001
    vol_spread: float = 0.005

    def __post_init__(self) -> None:
        for part in fields(self):
            if not 0 <= getattr(self, part.name) <= 1:
                raise ModelError(f"floor {part.name} {getattr(self, part.name)}; 0 .. 1 is right")

    @classmethod
    def of(cls, config: ArrayConfig) -> Floors:
        """What holds at present."""
        return cls(**{part.name: getattr(config, part.name) for part in fields(cls)})


@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """What expiries did from one chain to the next, at the horizon; n of them, arrays of shape (n,).

    Parameters
    ----------
    day
        Number of the pair of days: moves of one day come together.
    tau
        Time to expiry at its start [years].
    basis
        Relative move of forward over index, signed.
    turn
        Change of the smile's slope per standard deviation [volatility], signed.
    skew
        Larger change of volatility a standard deviation away, up or down, against the money [volatility], at least 0.
    term
        Change of volatility at the money beyond the common one [volatility], signed.
    shift
        Volatility-up shift of the lanes [volatility].
    psr
        Scan range [1].
    vega
        Of the option at the money [index per 1.00 of volatility].
    """

    day: IntArray
    tau: FloatArray
    basis: FloatArray
    turn: FloatArray
    skew: FloatArray
    term: FloatArray
    shift: FloatArray
    psr: FloatArray
    vega: FloatArray

    def __post_init__(self) -> None:
        _check(self, "moves")


@dataclass(frozen=True, slots=True, eq=False)
class Spreads:
    """Half spreads of buckets of options, one tenor, moneyness and day each; arrays of shape (n,).

    Parameters
    ----------
    day
        Number of the day.
    tau
        Mean time to expiry [years].
    deviations
        How far out of the money: the bucket's lower end in standard deviations.
    half
        Median half spread [index].
    volatility
        Median of half spreads over vega [1 a year].
    delta
        Median of absolute deltas over vega [per 1.00 of volatility].
    """

    day: IntArray
    tau: FloatArray
    deviations: FloatArray
    half: FloatArray
    volatility: FloatArray
    delta: FloatArray

    def __post_init__(self) -> None:
        _check(self, "spreads")

    def left(self, spread: float) -> FloatArray:
        """What is left of the half spreads after `spread` per unit of delta, in volatility: shape (n,), at least 0."""
        found: FloatArray = np.maximum(self.volatility - spread * self.delta, 0.0)
        return found


def _check(found: Moves | Spreads, what: str) -> None:
    shapes = {getattr(found, part.name).shape for part in fields(found)}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        raise ModelError(f"{what}: arrays of shapes {sorted(shapes)}; one shape (n,) is right")
    for part in fields(found):
        if not np.all(np.isfinite(getattr(found, part.name))):
            raise ModelError(f"{what}: {part.name} has a value that is not finite")


@dataclass(frozen=True, slots=True)
class Measured:
    """A quantile of a sample, its band over days, and how many observations there were."""

    value: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class ChargeEstimate:
    """What the moves ask for.

    `basis`, `turn`, `skew`, `term` [at the horizon], `vol_spread` and `spread` as measured at `level`; `covered`: share
    of the observations inside the charges of `base`, by measure; `proposed`: the fields of `ArrayConfig` that keep the
    level, rounded up and never under the floors, as (name, value).
    """

    level: float
    days: int
    basis: Measured
    turn: Measured
    skew: Measured
    term: Measured
    vol_spread: Measured
    spread: Measured | None
    base: ArrayConfig
    covered: tuple[tuple[str, float], ...]
    proposed: tuple[tuple[str, float], ...]

    def config(self, base: ArrayConfig) -> ArrayConfig:
        """`base` with what was proposed."""
        fields_of: dict[str, Any] = dict(self.proposed)
        return replace(base, **fields_of)

    @property
    def raised(self) -> dict[str, tuple[float, float]]:
        """Fields of `base` that lie under what was measured: name -> (present, proposed)."""
        return {
            name: (getattr(self.base, name), value)
            for name, value in self.proposed
            if value > getattr(self.base, name) + 1e-12
        }


def estimate(
    moves: Moves,
    spreads: Spreads,
    linear: FloatArray | None = None,
    base: ArrayConfig = DEFAULT_CONFIG,
    floors: Floors | None = None,
    *,
    level: float = LEVEL,
    seed: int = 1,
) -> ChargeEstimate:
    """Charges that a share `level` of the observations stays within.

    Parameters
    ----------
    moves, spreads
        As measured, at the horizon.
    linear
        Half spreads of perpetuals and futures, fractions of the index, shape (n,); none: `base` keeps its own.
    base
        Present parameters; shares are never under these.
    floors
        `Floors.of(base)` where not given: charges are raised, and never lowered.
    level
        Share, in (0.5, 1).
    seed
        Of the bootstrap.

    Raises
    ------
    TooFewDaysError
        Fewer than `LEAST_DAYS` pairs of days.
    ModelError
        Level out of range, or no spreads.
    """
    if not 0.5 < level < 1:
        raise ModelError(f"level {level}; inside (0.5, 1) is right")
    days = len(np.unique(moves.day))
    if days < LEAST_DAYS:
        raise TooFewDaysError(days)
    if not len(spreads.day):
        raise ModelError("no option was quoted on both sides: no spread can be measured; name chains with bid and ask")
    least = floors or Floors.of(base)
    rng = np.random.default_rng(seed)
    basis, term = np.abs(moves.basis), np.abs(moves.term)

    spread, half = base.spread, None
    if linear is not None and len(linear):
        half = measured(linear, np.arange(len(linear)), level, rng)
        spread = _up("spread", least.spread, half.value)
    beyond = basis - base.basis_share * moves.psr
    far = moves.tau >= FAR
    carry = _up("carry", least.carry, _quantile((beyond / np.sqrt(moves.tau))[far], level))
    inside = base.basis_share * moves.psr + carry * np.sqrt(moves.tau)
    floor = _up("basis_floor", least.basis_floor, _everywhere(basis, inside, moves.tau, level))
    skew_share, skew_floor = _least(moves.skew, moves, base.skew_share, least.skew_floor, level)
    term_share, term_floor = _least(term, moves, base.term_share, least.term_floor, level)
    left = spreads.left(spread)
    vol_spread = _up("vol_spread", least.vol_spread, _quantile(left, level))
    proposed = {
        "basis_floor": floor,
        "carry": carry,
        "skew_share": skew_share,
        "skew_floor": skew_floor,
        "term_share": term_share,
        "term_floor": term_floor,
        "spread": spread,
        "vol_spread": vol_spread,
    }
    return ChargeEstimate(
        level,
        days,
        measured(basis, moves.day, level, rng),
        measured(np.abs(moves.turn), moves.day, level, rng),
        measured(moves.skew, moves.day, level, rng),
        measured(term, moves.day, level, rng),
        measured(left, spreads.day, level, rng),
        half,
        base,
        tuple(covered(moves, spreads, base).items()),
        tuple(proposed.items()),
    )


def charged(moves: Moves, config: ArrayConfig) -> dict[str, FloatArray]:
    """What `plimsoll.risk.arrays` allows for basis, skew and term structure at each observation, shape (n,) each."""
    return {
        "basis": np.maximum(config.basis_floor, config.basis_share * moves.psr + config.carry * np.sqrt(moves.tau)),
        "skew": np.maximum(config.skew_floor, config.skew_share * moves.shift),
        "term": np.maximum(config.term_floor, config.term_share * moves.shift),
    }


def covered(moves: Moves, spreads: Spreads, config: ArrayConfig) -> dict[str, float]:
    """Share of the observations that lie within the charges of a configuration, by measure."""
    seen = {"basis": np.abs(moves.basis), "skew": moves.skew, "term": np.abs(moves.term)}
    found = {name: float(np.mean(seen[name] <= limit)) for name, limit in charged(moves, config).items()}
    return found | {"vol_spread": float(np.mean(spreads.left(config.spread) <= config.vol_spread))}


def measured(values: FloatArray, day: npt.NDArray[np.int64], level: float, rng: np.random.Generator) -> Measured:
    """A quantile of values, its band by drawing whole days anew."""
    parts = [values[day == number] for number in np.unique(day)]
    drawn = rng.integers(0, len(parts), (RESAMPLES, len(parts)))
    again = [_quantile(np.concatenate([parts[at] for at in some]), level) for some in drawn]
    low, high = np.quantile(again, BAND)
    return Measured(_quantile(values, level), float(low), float(high), len(values))


def _quantile(values: FloatArray, level: float) -> float:
    """The smallest value that a share `level` does not exceed: an observation, never something between two."""
    return float(np.quantile(values, level, method="inverted_cdf")) if len(values) else 0.0


def _up(name: str, least: float, value: float) -> float:
    """What was measured, rounded up to what people write down; where it is no more than `least`, that, as it is."""
    if value <= least:
        return least
    grain = GRAIN.get(name, 1e-3)
    steps = int(value / grain)
    while steps * grain < value:
        steps += 1
    return steps * grain


def _least(moved: FloatArray, moves: Moves, share: float, floor: float, level: float) -> tuple[float, float]:
    """Share and floor that keep the level at each tenor and charge least, by mean vega x allowance."""

    def needed(part: float) -> float:
        return _up("floor", floor, _everywhere(moved, part * moves.shift, moves.tau, level))

    def dear(part: float) -> float:
        return float(np.mean(moves.vega * np.maximum(needed(part), part * moves.shift)))

    shares = np.round(np.arange(share, max(MOST_SHARE, share) + STEP / 2, STEP), 6)
    best = float(shares[int(np.argmin([dear(float(part)) for part in shares]))])
    return best, needed(best)


def _everywhere(moved: FloatArray, allowed: FloatArray, tau: FloatArray, level: float) -> float:
    """The least floor under what is allowed with which the level holds at each tenor."""
    beyond = np.where(moved > allowed, moved, 0.0)
    return max(_quantile(beyond[of_tenor(tau, *ends)], level) for ends in pairwise(TENORS))


def of_tenor(tau: FloatArray, low: float, high: float) -> npt.NDArray[np.bool_]:
    """Which times [years] lie from `low` to under `high` [days]; shape (n,)."""
    days = tau * 365
    return (days >= low) & (days < high)
