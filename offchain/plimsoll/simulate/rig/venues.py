"""The exchanges of a town: a stand-in that answers in their formats, follows the index, and can be broken."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Final

import numpy as np

from plimsoll.simulate.errors import SimulationError
from plimsoll.simulate.venues import VenueStandIn

SPOTS: Final = {
    "kraken": "{}/USD",
    "coinbaseexchange": "{}/USD",
    "bitstamp": "{}/USD",
    "binance": "{}/USDT",
    "okx": "{}/USDT",
}
MINIMUM: Final = 3  # of venues, that the keeper asks for
EVERY: Final = 1  # [s] between questions
MAX_AGE: Final = 4  # [s]
FAULTS: Final = {"freeze": 1, "lie": 1, "gone": len(SPOTS) - MINIMUM + 1}  # how many venues each befalls


def available() -> bool:
    """Whether a keeper here could ask exchanges: their client is an extra."""
    return find_spec("ccxt") is not None


class TownVenues:
    """Five exchanges for some coins.

    Parameters
    ----------
    prices
        By coin.
    """

    def __init__(self, prices: dict[str, float]) -> None:
        self.coins = list(prices)
        self.stand = VenueStandIn(prices=prices).start()
        self.broken: list[str] = []

    def show(self, coin: str, price: float) -> None:
        """Let all of them trade a coin at a price."""
        self.stand.set_price(coin, price)

    def settings(self, underlyings: dict[str, int]) -> dict[str, Any]:
        """The keeper's block of settings; `underlyings` by coin."""
        return {
            "record": "venues.db",
            "every": EVERY,
            "deadline": 2,
            "minimum": MINIMUM,
            "max_age": MAX_AGE,
            "markets": {
                underlyings[coin]: [
                    {"venue": venue, "symbol": symbol.format(coin), "url": self.stand.url_of(venue)}
                    for venue, symbol in SPOTS.items()
                ]
                for coin in self.coins
            },
        }

    def break_some(self, fault: str, rng: np.random.Generator) -> str:
        """Begin a fault at as many drawn venues as it befalls; where.

        Raises
        ------
        SimulationError
            There is no such fault.
        """
        if fault not in FAULTS:
            raise SimulationError(f"venues have no fault {fault!r} here; {', '.join(FAULTS)} are")
        self.mend()
        self.broken = [str(venue) for venue in rng.permutation(list(SPOTS))[: FAULTS[fault]]]
        for venue in self.broken:
            self.stand.fault(fault, venue)
        return (
            f"{len(self.broken)} of {len(SPOTS)}: {self.broken[0]}"
            if len(self.broken) == 1
            else (f"{len(self.broken)} of {len(SPOTS)} venues")
        )

    def mend(self) -> None:
        """End it."""
        for venue in self.broken:
            self.stand.fault("none", venue)
        self.broken = []

    def close(self) -> None:
        """Answer no more."""
        self.stand.stop()
