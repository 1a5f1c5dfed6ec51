"""What the tests of the Liquidator do often."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.pairs import MAX, address_of, text
from tests.unit.clearinghouse.stage import BIDDER, EVERYONE, OWNER, TRADER, USD, WAD, Stage, wad

URGENT = 120  # [s] what an account under maintenance margin is given
PERIOD = 3_600  # [s] one over it
RAMP = 3_600  # [s]
ANY = 2**255 - 1  # a price
BIDDER_ADDRESS = address_of("bidder")
TRADER_ADDRESS = address_of("trader")
NOT_BIDDERS = "liquidator: not the bidder's account"
OVER_PRICE = "liquidator: price over the bidder's limit"

# of the auction of an account with E_m = E_h = 200, MM 209, IM 271.7, at its start
PRICE = wad("189.55")
CAP = -(-wad("71.7") * WAD // wad("261.25"))
COST = CAP * PRICE // WAD


def open_auction(stage: Stage, who: int = TRADER) -> None:
    """Call, wait, start."""
    stage.pair.must("liquidator", "call", who)
    stage.later(URGENT + 1)
    stage.pair.must("liquidator", "start", who)


def bid(
    stage: Stage,
    fraction: int = WAD,
    *more: Any,
    who: int = TRADER,
    bidder: int = BIDDER,
    sender: int = BIDDER_ADDRESS,
) -> tuple[int, int, int]:
    """A bid that must pass; what was taken, paid and received."""
    found = stage.pair.must("liquidator", "bid", who, bidder, fraction, *more, sender=sender)
    stage.pair.compare(EVERYONE)
    return found


def refuses_bid(
    stage: Stage,
    reason: str,
    fraction: int = WAD,
    *more: Any,
    who: int = TRADER,
    bidder: int = BIDDER,
    sender: int = BIDDER_ADDRESS,
) -> None:
    """A bid that both refuse."""
    stage.refuses(reason, "liquidator", "bid", who, bidder, fraction, *more, sender=sender)


def quote(stage: Stage, fraction: int = WAD, who: int = TRADER) -> tuple[int, int, int, int]:
    """A quote of both: fraction, payment, discount, what is due."""
    found = tuple(stage.ask("liquidator", "quote", who, fraction))
    assert found == stage.pair.twin.liquidator.quote(who, fraction, stage.pair.now)
    return found


def configure(stage: Stage, **changes: int) -> None:
    """Change what the owner says of calls and auctions."""
    stage.pair.must("liquidator", "set_config", replace(stage.pair.twin.liquidator.config, **changes), sender=OWNER)


def insure(stage: Stage, dollars: float | str) -> None:
    """Bring quote into the insurance fund, which keeps one back."""
    pair, insurer = stage.pair, address_of("insurer")
    amount = wad(dollars) // 10**12
    pair.mint(stage.usd, insurer, amount)
    pair.token_contracts[stage.usd].transact("approve", text(pair.twin.at.fund), MAX, sender=text(insurer))
    pair.twin.tokens[stage.usd].approve(insurer, pair.twin.at.fund, MAX)
    pair.must("fund", "deposit", amount, insurer, sender=insurer)


def cap(stage: Stage, event: int, underlying: int) -> None:
    """What the fund pays at most [wad]."""
    stage.pair.must("fund", "set_caps", event, underlying, sender=OWNER)


def fund_account(stage: Stage) -> int:
    """The fund's account of the book."""
    return stage.pair.twin.at.fund << 96


def events(stage: Stage, part: str, count: int) -> list[tuple[str, dict[str, Any]]]:
    """The last events of a part."""
    return [(event.name, dict(event.args)) for event in getattr(stage.pair.twin, part).log[-count:]]


def units(amount: int) -> int:
    """What of an amount [wad] whole token units come to [wad]."""
    return amount // (WAD // USD) * (WAD // USD)
