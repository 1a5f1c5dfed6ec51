"""Black's formula on the forward, undiscounted, and its Greeks; vectorised, with the limits in place.

    C = F N(d1) - K N(d2)        P = K N(-d2) - F N(-d1)
    d1 = ln(F/K) / (s sqrt(T)) + s sqrt(T) / 2,   d2 = d1 - s sqrt(T)

F. Black, The pricing of commodity contracts, Journal of Financial Economics 3, 1976. Discounted, and with
F = S exp(b T), it is the generalised Black-Scholes-Merton formula (Haug, The Complete Guide to Option Pricing
Formulas, 2nd ed., 1.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from plimsoll.market.bars import FloatArray
from plimsoll.market.portable import exp, log, normal
from plimsoll.risk.errors import PricingError

SQRT_TWO_PI: Final = math.sqrt(2 * math.pi)

Floats = npt.ArrayLike


@dataclass(frozen=True, slots=True)
class Greeks:
    """Sensitivities to the forward, undiscounted; all of the broadcast shape.

    `delta` per unit of forward; `gamma` per unit of forward, squared; `vega` per 1.00 of volatility; `theta` per year
    that passes.
    """

    delta: FloatArray
    gamma: FloatArray
    vega: FloatArray
    theta: FloatArray


def _inputs(forward: Floats, strike: Floats, volatility: Floats, tau: Floats) -> tuple[FloatArray, ...]:
    names = ("forward", "strike", "volatility", "time")
    arrays = tuple(np.asarray(values, dtype=np.float64) for values in (forward, strike, volatility, tau))
    for name, values in zip(names, arrays, strict=True):
        if not np.all(values >= 0) or not np.all(np.isfinite(values)):  # a NaN fails the first
            raise PricingError(f"{name} must be finite and not negative")
    if not np.all(arrays[1] > 0):
        raise PricingError("strike must be positive")
    return arrays


def _d(forward: FloatArray, strike: FloatArray, total: FloatArray) -> tuple[FloatArray, FloatArray]:
    """d1 and d2; at `total` = s sqrt(T) = 0 their limits: infinite, or zero where forward and strike are equal."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = log(forward / strike) / total
    ratio = np.where(np.isnan(ratio), 0.0, ratio)
    return ratio + total / 2, ratio - total / 2


def price(is_call: npt.ArrayLike, forward: Floats, strike: Floats, volatility: Floats, tau: Floats) -> FloatArray:
    """Undiscounted price of European options on a forward.

    Parameters
    ----------
    is_call
        True for a call, False for a put.
    forward, strike
        In one unit, the price's; forward at least 0, strike above.
    volatility
        [1 a year], at least 0.
    tau
        Time to expiry [years], at least 0.

    Returns
    -------
    numpy.ndarray
        Of the broadcast shape. At no time or no volatility the intrinsic value.

    Raises
    ------
    PricingError
        An input is NaN, infinite, negative, or a strike of 0.
    """
    f, k, s, t = _inputs(forward, strike, volatility, tau)
    call = np.asarray(is_call, dtype=np.bool_)
    d1, d2 = _d(f, k, s * np.sqrt(t))
    sign = np.where(call, 1.0, -1.0)
    raw = sign * (f * normal(sign * d1) - k * normal(sign * d2))
    # rounding of the two products may leave the bounds by an ulp
    found: FloatArray = np.clip(raw, np.maximum(sign * (f - k), 0.0), np.where(call, f, k))
    return found


def both(logs: FloatArray, total: FloatArray, forward: FloatArray, strike: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Undiscounted prices of the call and of the put, to the bit those of `price`, for less than one of them by it.

    A call and a put at one strike need the same logarithm, and as N(-d) is one tail of the normal distribution and N(d)
    what it leaves of one, the same two tails. Nothing is checked: let `vega` have seen the inputs.

    Parameters
    ----------
    logs
        ln(forward / strike), shape (n, c).
    total
        Volatility x sqrt(time), at least 0, shape (n, c).
    forward, strike
        At least 0, and above; of a shape that broadcasts to (n, c).
    """
    d = np.empty((2, *logs.shape))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = logs / total
    if not total.all():
        ratio = np.where(np.isnan(ratio), 0.0, ratio)
    half = total / 2
    np.add(ratio, half, out=d[0])
    np.subtract(ratio, half, out=d[1])
    below = d < 0
    np.abs(d, out=d)
    tail = normal(np.negative(d, out=d))
    rest = np.subtract(1, tail, out=d)
    ahead, behind = np.where(below, tail, rest), np.where(below, rest, tail)
    call = forward * ahead[0]
    call -= strike * ahead[1]
    put = forward * behind[0]
    put -= strike * behind[1]
    np.negative(put, out=put)
    inside, nothing, most = forward - strike, np.zeros(logs.shape), np.empty(logs.shape)
    most[:] = strike
    np.minimum(np.maximum(call, np.maximum(inside, nothing), out=call), forward, out=call)
    np.negative(inside, out=inside)
    np.minimum(np.maximum(put, np.maximum(inside, nothing), out=put), most, out=put)
    return call, put


def vega(forward: Floats, strike: Floats, volatility: Floats, tau: Floats) -> FloatArray:
    """`Greeks.vega` alone, that of a call and of a put.

    Raises
    ------
    PricingError
        As `price`.
    """
    f, k, s, t = _inputs(forward, strike, volatility, tau)
    root = np.sqrt(t)
    d1, _ = _d(f, k, s * root)
    found: FloatArray = f * (exp(-np.square(d1) / 2) / SQRT_TWO_PI) * root
    return found


def greeks(is_call: npt.ArrayLike, forward: Floats, strike: Floats, volatility: Floats, tau: Floats) -> Greeks:
    """Sensitivities of `price`, same arguments.

    At no time or no volatility delta is that of the intrinsic value (one half at the money), gamma and vega are 0 and
    theta is 0, except at the money, where gamma is infinite.

    Raises
    ------
    PricingError
        As `price`.
    """
    f, k, s, t = _inputs(forward, strike, volatility, tau)
    call = np.asarray(is_call, dtype=np.bool_)
    root = np.sqrt(t)
    total = s * root
    d1, _ = _d(f, k, total)
    density = exp(-np.square(d1) / 2) / SQRT_TWO_PI
    delta = np.where(call, normal(d1), normal(d1) - 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        gamma = density / (f * total)
        theta = -f * density * s / (2 * root)
    gamma = np.where(np.isnan(gamma), 0.0, gamma)
    theta = np.where((t > 0) & (s > 0), theta, 0.0)
    theta = np.where(np.isfinite(theta), theta, 0.0)
    shape = np.broadcast_shapes(delta.shape, theta.shape)
    parts = (delta, gamma, f * density * root, theta)
    return Greeks(*(np.broadcast_to(part, shape) for part in parts))
