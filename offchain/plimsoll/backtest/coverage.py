"""Whether margins were exceeded as often as they say, as scattered as they should, and by how much.

With T windows, x of them exceptions (loss over margin), p the probability that a margin promises:

    LR_pof = -2 ln [ (1 - p)^(T - x) p^x / ((1 - x/T)^(T - x) (x/T)^x) ]                        chi2(1)
    LR_ind = -2 ln [ (1 - q)^(n00 + n10) q^(n01 + n11) / ((1 - q0)^n00 q0^n01 (1 - q1)^n10 q1^n11) ]    chi2(1)
    LR_cc  = LR_pof + LR_ind                                                                   chi2(2)

n_ij counts windows in state j (1: an exception) that follow one in state i; q0 = n01 / (n00 + n01), q1 = n11 /
(n10 + n11), q = (n01 + n11) / (all). 0^0 is 1 and 0 ln 0 is 0, so no exception, nothing but exceptions and states that
nothing follows have a value.

P. H. Kupiec, Techniques for verifying the accuracy of risk measurement models, Journal of Derivatives 3, 1995.
P. F. Christoffersen, Evaluating interval forecasts, International Economic Review 39, 1998.
Basel Committee on Banking Supervision, Supervisory framework for the use of "backtesting" in conjunction with the
internal models approach to market risk capital requirements, 1996 (zones and multipliers: table 2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from plimsoll.market.bars import FloatArray
from plimsoll.risk.watch import BASE, BASEL_P, BASEL_WINDOWS, PLUS_RED, raised
from plimsoll.spec.errors import PlimsollError

Zone = Literal["green", "yellow", "red"]

SIGNIFICANCE: Final = 0.05
YELLOW_AT: Final = 0.95  # the binomial distribution has come to this where yellow begins
RED_AT: Final = 0.9999  # and to this where red does


class CoverageError(PlimsollError):
    """Counts, probabilities or vectors that no coverage is defined for."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A likelihood ratio: the statistic, its degrees of freedom, and how probable a larger one is by chance."""

    statistic: float
    freedom: int

    @property
    def p_value(self) -> float:
        """Probability of a statistic at least as large if the hypothesis holds."""
        return float(stats.chi2.sf(self.statistic, self.freedom))

    def rejected(self, significance: float = SIGNIFICANCE) -> bool:
        """Whether it is too large for chance."""
        return self.p_value < significance


@dataclass(frozen=True, slots=True)
class Transitions:
    """How often a window in one state follows one in another; 1 is an exception."""

    n00: int
    n01: int
    n10: int
    n11: int

    def __post_init__(self) -> None:
        if min(self.n00, self.n01, self.n10, self.n11) < 0 or self.total == 0:
            raise CoverageError(f"{self}; counts of 0 or more, not all 0, are right")

    @property
    def total(self) -> int:
        """Windows that follow another."""
        return self.n00 + self.n01 + self.n10 + self.n11

    @property
    def exceptions(self) -> int:
        """Exceptions among them."""
        return self.n01 + self.n11

    @classmethod
    def of(cls, hits: npt.ArrayLike) -> Transitions:
        """Counts of a series of windows, shape (n,), n at least 2, true or 1 where the margin was exceeded.

        Raises
        ------
        CoverageError
            Another shape, or values other than 0 and 1.
        """
        found = _hits(hits)
        if len(found) < 2:
            raise CoverageError(f"{len(found)} windows; at least 2 follow each other")
        before, after = found[:-1], found[1:]
        return cls(*(int(np.sum((before == i) & (after == j))) for i in (False, True) for j in (False, True)))


def _hits(hits: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    values = np.asarray(hits)
    if values.ndim != 1 or not np.all((values == 0) | (values == 1)):
        raise CoverageError(f"hits of shape {values.shape}; one dimension of 0 and 1 is right")
    return values.astype(np.bool_)


def _check(exceptions: int, windows: int, p: float) -> None:
    if not 0 < p < 1:
        raise CoverageError(f"probability {p}; above 0 and below 1 is right")
    if not 0 <= exceptions <= windows or windows < 1:
        raise CoverageError(f"{exceptions} exceptions in {windows} windows; 0 .. windows, at least one, is right")


def _likelihood(failures: int, successes: int, q: float) -> float:
    """Logarithm of (1 - q)^failures q^successes, with 0 ln 0 = 0."""
    return float(special.xlog1py(failures, -q) + special.xlogy(successes, q))


def _ratio(restricted: float, free: float, freedom: int) -> Ratio:
    return Ratio(max(0.0, 2 * (free - restricted)), freedom)  # rounding may leave the bound by an ulp


def kupiec(exceptions: int, windows: int, p: float) -> Ratio:
    """LR_pof: whether the share of exceptions is `p`.

    Raises
    ------
    CoverageError
        The counts or the probability make no sense.
    """
    _check(exceptions, windows, p)
    calm = windows - exceptions
    return _ratio(_likelihood(calm, exceptions, p), _likelihood(calm, exceptions, exceptions / windows), 1)


def region(windows: int, p: float, significance: float = SIGNIFICANCE) -> tuple[int, int]:
    """The least and the largest number of exceptions that `kupiec` does not reject.

    Where no count passes, which few windows can bring about, the first is above the second.

    Raises
    ------
    CoverageError
        As `kupiec`.
    """
    _check(0, windows, p)
    x = np.arange(windows + 1)
    calm = windows - x
    free = special.xlogy(x, x / windows) + special.xlogy(calm, calm / windows)
    statistic = 2 * (free - special.xlogy(x, p) - special.xlog1py(calm, -p))
    passed = np.flatnonzero(stats.chi2.sf(statistic, 1) >= significance)
    return (int(passed[0]), int(passed[-1])) if len(passed) else (1, 0)


def independence(transitions: Transitions) -> Ratio:
    """LR_ind: whether an exception is as likely after an exception as after none."""
    t = transitions
    q = t.exceptions / t.total
    q0 = t.n01 / max(1, t.n00 + t.n01)
    q1 = t.n11 / max(1, t.n10 + t.n11)
    free = _likelihood(t.n00, t.n01, q0) + _likelihood(t.n10, t.n11, q1)
    return _ratio(_likelihood(t.n00 + t.n10, t.exceptions, q), free, 1)


def conditional(transitions: Transitions, p: float) -> Ratio:
    """LR_cc: whether exceptions have probability `p` whatever came before.

    The first window, which follows none, is left out of both parts, as in Christoffersen: so they add up exactly.

    Raises
    ------
    CoverageError
        As `kupiec`.
    """
    pof = kupiec(transitions.exceptions, transitions.total, p)
    return Ratio(pof.statistic + independence(transitions).statistic, 2)


def zone_points(windows: int, p: float) -> tuple[int, int]:
    """The counts at which yellow and red begin: where the binomial distribution reaches 95 % and 99.99 %.

    No exception at all is green, however few the windows.

    Raises
    ------
    CoverageError
        As `kupiec`.
    """
    _check(0, windows, p)
    yellow = max(1, int(stats.binom.ppf(YELLOW_AT, windows, p)))
    return yellow, max(yellow, int(stats.binom.ppf(RED_AT, windows, p)))


def red_point(windows: int, p: float) -> int:
    """The least number of exceptions that is red at this length."""
    return zone_points(windows, p)[1]


def zone(exceptions: int, windows: int = BASEL_WINDOWS, p: float = BASEL_P) -> Zone:
    """Basel's traffic light for any length and probability.

    Raises
    ------
    CoverageError
        As `kupiec`.
    """
    _check(exceptions, windows, p)
    yellow, red = zone_points(windows, p)
    if exceptions >= red:
        return "red"
    return "yellow" if exceptions >= yellow else "green"


def multiplier(exceptions: int, windows: int = BASEL_WINDOWS, p: float = BASEL_P) -> float:
    """By how much Basel's table raises capital for exceptions, as a multiple of what the green zone asks: 1 .. 4/3.

    At 250 windows and 1 % it is the table itself over its base of 3. Elsewhere it is the rule behind the table, not
    rounded: in the yellow zone what brings a normal distribution of the coverage seen back to the coverage promised,
    quantile(1 - p) / quantile(1 - x/T), within the table's bounds; in the red zone the largest.

    Raises
    ------
    CoverageError
        As `kupiec`.
    """
    light = zone(exceptions, windows, p)
    highest = (BASE + PLUS_RED) / BASE
    if light == "green":
        return 1.0
    if light == "red":
        return highest
    if (windows, p) == (BASEL_WINDOWS, BASEL_P):
        return raised(exceptions)
    seen = float(special.ndtri(1 - exceptions / windows)) if exceptions < windows else -math.inf
    return min(max(1.0, float(special.ndtri(1 - p)) / seen), highest) if seen > 0 else highest


@dataclass(frozen=True, slots=True)
class Exceedances:
    """How far losses went beyond margins.

    Parameters
    ----------
    at
        Positions of the exceptions, rising.
    shortfall
        Sum of loss less margin over the exceptions [unit of the losses].
    mean_excess
        Its mean over the exceptions; 0 where there is none.
    worst_excess
        The largest.
    worst_ratio
        The largest loss over its margin, of all windows, exceptions or not; infinite where a margin of 0 met a loss.
    worst_at
        Where that was.
    """

    at: tuple[int, ...]
    shortfall: float
    mean_excess: float
    worst_excess: float
    worst_ratio: float
    worst_at: int


def _pair(losses: npt.ArrayLike, margins: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    found = np.asarray(losses, dtype=np.float64)
    held = np.asarray(margins, dtype=np.float64)
    if found.ndim != 1 or len(found) == 0 or held.shape not in {(), found.shape}:
        raise CoverageError(f"losses {found.shape} and margins {held.shape}; one dimension, equal, not empty is right")
    if not (np.all(np.isfinite(found)) and np.all(np.isfinite(held)) and np.all(held >= 0)):
        raise CoverageError("a loss or margin is not finite, or a margin is negative")
    return found, np.broadcast_to(held, found.shape)


def exceedances(losses: npt.ArrayLike, margins: npt.ArrayLike) -> Exceedances:
    """Sizes of the exceptions.

    Parameters
    ----------
    losses
        Losses of the windows, positive where money was lost, shape (n,), n at least 1.
    margins
        Margins held before them, in the same unit, at least 0, shape (n,) or one for all.

    Raises
    ------
    CoverageError
        Shapes differ, or a number is not finite or a margin negative.
    """
    found, held = _pair(losses, margins)
    excess = found - held
    at = np.flatnonzero(excess > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(held > 0, found / held, np.where(found > 0, np.inf, 0.0))
    over = excess[at]
    shortfall = math.fsum(over.tolist())
    return Exceedances(
        at=tuple(at.tolist()),
        shortfall=shortfall,
        mean_excess=shortfall / len(at) if len(at) else 0.0,
        worst_excess=float(np.max(over, initial=0.0)),
        worst_ratio=float(np.max(ratio)),
        worst_at=int(np.argmax(ratio)),
    )


@dataclass(frozen=True, slots=True)
class Coverage:
    """A record of margins at one promised probability of exceptions, `p`; parts as the functions of this module."""

    windows: int
    exceptions: int
    p: float
    kupiec: Ratio
    independence: Ratio
    conditional: Ratio
    zone: Zone
    red_point: int
    sizes: Exceedances

    @property
    def share(self) -> float:
        """Exceptions over windows."""
        return self.exceptions / self.windows


def coverage(losses: npt.ArrayLike, margins: npt.ArrayLike, p: float) -> Coverage:
    """All of the above on a series of windows in their order, at least 2 of them.

    `conditional` and `independence` test the windows that follow another; `kupiec` and `zone` all of them.

    Raises
    ------
    CoverageError
        As `exceedances` and `kupiec`, or there is a single window.
    """
    found, held = _pair(losses, margins)
    hits = found > held
    windows, exceptions = len(hits), int(np.sum(hits))
    transitions = Transitions.of(hits)
    return Coverage(
        windows,
        exceptions,
        p,
        kupiec(exceptions, windows, p),
        independence(transitions),
        conditional(transitions, p),
        zone(exceptions, windows, p),
        red_point(windows, p),
        exceedances(found, held),
    )
