"""What an exchange's chain lists, as instruments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plimsoll.market.sources import OptionQuote
from plimsoll.spec.instruments import CALL, FUTURE, PERP, PUT, Instrument


def listing(
    underlying: int, chain: Mapping[int, Sequence[OptionQuote]]
) -> tuple[tuple[Instrument, ...], dict[int, float]]:
    """A perpetual, and of each expiry a future and its options by strike, puts first; what options are quoted at.

    Parameters
    ----------
    underlying
        Its number.
    chain
        Expiry [unix s] -> quotes of that expiry.

    Returns
    -------
    tuple
        The instruments; and instrument id -> implied volatility [1 a year], as quoted.
    """
    items, vols = [Instrument(underlying, 0, PERP, 0, 0)], {}
    for expiry, quotes in chain.items():
        items.append(Instrument(underlying, expiry, FUTURE, 0, 0))
        for row, quote in enumerate(sorted(quotes, key=lambda q: (q.strike, q.is_call)), 1):
            item = Instrument(underlying, expiry, CALL if quote.is_call else PUT, round(quote.strike), row)
            items.append(item)
            vols[item.pack()] = quote.volatility
    return tuple(items), vols
