"""Views for people. Twin of `contracts/Lens.vy`: for reading, so sums round toward zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plimsoll.spec.instruments import id_of, quantity_of, unpack
from plimsoll.spec.margin import row_of
from plimsoll.spec.surface import Surface
from plimsoll.spec.wad import WAD, div_truncate


@dataclass(slots=True)
class Greeks:
    """Net Greeks of one underlying at the reference price of its surfaces [wad].

    delta in units of the underlying, gamma in units per unit of price, vega in quote per 1.00 of volatility, theta in
    quote per day.
    """

    underlying: int
    delta: int = 0
    gamma: int = 0
    vega: int = 0
    theta: int = 0


def greeks(words: Sequence[int], surfaces: Mapping[tuple[int, int], Surface]) -> list[Greeks]:
    """Net Greeks of a sorted book by underlying; a missing row counts its quantity as delta."""
    found: list[Greeks] = []
    for word in words:
        instrument = unpack(id_of(word))
        quantity = quantity_of(word)
        if not found or found[-1].underlying != instrument.underlying:
            found.append(Greeks(instrument.underlying))
        sums = found[-1]
        surface = surfaces.get((instrument.underlying, instrument.expiry))
        row = row_of(surface, instrument)
        if row is None or surface is None:
            sums.delta += quantity
            continue
        reference = surface.reference
        sums.delta += div_truncate(quantity * row.delta, 10**6)
        sums.gamma += div_truncate(quantity * row.gamma * 10**12, reference)
        sums.vega += div_truncate(div_truncate(quantity * row.vega, 10**6) * reference, WAD)
        sums.theta += div_truncate(div_truncate(quantity * row.theta, 10**7) * reference, WAD)
    return found
