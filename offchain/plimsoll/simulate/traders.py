"""Who trades: portfolios from cautious to reckless, and what an owner does when called.

A portfolio is said in shares of one *clip*, the quantity that is worth the same in every market at its first price. How
well an account is funded is a multiple of the initial margin that its portfolio asks on the first day, so that the same
cast fits oil, shares and coins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from plimsoll.spec.instruments import CALL, PERP, PUT


class Reaction(StrEnum):
    """What an owner does when called."""

    NOTHING = "nothing"
    TOPS_UP = "tops up"
    MANDATED = "mandated a top-up"
    CUTS = "cuts"


@dataclass(frozen=True, slots=True)
class Leg:
    """One position: `clips` of an instrument, + long; options by strike over the first price."""

    market: int  # position of the market in the replay
    kind: int
    clips: float
    strike: float = 0.0  # over the first price, for options


@dataclass(frozen=True, slots=True)
class Trader:
    """One account.

    Parameters
    ----------
    name
        For people.
    legs
        What it holds.
    funding
        Its equity as a multiple of the initial margin it needs on the first day; above 1.
    tokens
        Clips of each market's token that it brings as collateral, by position of the market.
    reaction
        What its owner does when called.
    wallet
        What a reaction may spend in all, as a multiple of the same margin; what is mandated lies in the wallet, for
        anyone to bring in once the account is called.
    savings
        Quote besides, in the worth of clips.
    """

    name: str
    legs: tuple[Leg, ...]
    funding: float
    tokens: tuple[tuple[int, float], ...] = ()
    reaction: Reaction = Reaction.NOTHING
    wallet: float = 0.0
    savings: float = 0.0


STRIKES: Final = (0.80, 0.85, 0.90, 0.95, 1.00, 1.05, 1.10)  # over the first price, a put and a call each
PUT_STRIKE: Final = 0.90


def cast(markets: Sequence[str]) -> tuple[Trader, ...]:
    """The accounts of a replay: eleven for each market, and two across the first two."""
    found: list[Trader] = []
    for k, name in enumerate(markets):
        perp, put, atm = (
            Leg(k, PERP, 1.0),
            Leg(k, PUT, -1.0, PUT_STRIKE),
            (Leg(k, CALL, -0.5, 1.0), Leg(k, PUT, -0.5, 1.0)),
        )
        short = Leg(k, PERP, -1.0)
        found += [
            Trader(f"{name} reckless long", (perp,), 1.3),
            Trader(f"{name} bold long", (perp,), 2.5),
            Trader(f"{name} cautious long", (perp,), 10.0),
            Trader(f"{name} long that tops up", (perp,), 1.6, (), Reaction.TOPS_UP, 12.0),
            Trader(f"{name} long that cuts", (perp,), 1.8, (), Reaction.CUTS),
            Trader(f"{name} reckless short", (short,), 1.3),
            Trader(f"{name} cautious short", (short,), 4.0),
            Trader(f"{name} put seller", (put,), 2.0),
            Trader(f"{name} straddle seller", atm, 2.5, (), Reaction.MANDATED, 2.0),
            Trader(f"{name} hedged pair", (short,), 1.5, ((k, 1.0),)),
            Trader(f"{name} long on its own token", (perp,), 1.0, ((k, 0.6),)),
        ]
    if len(markets) > 1:
        found += [
            Trader(f"{markets[0]} against {markets[1]}", (Leg(0, PERP, 0.5), Leg(1, PERP, -0.5)), 2.0),
            Trader(f"{markets[0]} and {markets[1]}", (Leg(0, PERP, 0.5), Leg(1, PERP, 0.5)), 2.0),
        ]
    return tuple(found)
